"""Branches, see numbatorch.control_flow."""

from numbatorch import cond

__all__ = ["cond"]
