"""MIOpen: there is no GPU for it. Its setting is kept and means nothing."""

from . import settings

settings(globals(), immediate=False)
