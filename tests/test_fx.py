"""Marks for tracing, in a build that does not trace."""

import pytest

from numbatorch import fx


def test_marked_functions_stay_what_they_are():
    @fx.wrap
    def double(x):
        return 2 * x
    assert double(3) == 6 and fx.wrap("double") == "double" and not isinstance(double, fx.Proxy)
    with pytest.raises(RuntimeError, match="takes a function"):
        fx.wrap(3)


@pytest.mark.parametrize("act", [lambda: fx.symbolic_trace(len), fx.Graph, lambda: fx.GraphModule(1, 2), fx.Tracer])
def test_graphs_are_refused(act):
    with pytest.raises(NotImplementedError, match=r"fx\.\w+: programs are not traced"):
        act()
