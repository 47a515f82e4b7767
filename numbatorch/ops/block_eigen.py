"""A few extreme eigenpairs of large symmetric matrices: LOBPCG.

Each step takes the best pairs that the span of three blocks holds: the approximations X, their (preconditioned)
residuals, and the directions of the step before. Knyazev 2001, "Toward the optimal preconditioned eigensolver", SIAM J.
Sci. Comput. 23(2), algorithm 5.1; basis of method "ortho" after Duersch, Shao, Yang & Gu 2018, arXiv:1704.07458,
section 3.3, with the orthonormalisation of Stathopoulos & Wu 2002, SIAM J. Sci. Comput. 23(6), algorithm 3.1.
"""

import math
from typing import Any

from .. import dtypes
from ..errors import LinAlgError
from .declare import OPS, composite, foreign
from .linalg import adjoint, eye_like, solve

_PASSES = {"ortho_i_max": 3, "ortho_j_max": 3}  # against the basis so far, and within a block


class Iteration:
    """The state of one matrix's iteration, as `tracker` sees it.

    A, B, iK: operands. E (n,), X (m, n), R (m, n), S (m, up to 3 n): eigenvalues, vectors, residuals, basis.
    iparams, fparams, bparams: parameters by type; ivars, fvars, bvars, tvars: what changes from step to step.
    """

    def __init__(self, A, B, X, iK, iparams, fparams, bparams, method, tracker):
        self.A, self.B, self.X, self.iK = A, B, X, iK
        self.iparams, self.fparams, self.bparams = iparams, fparams, bparams
        self.method, self.tracker = method, tracker
        self.E, self.R, self.S = X.new_zeros((X.shape[-1],)), X.new_zeros(X.shape), X
        self.ivars = {"istep": 0, "converged_count": 0, "iterations_left": iparams["niter"]}
        self.fvars: dict[str, float] = {}
        self.bvars: dict[str, bool] = {}
        self.tvars: dict[str, Any] = {}
        self.directions = None  # of the step before

    def run(self):
        """Step until k pairs have converged, no iterations are left, or the tracker sets bvars["force_stop"]."""
        size = float(OPS["norm"].call(self.X))
        self.fvars.update(X_norm=size, A_norm=float(OPS["norm"].call(self.A @ self.X)) / size,
                          B_norm=float(OPS["norm"].call(self.metric(self.X))) / size)
        self.project(self.orthonormal(self.X, None))
        while True:
            self.measure()
            if self.tracker is not None:
                self.tracker(self)
            if self.bvars.get("force_stop") or self.ivars["iterations_left"] == 0 or (
                    self.ivars["converged_count"] >= self.iparams["k"]):
                return
            self.step()
            self.ivars["istep"] += 1
            self.ivars["iterations_left"] -= 1

    def metric(self, t):
        return t if self.B is None else self.B @ t

    def measure(self):
        """Residuals, and how many leading pairs have converged: backward error below tol."""
        self.R = self.A @ self.X - self.metric(self.X) * self.E
        scale = self.fvars["A_norm"] + self.E.abs() * self.fvars["B_norm"]
        norm = OPS["linalg.vector_norm"].call
        self.tvars["rerr"] = errors = norm(self.R, 2, 0) / (norm(self.X, 2, 0) * scale)
        converged = (errors < self.fparams["tol"]).tolist()
        self.ivars["converged_count"] = converged.index(False) if False in converged else len(converged)

    def step(self):
        """The best pairs in the span of X, residuals and directions, of which those of converged pairs are left out."""
        residuals = self.R[:, self.ivars["converged_count"]:]
        if self.iK is not None:
            residuals = self.iK @ residuals
        blocks = [residuals] if self.directions is None else [residuals, self.directions]
        cat = OPS["cat"].call
        if self.method == "basic":
            self.project(self.orthonormal_at_once(cat([self.X, *blocks], -1)))
            return
        basis = self.X
        for block in blocks:
            basis = cat([basis, self.orthonormal(block, basis)], -1)
        self.project(basis)

    def project(self, basis):
        """Rayleigh-Ritz: the n best pairs in the span of an orthonormal basis."""
        n = self.iparams["n"]
        values, vectors = OPS["linalg.eigh"].call(adjoint(basis) @ (self.A @ basis))
        if self.bparams["largest"]:
            values, vectors = values.flip(0), vectors.flip(1)
        self.S, self.E, self.X = basis, values[:n], basis @ vectors[:, :n]
        if basis.shape[-1] > n:
            self.directions = basis[:, n:] @ vectors[n:, self.ivars["converged_count"]:n]

    def orthonormal_at_once(self, block):
        """A basis of the span of a block by Cholesky factorisation of its Gram matrix."""
        gram = adjoint(block) @ self.metric(block)
        scale = gram.diagonal().real.rsqrt().to(gram.dtype)
        try:
            factor = OPS["linalg.cholesky"].call(gram * scale * scale.unsqueeze(-1))
        except LinAlgError:
            raise LinAlgError(f"lobpcg: the basis of step {self.ivars['istep'] + 1} is nearly dependent, which "
                              "method='basic' cannot go on from; use method='ortho'") from None
        return OPS["linalg.solve_triangular"].call(adjoint(factor), block * scale, upper=True, left=False)

    def orthonormal(self, block, against):
        """A basis of the span of a block, orthogonal to `against` where that is given, by repeated passes."""
        tolerance = self.fparams["ortho_tol"]
        measured = None if against is None else self.metric(against)
        for _ in range(self.iparams["ortho_i_max"]):
            if against is not None:
                block = block - against @ (adjoint(measured) @ block)
            for _ in range(self.iparams["ortho_j_max"]):
                block = self.decorrelated(block)
                if not block.shape[-1]:
                    return block
                gram = adjoint(block) @ self.metric(block)
                if float((gram - eye_like(gram)).abs().amax()) < tolerance:
                    break
            if against is None or float((adjoint(measured) @ block).abs().amax()) < tolerance:
                break
        return block

    def decorrelated(self, block):
        """One pass towards orthonormal columns by the eigenvectors of the Gram matrix; columns of zeros are left out,
        and small eigenvalues raised, or left out with bparams["ortho_use_drop"]."""
        gram = adjoint(block) @ self.metric(block)
        size = gram.diagonal().real
        if not bool((size > 0).all()):
            block, gram = block[:, size > 0], gram[size > 0][:, size > 0]
            size = size[size > 0]
            if not block.shape[-1]:
                return block
        scale = size.rsqrt().to(gram.dtype)
        values, vectors = OPS["linalg.eigh"].call(gram * scale * scale.unsqueeze(-1))
        if self.bparams["ortho_use_drop"]:
            large = values > self.fparams["ortho_tol_drop"] * values[-1]
            values, vectors = values[large], vectors[:, large]
        else:
            values = values.clamp(min=float(self.fparams["ortho_tol_replace"] * values[-1]))
        return (block * scale) @ (vectors * values.rsqrt().to(vectors.dtype))


def _weights(grad_E, grad_X, A, B, E, X):
    """W (..., m, k), so that the gradient of A is W X^H: what reaches each vector through its eigenvalue, through the
    other pairs found, and through the rest of the space."""
    turned = X if B is None else B @ X
    inside = adjoint(X) @ grad_X
    gaps = E.unsqueeze(-2) - E.unsqueeze(-1) + eye_like(inside).real
    inside = (inside - OPS["diag_embed"].call(inside.diagonal(0, -2, -1))) / gaps
    within = X @ (inside + OPS["diag_embed"].call(grad_E.to(X.dtype)))
    outside = grad_X - turned @ (adjoint(X) @ grad_X)
    each = E.unsqueeze(-1).unsqueeze(-1)  # (..., k, 1, 1): one system a pair
    pairs = (turned @ adjoint(turned)).unsqueeze(-3)
    metric = eye_like(pairs) if B is None else B.unsqueeze(-3)
    system = each * (metric - pairs) - A.unsqueeze(-3) + pairs + (
        (turned * E.unsqueeze(-2).to(X.dtype)) @ adjoint(turned)).unsqueeze(-3)
    found = solve.call(system, outside.transpose(-2, -1).unsqueeze(-1)).squeeze(-1)  # (..., k, m)
    return within + found.transpose(-2, -1)


def _symmetric(t):
    return (t + adjoint(t)) / 2


def _gradient(grad_eigenvalues, grad_eigenvectors, A, B, eigenvalues, eigenvectors):
    weights = _weights(grad_eigenvalues, grad_eigenvectors, A, B, eigenvalues, eigenvectors)
    return _symmetric(weights @ adjoint(eigenvectors))


def _metric_gradient(grad_eigenvalues, grad_eigenvectors, A, B, eigenvalues, eigenvectors):
    x = eigenvectors
    weights = _weights(grad_eigenvalues, grad_eigenvectors, A, B, eigenvalues, x)
    sizes = (x.conj() * grad_eigenvectors).sum(-2, keepdim=True).real / 2  # of vectors whose B-norm stays 1
    return -_symmetric((weights * eigenvalues.unsqueeze(-2) + x * sizes) @ adjoint(x))


@foreign(name="_lobpcg", method=False, outputs=("eigenvalues", "eigenvectors"), grad=_gradient, B=_metric_gradient)
def eigenpairs(A, B=None, *, X: Any, iK: Any, parameters: Any, method: Any, tracker: Any):
    """k extreme eigenvalues (..., k) and eigenvectors (..., m, k) of A (..., m, m), or of A x = e B x."""
    from ..randomness import randn
    integers, numbers, flags = parameters
    m, n, k = (integers[name] for name in ("m", "n", "k"))
    batch, stack = tuple(A.shape[:-2]), OPS["stack"].call

    def each(t):
        return [None] * math.prod(batch) if t is None else [t] if not batch else list(
            t.reshape(-1, *t.shape[-2:]).unbind(0))
    values, vectors = [], []
    for index, (a, b, x) in enumerate(zip(each(A), each(B), each(X), strict=True)):
        x = randn(m, n, dtype=A.dtype, device=A.device) if x is None else x
        if batch:
            integers["batch_index"] = index
        state = Iteration(a, b, x, iK, integers, numbers, flags, method, tracker)
        state.run()
        values.append(state.E[:k])
        vectors.append(state.X[:, :k])
    if not batch:
        return values[0], vectors[0]
    if not values:
        return A.new_empty((*batch, k)), A.new_empty((*batch, m, k))
    return stack(values).reshape(*batch, k), stack(vectors).reshape(*batch, m, k)


@composite(method=False)
def lobpcg(A, k=None, B=None, X=None, n=None, iK=None, niter=None, tol=None, largest=None, method: Any = None,
           tracker=None, ortho_iparams=None, ortho_fparams=None, ortho_bparams=None):
    """(eigenvalues (..., k), eigenvectors (..., m, k)) of symmetric A (..., m, m), or of A x = e B x: the largest,
    descending, or the smallest, ascending, unless `largest`.

    X: n first approximations, random when None. iK: approximately the inverse of A. At most `niter` steps (1000; -1
    for no limit) until backward errors are below `tol` (root of eps). method: "ortho" or "basic". tracker(state) is
    called after each step (`Iteration`). With gradients, of A and B, to any order.
    """
    if A.ndim < 2 or A.shape[-2] != A.shape[-1]:
        raise AssertionError(f"lobpcg: A must be square, got shape {tuple(A.shape)}")
    if B is not None and tuple(A.shape) != tuple(B.shape):
        raise AssertionError(f"lobpcg: A and B must have the same shape, got {tuple(A.shape)} and {tuple(B.shape)}")
    if A.dtype.category < dtypes.FLOAT or A.dtype.itemsize < 4:
        raise RuntimeError(f"lobpcg: expected A in a floating point dtype of 32 or 64 bits, got {A.dtype}")
    if method not in (None, "ortho", "basic"):
        raise ValueError(f"lobpcg: method must be 'ortho' or 'basic', got {method!r}")
    m = A.shape[-1]
    k = (1 if X is None else X.shape[-1]) if k is None else k
    n = (k if n is None else n) if X is None else X.shape[-1]
    if m < 3 * n or k > n:
        raise ValueError(f"lobpcg: {n} vectors are iterated on, which needs A of at least {3 * n} rows and at most {n} "
                         f"pairs asked for, got {m} rows and k={k}; linalg.eigh finds all pairs")
    if X is not None and tuple(X.shape) != (*A.shape[:-2], m, n):
        raise AssertionError(f"lobpcg: X must have shape {(*A.shape[:-2], m, n)}, got {tuple(X.shape)}")
    tol = dtypes.finfo(A.dtype).eps ** 0.5 if tol is None else tol
    integers = {"m": m, "n": n, "k": k, "niter": 1000 if niter is None else niter, **_PASSES,
                **(ortho_iparams or {})}
    numbers = {"tol": tol, "ortho_tol": tol, "ortho_tol_drop": tol, "ortho_tol_replace": tol, **(ortho_fparams or {})}
    flags = {"largest": True if largest is None else bool(largest), "ortho_use_drop": False, **(ortho_bparams or {})}
    return tuple(eigenpairs.call(A, B, X=X, iK=iK, parameters=(integers, numbers, flags), method=method or "ortho",
                                 tracker=tracker))
