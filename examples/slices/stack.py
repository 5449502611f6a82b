"""Images, made smaller, and a stack of them to look at.

>>> import numpy as np
>>> from penstock.testing import make_message
>>> smaller(make_message(np.arange(16).reshape(4, 4)), above=3)["image"]
array([[ 9, 13],
       [42, 50]])
"""

from typing import Annotated, Any

import numpy as np
from annotated_types import Ge, Le

from penstock import ArrayView, Message, Section, Unit


def smaller(
    image: Message,
    *,
    above: Annotated[int, Unit("counts"), Ge(0), Le(1000), Section("Noise"), "pixels up to here are taken for 0"] = 0,
    cut_beam: Annotated[bool, Section("Beam"), "leave the middle out"] = False,
) -> dict[str, Any]:
    """Sum pixels by two and two."""
    pixels = np.where(image.array > above, image.array, 0)
    if cut_beam:
        y, x = pixels.shape[0] // 2, pixels.shape[1] // 2
        pixels[y - 6 : y + 6, x - 6 : x + 6] = 0
    height, width = pixels.shape
    return {"image": pixels.reshape(height // 2, 2, width // 2, 2).sum((1, 3))}


class Stack:
    """All images, one behind the other, and their sum.

    Parameters
    ----------
    shape
        Of an image, once it is smaller.
    """

    def __init__(self, shape: list[int]) -> None:
        axes = ["y", "x"]
        self.images = ArrayView((None, *shape), "u4", unit="counts", axes=["image", *axes], title="images")
        self.sum = ArrayView(shape, "u8", unit="counts", axes=axes, title="all images")
        self.views = {"images": self.images, "sum": self.sum}

    def reduce(self, result: dict[str, Any]) -> None:
        """Put one image behind the others."""
        self.images.append(result["image"])
        self.sum.add(..., result["image"])
