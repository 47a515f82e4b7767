"""From constraints to transforms of unconstrained tensors into them.

    biject_to(constraint)      a bijection: for densities, whose Jacobian counts
    transform_to(constraint)   a transform that is good to optimise through, more parameters than freedoms allowed
"""

from numbatorch.distributions import constraints, transforms


class ConstraintRegistry:
    """A table from types of constraints to functions that make transforms."""

    def __init__(self):
        self._registry = {}

    def register(self, constraint, factory=None):
        """Enter a function from a constraint to a transform, for a type of constraint or that of an instance.

        As a decorator without `factory`. TypeError for what is no constraint.
        """
        if factory is None:
            return lambda function: self.register(constraint, function)
        kind = type(constraint) if isinstance(constraint, constraints.Constraint) else constraint
        if not isinstance(kind, type) or not issubclass(kind, constraints.Constraint):
            raise TypeError("Expected constraint to be either a Constraint subclass or instance, but got "
                            f"{constraint!r}")
        self._registry[kind] = factory
        return factory

    def __call__(self, constraint):
        """The transform for a constraint; NotImplementedError where none is registered for its type."""
        factory = self._registry.get(type(constraint))
        if factory is None:
            raise NotImplementedError(f"Cannot transform {type(constraint).__name__} constraints")
        return factory(constraint)


biject_to = ConstraintRegistry()
transform_to = ConstraintRegistry()


def _in_both(*listed):
    def enter(function):
        for constraint in listed:
            biject_to.register(constraint, function)
            transform_to.register(constraint, function)
        return function
    return enter


@_in_both(constraints.real)
def _real(constraint):
    return transforms.identity_transform


@_in_both(constraints.greater_than, constraints.greater_than_eq)
def _above(constraint):
    return transforms.ComposeTransform([transforms.ExpTransform(),
                                        transforms.AffineTransform(constraint.lower_bound, 1)])


@_in_both(constraints.less_than)
def _below(constraint):
    return transforms.ComposeTransform([transforms.ExpTransform(),
                                        transforms.AffineTransform(constraint.upper_bound, -1)])


@_in_both(constraints.interval, constraints.half_open_interval)
def _between(constraint):
    low, high = constraint.lower_bound, constraint.upper_bound
    if isinstance(low, (int, float)) and isinstance(high, (int, float)) and (low, high) == (0, 1):
        return transforms.SigmoidTransform()
    return transforms.ComposeTransform([transforms.SigmoidTransform(), transforms.AffineTransform(low, high - low)])


@_in_both(constraints.corr_cholesky)
def _corr_cholesky(constraint):
    return transforms.CorrCholeskyTransform()


@biject_to.register(constraints.simplex)
def _simplex_by_sticks(constraint):
    return transforms.StickBreakingTransform()


@transform_to.register(constraints.simplex)
def _simplex(constraint):
    return transforms.SoftmaxTransform()


@transform_to.register(constraints.lower_cholesky)
def _lower_cholesky(constraint):
    return transforms.LowerCholeskyTransform()


@transform_to.register(constraints.positive_semidefinite)
@transform_to.register(constraints.positive_definite)
def _positive_definite(constraint):
    return transforms.PositiveDefiniteTransform()


def _register_combined(registry):
    """Constraints made of others, with the registry's transforms of these."""
    @registry.register(constraints.independent)
    def independent(constraint):
        base = registry(constraint.base_constraint)
        return transforms.IndependentTransform(base, constraint.reinterpreted_batch_ndims)

    @registry.register(constraints.cat)
    def cat(constraint):
        return transforms.CatTransform([registry(c) for c in constraint.cseq], constraint.dim, constraint.lengths)

    @registry.register(constraints.stack)
    def stack(constraint):
        return transforms.StackTransform([registry(c) for c in constraint.cseq], constraint.dim)


_register_combined(biject_to)
_register_combined(transform_to)
