"""The CPU as plans see it: requests in, launches out; memory by the byte."""

from ..expr import kinds
from . import elementwise, rows
from .memory import address, allocate

_TEMPLATES = {kinds.Elementwise: elementwise.plan, kinds.Rows: rows.plan}


def plan(request):
    """The Launch that answers a request (expr/kinds.py)."""
    if isinstance(request, kinds.Native):
        import importlib
        module = importlib.import_module(f".{request.template}", __package__)
        return getattr(module, request.function)(request)
    template = _TEMPLATES.get(type(request))
    if template is None:
        from . import nest, scan
        template = {kinds.Nest: nest.plan, kinds.Scan: scan.plan}[type(request)]
        _TEMPLATES[type(request)] = template
    return template(request)


def source(request):
    """The kernel source that `plan` would compile for a formula request."""
    module = elementwise if isinstance(request, kinds.Elementwise) else rows
    return module.source(request)


__all__ = ["address", "allocate", "plan", "source"]
