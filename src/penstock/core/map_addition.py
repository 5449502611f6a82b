"""What is appended to an open trigger map while the run goes on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from penstock.core.map_part import MapPart

__all__ = ["MapAddition"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MapAddition:
    """Further events of a trigger map."""

    sequence: Sequence[str] = ()
    """Names of parts, in the order in which they follow; new ones, or such as the map has already."""
    parts: Mapping[str, MapPart] = field(default_factory=dict)
    """The new ones."""
    is_last: bool = False
    """Whether nothing more will be appended."""

    @classmethod
    def of_table(cls, table: Mapping[str, Any]) -> Self:
        """Make the addition again that ``table`` described."""
        parts = {name: MapPart.of_table(part) for name, part in table["parts"].items()}
        return cls(sequence=table["sequence"], parts=parts, is_last=table["is_last"])

    def table(self) -> dict[str, Any]:
        """Return all there is to say, as arrays and plain values that can travel between processes."""
        parts = {name: part.table() for name, part in self.parts.items()}
        return {"parts": parts, "sequence": list(self.sequence), "is_last": self.is_last}
