"""The first user code: the brightness of each image, and the sum of all.

>>> import numpy as np
>>> from penstock.testing import make_message
>>> brightness(make_message(np.full((4, 4), 2)), above=0)["counts"]
32
"""

from typing import Annotated, Any

import numpy as np
from annotated_types import Ge

from penstock import ArrayView, Message, Unit


def brightness(image: Message, *, above: Annotated[int, Unit("counts"), Ge(0)] = 0) -> dict[str, Any]:
    """Sum the pixels above a limit. ``above`` is a parameter: it may change while the pipeline runs."""
    pixels = np.where(image.array > above, image.array, 0)
    return {"counts": int(pixels.sum()), "pixels": pixels}


class Spot:
    """Keep the brightness of every image, and add the images up."""

    def __init__(self, shape: list[int]) -> None:
        self.curve = ArrayView((None,), unit="counts", axes=["image"], title="brightness")
        self.sum = ArrayView(shape, unit="counts", axes=["y", "x"], title="all images")
        self.views = {"brightness": self.curve, "sum": self.sum}

    def reduce(self, value: dict[str, Any]) -> None:
        """Take in one result."""
        self.curve.append(value["counts"])
        self.sum.add(..., value["pixels"])
