"""The functions of torch.sparse that combine others."""

from ..ops.declare import OPS
from . import product
from .pattern import Pattern, is_sparse
from .tensor import assemble, recorded_values


def mm(mat1, mat2, reduce=None):
    """mat1 @ mat2, at least one of them sparse: strided where one is strided. Gradients of sparse operands are sparse.

    reduce: "sum", "mean", "amax" or "amin" of the terms of a row, for mat1 in layout torch.sparse_csr; 0 without terms.
    """
    return OPS["mm"].call(mat1, mat2) if reduce is None else product.reduced_mm(mat1, mat2, reduce)


def addmm(mat, mat1, mat2, *, beta=1.0, alpha=1.0):
    """beta * mat + alpha * mat1 @ mat2."""
    return OPS["addmm"].call(mat, mat1, mat2, beta=beta, alpha=alpha)


def spsolve(input, other, *, left=True):
    """The solution of a sparse linear system: NotImplementedError, as it needs a sparse direct solver."""
    raise NotImplementedError("sparse.spsolve: not implemented: use linalg.solve(input.to_dense(), other), or an "
                              "iterative method on top of input @ x")


def as_sparse_gradcheck(gradcheck):
    """gradcheck for functions of sparse tensors: it sees their values, the sparse tensors are made inside."""
    def checked(function, inputs, *, masked=None, **options):
        inputs = inputs if isinstance(inputs, (list, tuple)) else (inputs,)
        recipes, strided = [], []
        for x in inputs:
            if is_sparse(x) and x.requires_grad:
                x = x.coalesce() if x.is_sparse else x
                recipes.append(x._pattern)
                strided.append(x._stored.detach().clone().requires_grad_(True))
            else:
                recipes.append(None)
                strided.append(x)

        def of_values(*given):
            results = function(*(x if r is None else _with_values(r, x) for r, x in zip(recipes, given, strict=True)))
            several = results if isinstance(results, (list, tuple)) else (results,)
            found = tuple(recorded_values(r.coalesce() if r.is_sparse else r) if is_sparse(r) else r for r in several)
            return found if isinstance(results, (list, tuple)) else found[0]
        return gradcheck(of_values, tuple(strided), **options)
    return checked


def _with_values(pattern: Pattern, values):
    return assemble(pattern, values)


def _not_there(name):
    class Missing:
        """Matrices with two of every four elements zero, for the tensor cores of GPUs: not available."""

        def __init__(self, *args, **kwargs):
            raise NotImplementedError(f"{name}: semi-structured sparsity needs a GPU backend, which this build lacks: "
                                      "use to_sparse_csr() or to_sparse_bsr()")
    Missing.__name__ = Missing.__qualname__ = name
    return Missing


SparseSemiStructuredTensor = _not_there("SparseSemiStructuredTensor")
SparseSemiStructuredTensorCUTLASS = _not_there("SparseSemiStructuredTensorCUTLASS")
SparseSemiStructuredTensorCUSPARSELT = _not_there("SparseSemiStructuredTensorCUSPARSELT")


def to_sparse_semi_structured(original_tensor, transposed=False):
    """A matrix with two of every four elements zero: NotImplementedError, see SparseSemiStructuredTensor."""
    return SparseSemiStructuredTensor(original_tensor)


