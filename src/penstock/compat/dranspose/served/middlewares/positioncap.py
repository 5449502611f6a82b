"""PandABox over TCP, ASCII."""

from datetime import datetime

from penstock.compat.dranspose.served.data.positioncap import (
    TYP,
    PositionCapEnd,
    PositionCapField,
    PositionCapPacketType,
    PositionCapStart,
    PositionCapValues,
)
from penstock.compat.dranspose.served.event import StreamData, as_bytes
from penstock.compat.dranspose.served.middlewares.frames import check

__all__ = ["PositioncapParser"]


class PositioncapParser:
    """Reads lines by the header that came before them; each header replaces the fields of the one before."""

    def __init__(self) -> None:
        self.arm_time: datetime | None = None
        """Of the last header, UTC."""
        self.fields: list[PositionCapField] = []

    def parse(self, data: StreamData) -> PositionCapPacketType:
        """Return one point, or what comes before or behind them.

        Raises
        ------
        ValueError
            If it is none, or its header has not come.
        """
        check(data, TYP, 1)
        text = as_bytes(data.frames[0]).decode()
        if text.startswith("arm_time:"):
            return self._begin(text)
        if text.startswith("END"):
            return PositionCapEnd()
        words = text.split()
        if self.arm_time is None or len(words) != len(self.fields):
            raise ValueError(f"a line of {len(words)} values; the header before it names {len(self.fields)} fields")
        return PositionCapValues(
            fields={field.name: field.parse(word) for field, word in zip(self.fields, words, strict=True)}
        )

    def _begin(self, text: str) -> PositionCapStart:
        lines = text.splitlines()
        self.arm_time = datetime.fromisoformat(lines[0].removeprefix("arm_time:").strip().removesuffix("Z"))
        words = [line.split() for line in lines if line.startswith(" ")]
        self.fields = [PositionCapField(name=f"{name}.{captured}", type=kind) for name, kind, captured, *_ in words]
        return PositionCapStart(arm_time=self.arm_time)
