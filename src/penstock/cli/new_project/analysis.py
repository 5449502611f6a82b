"""The analysis: how bright the beam is in each image, and where; a curve of each, and a map of where it has been.

Nothing here knows where images come from or where views go, so all of it can be called by hand.
"""

from typing import Annotated

import numpy as np
from annotated_types import Ge, Le

from penstock import ArrayView, Axis, Message, Unit


def measure(
    image: Message,
    *,
    threshold: Annotated[int, Unit("counts"), Ge(0), Le(65535), "no more than this is background"] = 0,
) -> dict[str, float] | None:
    """Measure the beam in one image, (height, width), in counts.

    ``threshold`` is a parameter: it may change while the pipeline runs. Without a pixel above it there is no beam, and
    no result.
    """
    light = np.where(image.array > threshold, image.array, 0)
    counts = light.sum()
    if not counts:
        return None
    rows, columns = np.indices(light.shape)
    y, x = (rows * light).sum() / counts, (columns * light).sum() / counts
    return {"counts": float(counts), "y": float(y), "x": float(x)}


class Beam:
    """Gather what was measured, in the order of the images.

    ``shape`` is that of an image. It is an argument: it stays as it is when a run starts.
    """

    def __init__(self, shape: list[int]) -> None:
        y, x = (Axis(name, "px", np.arange(length)) for name, length in zip("yx", shape, strict=True))
        self.counts = ArrayView((None,), unit="counts", axes=["image"], title="brightness")
        self.center = ArrayView((None, 2), unit="px", axes=["image", "y, x"], title="center")
        self.track = ArrayView(shape, int, unit="images", axes=[y, x], title="where the beam has been")
        self.views = {"counts": self.counts, "center": self.center, "track": self.track}

    def reduce(self, found: dict[str, float]) -> None:
        """Take in one result of ``measure``."""
        self.counts.append(found["counts"])
        self.center.append([found["y"], found["x"]])
        self.track.add((round(found["y"]), round(found["x"])), 1)
