"""Functions that take functions, under the names and in the modules where PyTorch keeps them.

They run as ordinary code, with gradients.
"""

from .associative_scan import associative_scan
from .cond import cond
from .foreach_map import foreach_map
from .map import map
from .scan import scan
from .while_loop import while_loop

__all__ = ["associative_scan", "cond", "foreach_map", "map", "scan", "while_loop"]
