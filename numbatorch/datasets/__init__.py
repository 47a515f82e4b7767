"""Handwritten digits as NumPy arrays: MNIST from a folder, the cache or the network, and a small set that
ships. Text to model."""

from .digits import Digits, load_digits
from .idx import DatasetError, read_idx
from .mnist import ImageSet, find_mnist, load_folder
from .text import Text, find_text

__all__ = ["DatasetError", "Digits", "ImageSet", "Text", "find_mnist", "find_text", "load_digits", "load_folder",
           "read_idx"]
