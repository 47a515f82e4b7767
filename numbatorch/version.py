"""Versions, under the names that programs read."""

__version__ = "0.1.0"
cuda = None
hip = None
git_version = "unknown"
