"""The worker: lay each image over the first one, and subtract the image before it.

>>> import numpy as np
>>> from penstock import Kind
>>> from penstock.testing import make_event
>>> image = np.random.default_rng(1).integers(0, 100, (20, 20))
>>> worker = Align(margin_px=3)
>>> worker.start(make_event(kind=Kind.START, camera=image))
>>> worker.process(make_event(0, camera=image))["shift"]
[0, 0]
>>> moved = worker.process(make_event(1, camera=np.roll(image, (2, -1), (0, 1))))
>>> moved["shift"], moved["changed"]
([2, -1], 0)
"""

from typing import Annotated, Any

import numpy as np
from annotated_types import Ge
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from penstock import Event, Unit

KEPT = 4
"""How many aligned images are kept: of whatever blocks a worker is in the midst of, should it take over another's."""


class Align:
    """Keeps, from one event to the next, what it needs: so consecutive ones must come to the same worker.

    That is said by the trigger map. The first image of a block goes to two workers, to the one of the block before it,
    which subtracts, and to its own, which is to have it for the next one.

    A worker that follows one that died has the start again, and so the image that all are compared to; but not the
    image before the first that it is given. Of that there is no difference, and nothing else is missing.

    Parameters
    ----------
    margin_px
        How far the sample may drift. So much is cut off at each edge, because it is not in every image.
    """

    def __init__(self, margin_px: Annotated[int, Unit("px"), Ge(0)] = 8) -> None:
        self.margin = margin_px
        self.kept: dict[int, NDArray[np.int32]] = {}

    def start(self, event: Event) -> None:
        """Take the image that all others are laid over."""
        first = event["camera"]
        if first is None or first.array is None:
            raise ValueError("the camera's start has no image; send one that was taken before the scan")
        height, width = first.array.shape
        margin = self.margin
        self.inner = first.array[margin : height - margin, margin : width - margin].astype(np.float32)

    def process(self, event: Event) -> dict[str, Any] | None:
        """Align one image; nothing comes of an event that lacks it."""
        if event["camera"] is None:
            return None
        image = event["camera"].array
        y, x = self._shift(image)
        (height, width), top, left = self.inner.shape, self.margin + y, self.margin + x
        aligned = image[top : top + height, left : left + width].astype(np.int32)
        found = {"frame": event.number, "shift": [y, x], "aligned": aligned}
        before = self.kept.get(event.number - 1)
        self.kept[event.number] = aligned
        if len(self.kept) > KEPT:
            del self.kept[next(iter(self.kept))]
        if before is None:
            return found
        difference = aligned - before
        return {**found, "difference": difference, "changed": int(abs(difference).max())}

    def _shift(self, image: NDArray[np.integer]) -> tuple[int, int]:
        """Return by how many pixels the sample has moved, y and x: where the image differs least from the first."""
        windows = sliding_window_view(image.astype(np.float32), self.inner.shape)
        differing = abs(windows - self.inner).sum((2, 3))  # not squares: what has lit up is not to decide
        y, x = np.unravel_index(differing.argmin(), differing.shape)
        return int(y) - self.margin, int(x) - self.margin
