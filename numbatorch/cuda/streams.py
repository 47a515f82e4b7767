"""Streams of the GPU: what `numbatorch.cuda` has of them."""

from ..absent import part

globals().update(part("cuda", """
    Event ExternalStream Stream
"""))
