"""The kernels whose generated source is kept under tests/golden. `python tests/golden_kernels.py` rewrites them."""

from pathlib import Path

FOLDER = Path(__file__).parent / "golden"
KERNELS = [
    ("add", "float32", "contiguous"), ("add", "float32", "strided"), ("add", "float32", "broadcast"),
    ("add", "bfloat16", "contiguous"), ("add", "int8", "contiguous"), ("mul", "complex64", "contiguous"),
    ("eq", "float16", "contiguous"), ("where_values", "float32", "contiguous"), ("clamp", "float64", "contiguous"),
    ("sigmoid", "float32", "contiguous"), ("sigmoid", "int64", "contiguous"), ("relu", "float32", "strided"),
    ("nn.functional.gelu", "float32", "contiguous"), ("nn.functional.softplus", "float32", "contiguous"),
    ("logical_not", "bool", "contiguous"),
    ("sum", "float32", "contiguous"), ("sum", "int32", "contiguous"), ("argmax", "float32", "contiguous"),
    ("logsumexp", "float32", "contiguous"), ("softmax_rows", "float32", "contiguous"),
    ("log_softmax_rows", "bfloat16", "contiguous"), ("layer_norm_rows", "float32", "contiguous"),
    ("var_dims", "float32", "strided"),
]


def path(op, dtype, layout):
    return FOLDER / f"{op.rpartition('.')[2]}_{dtype}_{layout}.txt"


def main():
    import numbatorch  # noqa: F401  (declares the ops)
    from numbatorch.plan import show
    FOLDER.mkdir(exist_ok=True)
    for kernel in KERNELS:
        path(*kernel).write_text(show(*kernel))
    print(f"{len(KERNELS)} kernels written to {FOLDER}")


if __name__ == "__main__":
    main()
