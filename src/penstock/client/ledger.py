"""The books of a run, as a client sees them."""

from collections.abc import Mapping
from typing import Any

__all__ = ["Ledger"]


class Ledger:
    """The books of every edge, as they were when they were asked for."""

    def __init__(self, books: Mapping[str, Any]) -> None:
        self.outcome: str = books["outcome"]
        self.adds_up: bool = books["adds_up"]
        self.edges: list[dict[str, Any]] = books["edges"]

    def __repr__(self) -> str:
        lines = [f"{self.outcome}, {'adds up' if self.adds_up else 'does not add up'}"]
        for edge in self.edges:
            ended = ", ".join(f"{count:,} {account}" for account, count in edge["accounts"].items())
            where = f"{edge['producer']} → {edge['consumer']}"
            lines.append(
                f"{where}: {edge['arrived']:,} arrived; {ended or 'none has ended'}; {edge['in_flight']:,} in flight"
            )
        return "\n".join(lines)
