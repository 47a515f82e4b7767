"""1,797 real handwritten digits of 8 x 8 pixels that come with numbatorch (see README.md beside this file)."""

from importlib.resources import files
from typing import NamedTuple

import numpy as np


class Digits(NamedTuple):
    """images uint8 (1797, 8, 8) with values 0 to `white`; labels uint8 (1797,); both shuffled, always the same way."""

    images: np.ndarray
    labels: np.ndarray
    white: int
    source: str


def load_digits() -> Digits:
    """The test part of "Optical Recognition of Handwritten Digits", E. Alpaydin and C. Kaynak 1998, UCI repository."""
    with files(__package__).joinpath("digits.npz").open("rb") as file, np.load(file) as arrays:
        images, labels = arrays["images"], arrays["labels"]
    # In the file the digits stand writer by writer; shuffled, any slice is a fair sample.
    order = np.random.RandomState(0).permutation(len(labels))
    return Digits(images[order], labels[order], 16, "Optical Recognition of Handwritten Digits, UCI, CC BY 4.0")
