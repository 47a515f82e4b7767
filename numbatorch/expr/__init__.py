"""Formulas as trees: tracing, scalar functions, derivation and writing."""
