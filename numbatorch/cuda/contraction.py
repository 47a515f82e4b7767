"""Products and convolutions by templates of their own; what none of them takes runs in the plain nest."""

from . import nest


def convolution(request):
    """A convolution, or one of its gradients, by the nest that its request carries."""
    return nest.plan(request.options["plain"])
