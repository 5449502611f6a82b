"""What all packets have in common, and how values come to be a frame."""

from typing import Any

import numpy as np

from penstock.compat.dranspose.served.event import StreamData
from penstock.extra import extra

with extra("run"):
    from pydantic import BaseModel, ConfigDict

__all__ = ["Packet", "pixels", "stream_data"]


class Packet(BaseModel):
    """A packet; what an instrument says beside what is named here is kept."""

    model_config = ConfigDict(extra="allow", arbitrary_types_allowed=True)

    def without(self, *names: str) -> bytes:
        """Return the packet as JSON, without some of its keys."""
        return self.model_dump_json(exclude=set(names)).encode()


def stream_data(typ: str, *frames: bytes) -> StreamData:
    """Return what a source gives of a packet."""
    return StreamData(typ=typ, frames=list(frames))


def pixels(array: Any) -> bytes:  # an array, or lists of numbers
    """Return an array's bytes, C order, little endian."""
    found = np.ascontiguousarray(array)
    return found.astype(found.dtype.newbyteorder("<"), copy=False).tobytes()
