"""A Tango device without a database for tests, in a process of its own: ``test/device/1``."""

import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tango.server import Device, attribute, command, run

# PyTango has no types here.
# mypy: disable-error-code="untyped-decorator,misc"


class Detector(Device):
    """A motor, a camera, and an attribute that cannot be read."""

    def init_device(self) -> None:
        super().init_device()
        self._position = 0.0
        self.set_change_event("position", True, False)
        self.set_change_event("image", True, False)

    @attribute(dtype=float, unit="mm")
    def position(self) -> float:
        return self._position

    @attribute(dtype=((np.uint16,),), max_dim_x=10, max_dim_y=10)
    def image(self) -> NDArray[np.uint16]:
        return np.arange(6, dtype=np.uint16).reshape(2, 3)

    @attribute(dtype=str)
    def label(self) -> str:
        return "iron"

    @attribute(dtype=float)
    def broken(self) -> float:
        raise ValueError("the gauge is off")

    @command(dtype_in=[float])
    def move(self, positions: Any) -> None:
        """Tell of several positions, one after the other."""
        for position in positions:
            self._position = float(position)
            self.push_change_event("position", self._position)

    @command
    def expose(self) -> None:
        self.push_change_event("image", np.full((2, 3), 7, np.uint16))


if __name__ == "__main__":
    ends_at = f"giop:tcp:127.0.0.1:{sys.argv[1]}"
    run((Detector,), args=["Detector", "one", "-ORBendPoint", ends_at, "-nodb", "-dlist", "test/device/1"])
