"""The last events that stages of a running pipeline keep."""

from typing import Any
from urllib.parse import quote

from penstock.client.door import Door
from penstock.core.event import Event
from penstock.errors import SelectionError
from penstock.wire.kept_events import read_event, split_records

__all__ = ["KeptEvents"]


class KeptEvents:
    """What stages with ``keep-events`` have."""

    def __init__(self, door: Door) -> None:
        self._door = door

    def keepers(self) -> dict[str, dict[str, Any]]:
        """Return by stage how many it has kept, and which."""
        return {each.pop("stage"): each for each in self._door.json("GET", "events")}

    def read(self, stage: str, *, last: int | None, number: int | None, max_bytes: int | None) -> list[Event]:
        """Return the last events of a stage, the oldest first; empty: of the only one. See `Connection.events`."""
        stage = stage or self._only_keeper()
        asked = {"format": "raw", "last": last, "number": number, "max_bytes": max_bytes}
        given = {name: value for name, value in asked.items() if value is not None}
        answer = self._door.answer("GET", f"events/{quote(stage, safe='')}", params=given)
        return [read_event(record) for record in split_records(answer.content)]

    def _only_keeper(self) -> str:
        there = list(self.keepers())
        if len(there) == 1:
            return there[0]
        if not there:
            raise SelectionError("no stage keeps events; a stage of the pipeline with map: keep-events would")
        raise SelectionError(f"several stages keep events: {', '.join(there)}; say which one")
