"""Kept events over HTTP: which stages keep any, and the events, in words as JSON or whole as bytes.

They are read where the stage keeps them, and nothing is decoded here.
"""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Annotated, Any, Literal

import msgspec

from penstock.errors import ServiceError
from penstock.extra import extra
from penstock.monitor.event_text import describe_event
from penstock.views.event_memory import EventMemory
from penstock.web.shown_views import TooLargeError
from penstock.wire.item_json import item_json
from penstock.wire.kept_events import join_records, read_event

with extra("run"):
    from fastapi import FastAPI, Query, Response
    from fastapi.responses import JSONResponse

__all__ = ["UnknownKeeperError", "serve_events"]

MOST_BYTES = 256 << 20
"""Of one answer."""

Errors = dict[int | str, dict[str, Any]]
InRoom = Callable[[int, Callable[[], Response]], Awaitable[Response]]
"""Makes an answer of so many bytes, if there is room for it."""


class UnknownKeeperError(ServiceError):
    """No stage of this name keeps events."""


def serve_events(app: FastAPI, memories: Mapping[str, EventMemory], in_room: InRoom, *, errors: Errors) -> None:
    """Add the routes."""
    some: Errors = {code: errors[code] for code in (401, 403)}
    more: Errors = {code: errors[code] for code in (401, 403, 404, 413, 422, 503)}
    both: Errors = {200: {"content": {"application/octet-stream": {}, "application/json": {}}}}

    @app.get("/api/v1/events", tags=["events"], responses=some)
    async def keepers() -> Any:  # what JSON can hold
        """List the stages that keep their last events: how many, how many bytes, which numbers."""
        found = {stage: msgspec.to_builtins(memory.holds()) for stage, memory in memories.items()}
        return JSONResponse([{"stage": stage, **holds} for stage, holds in found.items()])

    @app.get("/api/v1/events/{stage}", tags=["events"], response_class=Response, responses={**more, **both})
    async def events(
        stage: str,
        last: Annotated[int | None, Query(ge=1, description="So many of the newest; by default all.")] = None,
        number: Annotated[int | None, Query(ge=0, description="Only this event.")] = None,
        form: Annotated[
            Literal["json", "raw"], Query(alias="format", description="json: without arrays; raw: all, as bytes.")
        ] = "json",
        max_bytes: Annotated[
            int, Query(ge=1, le=MOST_BYTES, description="Send no more than this: the newest events that fit.")
        ] = MOST_BYTES,
    ) -> Response:
        """Return kept events, the oldest first."""
        if stage not in memories:
            there = ", ".join(memories) or "none"
            raise UnknownKeeperError(f"no stage {stage!r:.80} keeps events; there are {there}")
        memory = memories[stage]
        nbytes = min(max_bytes, memory.holds().nbytes)
        return await in_room(nbytes, partial(_answer, memory, stage, last, number, form, max_bytes))


def _answer(
    memory: EventMemory, stage: str, last: int | None, number: int | None, form: str, max_bytes: int
) -> Response:
    found = memory.read(last, number, most_bytes=max_bytes)
    if found.left_off and not found.records:
        raise TooLargeError(f"one event of {stage} has more than {max_bytes:,} bytes; ask for format=json, or more")
    headers = {"X-Penstock-Events": str(len(found.records)), "X-Penstock-Left-Off": str(found.left_off)}
    if form == "raw":
        return Response(join_records(found.records), media_type="application/octet-stream", headers=headers)
    described = [describe_event(read_event(record)) for record in found.records]
    return Response(item_json(described), media_type="application/json", headers=headers)
