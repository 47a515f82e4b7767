"""Element types, their limits and the promotion rules.

Rules after PyTorch's documentation "Tensor attributes, torch.dtype": dimensioned tensors outrank 0-d tensors, which
outrank Python numbers; a lower rank only decides when it brings a higher category (bool < integer < float < complex).
"""

import numpy as np

_BY_NAME: dict[str, "dtype"] = {}


class dtype:
    """An element type: `torch.float32`. One object each; compares by identity."""

    __slots__ = ("name", "itemsize", "category", "compute", "is_foreign", "_numpy")

    def __init__(self, name, itemsize, category, compute=None, is_foreign=False):
        self.name, self.itemsize, self.category = name, itemsize, category
        self.compute = compute or name  # the type that formulas are evaluated in
        self.is_foreign = is_foreign  # NumPy has no such type
        self._numpy = None
        _BY_NAME[name] = self

    @property
    def numpy(self):
        """The NumPy dtype with the same bytes (bfloat16 and float8: those of ml_dtypes; complex32: two halves)."""
        if self._numpy is None:
            if self is complex32:
                self._numpy = np.dtype([("real", np.float16), ("imag", np.float16)])
            elif self.is_foreign:
                import ml_dtypes
                self._numpy = np.dtype(getattr(ml_dtypes, self.name))
            else:
                self._numpy = np.dtype(self.name)
        return self._numpy

    @property
    def familiar(self):
        """The narrowest dtype that NumPy has and that holds every value of this one: itself, mostly."""
        return _BY_NAME[self.compute] if self.is_foreign else self

    @property
    def wide(self):
        """The dtype in which formulas over this one are evaluated: float32 for narrower floats, else mostly itself."""
        return _BY_NAME[self.compute]

    @property
    def is_float8(self):
        """Whether this is one of the 8-bit floats, which are stored and converted but not computed with."""
        return self.name in FLOAT8

    @property
    def is_floating_point(self):
        return self.category == FLOAT

    @property
    def is_complex(self):
        return self.category == COMPLEX

    @property
    def is_signed(self):
        return self.name != "bool" and not self.name.startswith("uint")

    def to_complex(self):
        """The complex dtype with parts of this one. RuntimeError for integers, bool and float8."""
        found = _COMPLEX_OF.get(self.name)
        if found is None:
            raise RuntimeError(f"to_complex: no complex dtype has parts of {self}")
        return found

    def to_real(self):
        """The dtype of the parts of a complex dtype; itself for others."""
        return _REAL_OF.get(self.name, self)

    def __repr__(self):
        return f"torch.{self.name}"

    def __reduce__(self):
        return by_name, (self.name,)


def by_name(name):
    """The dtype called `name`."""
    return _BY_NAME[name]


BOOL, INTEGER, FLOAT, COMPLEX = range(4)

bool = dtype("bool", 1, BOOL)
uint8 = dtype("uint8", 1, INTEGER)
int8 = dtype("int8", 1, INTEGER)
int16 = dtype("int16", 2, INTEGER)
int32 = dtype("int32", 4, INTEGER)
int64 = dtype("int64", 8, INTEGER)
uint16 = dtype("uint16", 2, INTEGER)
uint32 = dtype("uint32", 4, INTEGER)
uint64 = dtype("uint64", 8, INTEGER)
float16 = dtype("float16", 2, FLOAT, compute="float32")
bfloat16 = dtype("bfloat16", 2, FLOAT, compute="float32", is_foreign=True)
float32 = dtype("float32", 4, FLOAT)
float64 = dtype("float64", 8, FLOAT)
complex32 = dtype("complex32", 4, COMPLEX, compute="complex64", is_foreign=True)
complex64 = dtype("complex64", 8, COMPLEX)
complex128 = dtype("complex128", 16, COMPLEX)

# 8-bit floats: bits of the mantissa, bias of the exponent, and the codes of the largest value, of what lies beyond it
# and of NaN. After Micikevicius et al. 2022, arXiv:2209.05433, and Noune et al. 2022, arXiv:2206.02915 (fnuz: no -0).
FLOAT8 = {"float8_e4m3fn": (3, 7, 0x7E, 0x7E, 0x7F), "float8_e5m2": (2, 15, 0x7B, 0x7C, 0x7F),
          "float8_e4m3fnuz": (3, 8, 0x7F, 0x80, 0x80), "float8_e5m2fnuz": (2, 16, 0x7F, 0x80, 0x80)}
float8_e4m3fn, float8_e5m2, float8_e4m3fnuz, float8_e5m2fnuz = (
    dtype(_name, 1, FLOAT, compute="float32", is_foreign=True) for _name in FLOAT8)

STORED = (uint16, uint32, uint64, complex32, float8_e4m3fn, float8_e5m2, float8_e4m3fnuz, float8_e5m2fnuz)
ALL = (bool, uint8, int8, int16, int32, int64, float16, bfloat16, float32, float64, complex64, complex128)
ALIASES = {"float": float32, "double": float64, "half": float16, "short": int16, "int": int32, "long": int64,
           "chalf": complex32, "cfloat": complex64, "cdouble": complex128}
_COMPLEX_OF = {"float32": complex64, "float64": complex128, "float16": complex32, "bfloat16": complex64,
               "complex32": complex32, "complex64": complex64, "complex128": complex128}
_REAL_OF = {"complex32": float16, "complex64": float32, "complex128": float64}
_NUMPY_TYPES = {name: d for name, d in _BY_NAME.items()}
_default = float32
_forgetful: list[dict] = []  # tables of plans, which were made for the default of their day


def forget_at_new_default(table):
    """Have `table`, a dictionary of what was worked out for the default dtype, emptied when that dtype changes."""
    _forgetful.append(table)
    return table


def get_default_dtype():
    """The dtype of `tensor([1.0])`, float32 unless set."""
    return _default


def set_default_dtype(d):
    """Make `d`, a floating-point dtype, the one that Python floats become. TypeError for any other dtype."""
    global _default
    if not isinstance(d, dtype) or d.category != FLOAT:
        raise TypeError(f"set_default_dtype: only floating-point dtypes can be the default, got {d}")
    if d is not _default:
        _default = d
        for table in _forgetful:
            table.clear()


def of_type(kind):
    """The dtype that a Python type stands for where a dtype is asked for: float is float64. Else what was given."""
    return _PYTHON_TYPES.get(kind, kind) if isinstance(kind, type) else kind


def from_numpy(numpy_dtype):
    """The dtype of a NumPy dtype; TypeError if there is none."""
    found = _NUMPY_TYPES.get(np.dtype(numpy_dtype).name)
    if found is None or not np.dtype(numpy_dtype).isnative:
        raise TypeError(
            f"can't convert np.ndarray of type {numpy_dtype}. The supported types are: float64, float32, float16, "
            "bfloat16, complex128, complex64, int64, int32, int16, int8, uint64, uint32, uint16, uint8 and bool.")
    return found


_INTEGERS = ("uint8", "int8", "int16", "int32", "int64")


def promote_types(a, b):
    """The smallest dtype that holds both `a` and `b`, as PyTorch's table has it.

    RuntimeError where it has none: float8 with any other dtype; uint16, uint32 and uint64 with any but floats.
    """
    a, b = of_type(a), of_type(b)
    if not isinstance(a, dtype) or not isinstance(b, dtype):
        raise TypeError(f"promote_types: expected two dtypes, got {type(a).__name__} and {type(b).__name__}")
    if a is b:
        return a
    for one in (a, b):
        if one.is_float8:
            raise RuntimeError(f"Promotion for Float8 Types is not supported, attempted to promote {a} and {b}; "
                               "convert first: tensor.to(torch.float32)")
    if a.category > b.category:
        a, b = b, a
    if b.category != FLOAT:
        for one in (a, b):
            if one.name in ("uint16", "uint32", "uint64"):
                raise RuntimeError("Promotion for uint16, uint32, uint64 types is not supported, attempted to promote "
                                   f"{a} and {b}; convert first: tensor.to(torch.int64)")
    if a.category == b.category == INTEGER:
        if {a.name, b.name} == {"uint8", "int8"}:
            return int16
        return a if _INTEGERS.index(a.name) > _INTEGERS.index(b.name) else b
    if a.category == b.category == FLOAT:
        if {a.name, b.name} == {"float16", "bfloat16"}:
            return float32
        return a if a.itemsize > b.itemsize else b
    if b.category == COMPLEX and a.category >= FLOAT:
        a = a.to_complex()
        return a if a.itemsize > b.itemsize else b
    return b


def of_number(value):
    """The dtype that a Python number has on its own."""
    if isinstance(value, (_bool, np.bool_)):
        return bool
    if isinstance(value, (int, np.integer)):
        return int64
    if isinstance(value, (float, np.floating)):
        return _default
    if isinstance(value, (complex, np.complexfloating)):
        return _default.to_complex()
    raise TypeError(f"expected a number, got {type(value).__name__}")


_bool = __builtins__["bool"] if isinstance(__builtins__, dict) else __builtins__.bool
_PYTHON_TYPES = {_bool: bool, int: int64, float: float64, complex: complex128}


def combine(higher, lower):
    """The dtype of two ranks of operands; None stands for a rank without operands."""
    if higher is None or lower is None:
        return higher or lower
    if lower.category <= higher.category:
        return higher
    if higher.category == FLOAT:
        return higher.to_complex()
    return lower if lower.category == COMPLEX else promote_types(higher, lower)


def result_of(operands):
    """The dtype of an operation on `operands`: pairs (dtype, rank), rank 2 dimensioned, 1 a 0-d tensor, 0 a number."""
    ranks: list = [None, None, None]
    for d, rank in operands:
        ranks[rank] = d if ranks[rank] is None else promote_types(ranks[rank], d)
    return combine(ranks[2], combine(ranks[1], ranks[0]))


def limits(dtype):
    """The least and the greatest number that fits a dtype; unsigned ones take negative numbers and wrap them once."""
    if dtype.category == INTEGER:
        info = iinfo(dtype)
        return (info.min if dtype.is_signed else -info.max), info.max
    if dtype.name == "float32":
        most = finfo(dtype).max
        return -most, most
    return -np.inf, np.inf


def can_cast(from_, to):
    """Whether a result of dtype `from_` may be written into a tensor of dtype `to`."""
    from_, to = of_type(from_), of_type(to)
    if from_.category > to.category:
        return False
    return not (to.category == BOOL and from_.category != BOOL)


def is_signed(d):
    return d.is_signed


class finfo:
    """Limits of a floating-point dtype: bits, eps, max, min, tiny, smallest_normal, resolution, dtype."""

    def __init__(self, type=None):
        d = _default if type is None else of_type(type)
        if d.category == COMPLEX:
            d = d.to_real()
        if d.category != FLOAT:
            raise TypeError(f"torch.finfo() requires a floating point input type. Use torch.iinfo to handle {d}")
        self.dtype, self.bits = d.name, d.itemsize * 8
        if d.is_float8:
            digits, bias, largest, _, _ = FLOAT8[d.name]
            self.eps, self.tiny, self.resolution = 2.0 ** -digits, 2.0 ** (1 - bias), 1.0
            self.max = 2.0 ** ((largest >> digits) - bias) * (1 + (largest & (1 << digits) - 1) * self.eps)
            self.min = -self.max
        else:
            if d.is_foreign:
                import ml_dtypes
                info = ml_dtypes.finfo(d.numpy)
            else:
                info = np.finfo(d.numpy)
            self.eps, self.max, self.min = float(info.eps), float(info.max), float(info.min)
            self.tiny, self.resolution = float(info.tiny), 10.0 ** -info.precision
        self.smallest_normal = self.tiny

    def __repr__(self):
        return (f"finfo(resolution={self.resolution:g}, min={self.min:g}, max={self.max:g}, eps={self.eps:g}, "
                f"smallest_normal={self.smallest_normal:g}, tiny={self.tiny:g}, dtype={self.dtype})")


class iinfo:
    """Limits of an integer dtype: bits, max, min, dtype."""

    def __init__(self, type):
        type = of_type(type)
        if type.category != INTEGER:
            raise TypeError(f"torch.iinfo() requires an integer input type. Use torch.finfo to handle {type}")
        info = np.iinfo(type.numpy)
        self.dtype, self.bits, self.max, self.min = type.name, info.bits, int(info.max), int(info.min)

    def __repr__(self):
        return f"iinfo(min={self.min}, max={self.max}, dtype={self.dtype})"


