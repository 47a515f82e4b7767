"""Handwritten digits as NumPy arrays: MNIST from a folder, the cache or the network, and a small set that ships."""

from .digits import Digits, load_digits
from .idx import DatasetError, read_idx
from .mnist import ImageSet, find_mnist, load_folder

__all__ = ["DatasetError", "Digits", "ImageSet", "find_mnist", "load_digits", "load_folder", "read_idx"]
