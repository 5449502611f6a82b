"""What items are made of, in a module that no step imports."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass
class Hit:
    """A number and an image of (100000,) float64, which is too long for a message."""

    n: int
    image: NDArray[np.float64]
