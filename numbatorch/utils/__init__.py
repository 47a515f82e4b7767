"""Helpers around training: data loading, hooks and checkpointing."""
