"""Loops, see numbatorch.control_flow."""

from numbatorch import while_loop

__all__ = ["while_loop"]
