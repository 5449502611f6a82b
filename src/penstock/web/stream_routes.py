"""Durable streams over HTTP: which there are, their messages, arrays and groups; all of it to look at only."""

import asyncio
from collections.abc import Callable
from typing import Annotated, Any, Literal, TypeVar

from penstock.extra import extra
from penstock.views.blocks import Fewer
from penstock.web.shown_views import Part
from penstock.web.stored_streams import StoredStreams
from penstock.wire.item_json import item_json

with extra("run"):
    from fastapi import FastAPI, Query, Response

__all__ = ["serve_streams"]

T = TypeVar("T")
AT_ONCE = 2
"""Questions that are answered; others wait, so that a slow disk takes no thread from those who look at views."""
JSON = "application/json"

Errors = dict[int | str, dict[str, Any]]
Respond = Callable[[str, Part, str], Response]
"""Makes an answer of elements: of what they are, and in which form."""


def serve_streams(app: FastAPI, streams: StoredStreams, respond: Respond, *, errors: Errors) -> None:
    """Add the routes."""
    some: Errors = {code: errors[code] for code in (401, 403, 422, 503)}
    one: Errors = {**some, 404: errors[404]}
    both: Errors = {200: {"content": {"application/octet-stream": {}, JSON: {}}}}
    turns = asyncio.Semaphore(AT_ONCE)

    async def ask(question: Callable[[], T]) -> T:
        async with turns:
            return await asyncio.to_thread(question)

    async def said(question: Callable[[], Any]) -> Response:
        return Response(await ask(lambda: item_json(question())), media_type=JSON)

    @app.get("/api/v1/streams", tags=["streams"], response_class=Response, responses=some)
    async def listed(
        within: Annotated[str, Query(max_length=2000, description="Of this beamtime or source only.")] = "",
        most: Annotated[int, Query(ge=1, le=10_000, description="No more than these, those that came last.")] = 1000,
    ) -> Response:
        """List the streams of the pipeline's store, those first that were created last."""
        return await said(lambda: streams.streams(within, most))

    @app.get("/api/v1/streams/groups", tags=["streams"], response_class=Response, responses=some)
    async def groups() -> Response:
        """Say how the groups of the streams are doing that were written last: lag, in flight, dead, members."""
        return await said(streams.groups)

    @app.get("/api/v1/streams/about/{address:path}", tags=["streams"], response_class=Response, responses=one)
    async def about(address: str) -> Response:
        """Say all that is known of a stream; of a beamtime or source, what was said of it and what it has."""
        return await said(lambda: streams.about(address))

    @app.get("/api/v1/streams/messages/{address:path}", tags=["streams"], response_class=Response, responses=one)
    async def messages(
        address: str,
        position: Annotated[
            int | None, Query(ge=0, description="From which on, 0: from the first. By default the last ones.")
        ] = None,
        most: Annotated[int, Query(ge=1, le=1000, description="No more than these.")] = 50,
        query: Annotated[str, Query(max_length=2000, description="Such as meta.energy_keV > 5 ORDER BY _id.")] = "",
    ) -> Response:
        """Return messages without their arrays: in the order of arrival, or as a query wants them."""
        return await said(lambda: streams.messages(address, position=position, most=most, query=query))

    @app.get(
        "/api/v1/streams/array/{address:path}",
        tags=["streams"],
        response_class=Response,
        responses={**one, 413: errors[413], **both},
    )
    async def array(
        address: str,
        message: Annotated[int, Query(alias="id", ge=1, description="Of the message.")],
        buffer: Annotated[int, Query(ge=0, description="The how manieth array of it, from 0.")] = 0,
        part: Annotated[str, Query(alias="slice", max_length=200, description='Such as "10:20,:"; empty: all.')] = "",
        form: Annotated[
            Literal["raw", "npy", "json"], Query(alias="format", description="raw: bytes in C order, see the headers.")
        ] = "raw",
        max_bytes: Annotated[
            int | None, Query(ge=1, description="Send one element for several, to be no more than this.")
        ] = None,
        fewer: Annotated[Fewer | None, Query(description="What that one is.")] = None,
    ) -> Response:
        """Return some elements of an array of a message, decoded."""

        def copied() -> Response:
            found = streams.part(address, message, buffer, part, most_bytes=max_bytes, fewer=fewer)
            return respond(f"message {message} of {address}", found, form)

        return await ask(copied)
