"""A reducer with views of every kind that HDF5 has a type for."""

from typing import Any

import numpy as np

from penstock.views import ArrayView, Axis

SIDE = 64
RECORD = np.dtype([("event", "i8"), ("x", "f4"), ("tag", "S4")])


class Shown:
    """All elements of a view are of one event: the last that was taken."""

    def __init__(self) -> None:
        y = Axis("y", "µm", np.arange(SIDE) / 2)
        self._image = ArrayView((SIDE, 2 * SIDE), "i8", unit="counts", axes=(y, "x"), title="Iron")
        self._rows = ArrayView((None, 3), "f4", unit="mA")
        self._records = ArrayView((None,), RECORD)
        self._count = 0

    def reduce(self, event: float) -> None:
        self._count += 1
        self._image.set(..., int(event))
        self._rows.append([event] * 3)
        self._records.append(np.array((event, 0.5, b"ok"), RECORD))

    @property
    def views(self) -> dict[str, Any]:
        return {
            "map": {"Fe": self._image, "Fe_attrs": {"interpretation": "image"}}, "rows": self._rows,
            "records": self._records, "count": self._count, "fixed": np.arange(24.0).reshape(4, 6), "note": "stéady",
            "labels": ["a", "µ"], "_attrs": {"sample": "Cu"},
        }  # fmt: skip
