"""PandABox over TCP, ASCII: a header, then a line a point."""

from collections.abc import Sequence
from datetime import datetime

from penstock.compat.dranspose.served.data.packet import stream_data
from penstock.compat.dranspose.served.event import StreamData
from penstock.extra import extra

with extra("run"):
    from pydantic import BaseModel, TypeAdapter

__all__ = [
    "PositionCapEnd", "PositionCapField", "PositionCapPacket", "PositionCapPacketType", "PositionCapStart",
    "PositionCapValues",
]  # fmt: skip

TYP = "PCAP_RAW"


class PositionCapField(BaseModel):
    """One captured field."""

    name: str
    """With what was captured of it, such as ``INENC1.VAL.Mean``."""
    type: str
    """``uint32`` or ``double``."""
    value: int | float | None = None

    def parse(self, value: str) -> "PositionCapField":
        """Return the field with a value that was written as text.

        Raises
        ------
        ValueError
            If it is none of the type, or there is no such type.
        """
        readers = {"uint32": int, "double": float}
        if self.type not in readers:
            raise ValueError(f"{self.name} is of type {self.type!r}; PandABox has {', '.join(readers)}")
        return self.model_copy(update={"value": readers[self.type](value)})


class PositionCapStart(BaseModel):
    """Before the points."""

    arm_time: datetime

    def to_stream_data(self, fields: Sequence[PositionCapField]) -> StreamData:
        """Return the header as PandABox sends it."""
        lines = [
            f"arm_time: {self.arm_time:%Y-%m-%dT%H:%M:%S.%fZ}", "missed: 0", "process: Scaled", "format: ASCII",
            "fields:",
        ]  # fmt: skip
        for field in fields:
            name, _, captured = field.name.rpartition(".")
            lines.append(f" {name} {field.type} {captured}")
        return stream_data(TYP, "".join(f"{line}\n" for line in [*lines, ""]).encode())


class PositionCapValues(BaseModel):
    """One point."""

    fields: dict[str, PositionCapField] = {}

    def to_stream_data(self) -> StreamData:
        """Return the line as PandABox sends it."""
        return stream_data(TYP, f" {' '.join(str(field.value) for field in self.fields.values())}\n".encode())


class PositionCapEnd(BaseModel):
    """Behind the points."""

    def to_stream_data(self) -> StreamData:
        """Return the line as PandABox sends it."""
        return stream_data(TYP, b"END 0 Disarmed\n")


PositionCapPacketType = PositionCapStart | PositionCapValues | PositionCapEnd
PositionCapPacket: TypeAdapter[PositionCapPacketType] = TypeAdapter(PositionCapPacketType)
