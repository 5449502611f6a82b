"""What simulated process variables say, as packets: JSON, and the elements of an array behind it. No library of EPICS.

An outlet that has such a library serves what is in them. What cannot be read is spoilt on purpose.
"""

from typing import Any, ClassVar, Final, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from penstock.errors import RemoteProtocolError
from penstock.simulators.simulator import Packets, Simulator

__all__ = ["IMAGE", "Served", "ServedSimulator"]

IMAGE: Final = "image"
_MOST_DIMENSIONS: Final = 10


class Served(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The next value of one process variable."""

    pv: str
    value: Any = None
    """A number or text; of a choice its number; ``None`` for an array."""
    dtype: str = ""
    shape: tuple[int, ...] = ()
    """Of an array; of an image before the first one (0, 0)."""
    kind: Literal["scalar", "array", "image", "enum"] = "scalar"
    choices: tuple[str, ...] = ()
    unit: str = ""
    number: int = 0
    """Of an image; of what belongs to a point of a scan that point's, from 1; 0: neither."""
    time_ns: int = 0
    """Nanoseconds UTC."""

    def packet(self, array: NDArray[Any] | None = None) -> list[bytes]:
        """Return what is sent; the array must be of ``dtype`` and ``shape``."""
        text = msgspec.json.encode(self)
        return [text] if array is None else [text, np.ascontiguousarray(array, self.dtype).tobytes()]

    @classmethod
    def read(cls, parts: list[bytes]) -> "tuple[Served, NDArray[Any] | None]":
        """Return what a packet says, and its array.

        Raises
        ------
        RemoteProtocolError
            If it is spoilt.
        """
        try:
            said = _read(parts[0])
            if len(parts) == 1:
                return said, None
            return said, np.frombuffer(parts[1], said.dtype).reshape(said.shape)
        except (IndexError, TypeError, ValueError) as error:  # msgspec's are among the last
            raise RemoteProtocolError(f"spoilt: {error}") from error


_read = msgspec.json.Decoder(Served).decode


class ServedSimulator(Simulator):
    """A simulated server of values: they are there before anybody comes, and say nothing of starts and ends."""

    socket: ClassVar[Literal["push", "pub", "tcp", "post", "pva", "kafka", "tango"]] = "pva"
    usual_hz = 100.0

    def end(self, points: int) -> Packets:  # noqa: ARG002 - nothing of EPICS says it
        """Return nothing: only who knows the scan knows that it is over."""
        return []
