"""Triangular factors of batches of matrices, as multivariate distributions need them."""

import numbatorch as torch


def matvec(matrix, vector):
    """Products (..., n, m) @ (..., m) -> (..., n), batches broadcast."""
    return (matrix @ vector.unsqueeze(-1)).squeeze(-1)


def solve_lower(factor, value):
    """factor^-1 value of lower triangles (..., n, n) and matrices (..., n, k), batches broadcast."""
    return torch.linalg.solve_triangular(factor, value, upper=False)


def squared_distance(factor, away):
    """|factor^-1 away|^2 of lower triangles (..., n, n) and vectors (..., n): Mahalanobis' distance, squared."""
    if factor.dim() == 2:  # one triangle for all vectors, which become the columns of one matrix
        columns = away.reshape(-1, away.shape[-1]).mT
        return solve_lower(factor, columns).square().sum(-2).reshape(away.shape[:-1])
    return solve_lower(factor, away.unsqueeze(-1)).square().sum((-2, -1))


def half_log_det(factor):
    """log det of lower triangles (..., n, n): half that of factor @ factor.mT."""
    return factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)


def unit(like):
    """The unit matrix in the size of the last dimension of a tensor."""
    return torch.eye(like.shape[-1], dtype=like.dtype, device=like.device)


def factor_of_inverse(precision):
    """The Cholesky factor of the inverse of precision matrices, by that of the matrix turned by half a turn.

    With J reversing the order and J P J = L L^T: P^-1 = M M^T for the lower triangle M = (J L J)^-T.
    """
    reversed_factor = torch.linalg.cholesky(torch.flip(precision, (-2, -1)))
    return solve_lower(torch.flip(reversed_factor, (-2, -1)).mT, unit(precision))
