"""Keep of each image only the pixels that counted something, and say how much that saves.

>>> import numpy as np
>>> from penstock.testing import make_message
>>> image = np.zeros((3, 4), np.uint16)
>>> image[1, 2] = 7
>>> sparse = sparsify(make_message(image), above=2)
>>> sparse["pixels"]
array([(6, 7)], dtype=[('index', '<u4'), ('value', '<u2')])
"""

from typing import Annotated, Any

import numpy as np
from annotated_types import Ge

from penstock import ArrayView, Message, Unit


def sparsify(image: Message, *, above: Annotated[int, Unit("counts"), Ge(0)] = 2) -> dict[str, Any]:
    """Return what is above a limit: a table of ``index``, as the pixels lie in C order, and ``value``.

    A table, because there are more pixels in one image than in another: in the file, those of all images lie one behind
    the other. ``above`` is a parameter. With 0, nothing is lost but zeros.
    """
    counts = image.array.ravel()
    (index,) = np.nonzero(counts > above)
    pixels = np.empty(len(index), [("index", np.uint32), ("value", counts.dtype)])
    pixels["index"], pixels["value"] = index, counts[index]
    return {"frame": image.key, "pixels": pixels, "above": above, "came_bytes": counts.nbytes}


class Reduction:
    """How much less it is, image by image and all together, and which pixels are kept how often.

    Parameters
    ----------
    shape
        Of an image.
    """

    def __init__(self, shape: list[int]) -> None:
        self.factor = ArrayView((None,), axes=["image"], title="bytes of an image by bytes kept of it")
        self.kept = ArrayView(shape, "u4", unit="images", axes=["y", "x"], title="how often a pixel was kept")
        self.came_bytes = self.kept_bytes = 0
        self.all: dict[str, Any] = {"factor": self.factor, "together": 0.0}
        self.views = {"reduction": self.all, "pixels": {"kept": self.kept}}

    def reduce(self, sparse: dict[str, Any]) -> None:
        """Take in one image; one without any pixel counts as if it had one byte."""
        kept_bytes = sparse["pixels"].nbytes
        self.factor.append(sparse["came_bytes"] / max(kept_bytes, 1))
        self.kept.add(np.unravel_index(sparse["pixels"]["index"], self.kept.shape), 1)
        self.came_bytes += sparse["came_bytes"]
        self.kept_bytes += kept_bytes
        self.all["together"] = self.came_bytes / max(self.kept_bytes, 1)
