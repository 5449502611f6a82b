"""The HTTP interface of a run: views and parts of them, status, ledger, parameters, control, and the page."""

import asyncio
import io
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from types import MappingProxyType
from typing import Annotated, Any, Literal

import numpy as np

from penstock.core.command import LONGEST_WORD, Problem
from penstock.errors import (
    DecodingError,
    IntegrityError,
    MissingMessageError,
    PenstockError,
    ResultTypeError,
    SelectionError,
    ServiceError,
    StateError,
    StreamError,
    UnknownStreamError,
)
from penstock.extra import extra
from penstock.pipeline.flow_plan import NO_FLOW, FlowPlan
from penstock.views.blocks import Fewer
from penstock.views.event_memory import EventMemory
from penstock.web.access import serve_access
from penstock.web.answer_room import AnswerRoom, BusyError
from penstock.web.answers import About
from penstock.web.changes import Changes
from penstock.web.chronicle import serve_chronicle
from penstock.web.flow import UnknownRoomError, serve_flow
from penstock.web.gate import Gate, is_value
from penstock.web.hdf5_rest import serve_hdf5
from penstock.web.hdf5_views import Hdf5Views
from penstock.web.heard import Heard
from penstock.web.kept_events import UnknownKeeperError, serve_events
from penstock.web.openapi import describe_answers
from penstock.web.page_files import is_live, page, serve_page_files
from penstock.web.past import NotKeptError, Past, serve_past
from penstock.web.replays import serve_replays
from penstock.web.shown_views import Part, ShownViews, TooLargeError, UnknownViewError, plain_numbers
from penstock.web.stored_streams import StoreAwayError, StoredStreams
from penstock.web.stream_figures import StreamFigures
from penstock.web.stream_routes import serve_streams
from penstock.web.supervisor_line import LateAnswerError, SupervisorLine, UnknownError
from penstock.web.view_files import serve_view_files
from penstock.web.watched import serve_watched

with extra("run"):
    from fastapi import Body, FastAPI, Header, Query, Request, Response, WebSocket, WebSocketDisconnect
    from fastapi.responses import JSONResponse
    from pydantic import BaseModel, ConfigDict, Field
    from starlette.background import BackgroundTask

__all__ = ["make_app"]

CODES: Mapping[type[PenstockError], int] = {
    UnknownViewError: 404,
    UnknownKeeperError: 404,
    NotKeptError: 404,
    UnknownRoomError: 404,
    UnknownError: 404,
    StateError: 409,
    TooLargeError: 413,
    ResultTypeError: 422,
    SelectionError: 422,
    LateAnswerError: 504,
    BusyError: 503,
    StoreAwayError: 503,
    ServiceError: 422,
    UnknownStreamError: 404,
    MissingMessageError: 404,
    IntegrityError: 500,
    StreamError: 422,
    DecodingError: 422,
    PenstockError: 500,
}
REPLY_CODES: Mapping[str, int] = {
    Problem.NONE: 200,
    Problem.MALFORMED: 422,
    Problem.ARGUMENT: 422,
    Problem.UNKNOWN: 404,
    Problem.STATE: 409,
    Problem.ENDED: 409,
    Problem.FORBIDDEN: 403,
    Problem.BUSY: 503,
    Problem.BROKEN: 500,
}
"""By the problem of a reply to a command."""
MOST_JSON = 1_000_000
"""Elements of an answer in JSON, where each is text."""
SMALL_BYTES = 1 << 20
"""Parts up to here are answered however much waits for other readers."""
BESIDE_BYTES = 8 << 20
"""From here on a part is copied in a thread, so that others are answered meanwhile. To hand 4 MB to a thread and take
them back, from the cache of another core, takes longer than to copy them."""
EXAMPLE = {"application/json": {"example": {"detail": "what is wrong, and what would be right"}}}
ERRORS: dict[int | str, dict[str, Any]] = {
    code: {"description": text, "content": EXAMPLE}
    for code, text in (
        (401, "A token is needed."),
        (403, "The token does not allow it, or the page is of another site."),
        (404, "Nothing has this name."),
        (409, "Not as things are: the run has ended, or another goes on, or the name is taken."),
        (413, "More than one answer holds."),
        (422, "Not written as it should be, or refused."),
        (503, "Too much is being sent to others."),
        (504, "The run did not answer in time."),
    )
}  # fmt: skip


class ParameterValues(BaseModel):
    """New values, all of them from one event on."""

    model_config = ConfigDict(extra="forbid")
    values: dict[str, Any] = Field(min_length=1, description="By address, such as fit.roi, or any shorter clear form.")
    who: str = Field("", max_length=200, description="Kept with the change.")


class WorkerCount(BaseModel):
    """How many workers a stage shall have; ``auto``: as many as there is work for, within its limits."""

    model_config = ConfigDict(extra="forbid")
    workers: Annotated[int, Field(ge=1, le=1024, strict=True)] | Literal["auto"]


class RunWish(BaseModel):
    """Another run of the same pipeline."""

    model_config = ConfigDict(extra="forbid")
    run: str = Field("", max_length=100, description="Its name; by default made of the time.")
    existing: Literal["refuse", "next"] = Field(
        "refuse", description="What becomes of a name that another run has: refuse it, or take the next free one."
    )
    trigger_maps: dict[str, dict[str, Any]] = Field({}, description="By join, for those whose map comes with the scan.")
    values: dict[str, Any] = Field({}, description="Start values of parameters.")


class CommandWish(BaseModel):
    """One command."""

    model_config = ConfigDict(extra="forbid")
    name: str = Field(max_length=LONGEST_WORD, description="Such as start, stop, drain or set.")
    id: str = Field("", max_length=LONGEST_WORD, description="The same again is answered alike and does nothing twice.")
    target: str = Field("", max_length=LONGEST_WORD, description="pipeline, a source, a stage or a worker.")
    arguments: dict[str, Any] = Field({}, description="As the command takes them.")
    who: str = Field("", max_length=LONGEST_WORD, description="Kept in the list of commands.")


class MapAddition(BaseModel):
    """What is appended to a trigger map."""

    model_config = ConfigDict(extra="forbid")
    trigger_map: dict[str, Any] = Field({}, description="As in a map's file; its sequence may name earlier parts too.")
    last: bool = Field(False, description="Nothing more will be appended.", strict=True)


class Acknowledgement(BaseModel):
    """That somebody knows of an alarm."""

    model_config = ConfigDict(extra="forbid")
    who: str = Field("", max_length=200, description="Kept in the history.")


class MuteWish(BaseModel):
    """For how long nobody shall be told of an alarm."""

    model_config = ConfigDict(extra="forbid")
    for_s: float = Field(ge=0, le=31_536_000, allow_inf_nan=False, description="0: tell again.")
    who: str = Field("", max_length=200, description="Kept in the history.")


class StopWish(BaseModel):
    """How a run shall end."""

    model_config = ConfigDict(extra="forbid")
    reason: str = Field("stopped from a page", max_length=500)
    at_once: bool = Field(False, description="Give up what is under way.", strict=True)


def make_app(
    views: ShownViews,
    line: SupervisorLine,
    *,
    pipeline: str,
    run: str,
    version: str,
    graph: str = "",
    flow: FlowPlan = NO_FLOW,
    store: str = "",
    events: Mapping[str, EventMemory] = MappingProxyType({}),
    gate: Any = None,
    unsent: Callable[[], int] = lambda: 0,
    past: Past | None = None,
) -> Any:  # an ASGI application
    """Return the application.

    Parameters
    ----------
    graph, flow
        The pipeline: drawn, SVG, and to be drawn.
    store
        Where runs are recorded and streams are kept: a folder, or ``tcp://HOST:PORT``.
    events
        Where stages keep their last events, by stage.
    gate
        Arguments of ``Gate``, beside the application; ``None``: everybody may come in.
    unsent
        Says how many bytes have been written for all clients, and wait for them to take them.
    past
        Of the views; its owner takes the moments.
    """
    app = FastAPI(
        title="penstock", version=version, description=__doc__ or "", docs_url=None, redoc_url=None,
        openapi_url="/api/v1/openapi.json",
    )  # fmt: skip

    @app.exception_handler(PenstockError)
    async def refuse(_: Request, error: Exception) -> JSONResponse:
        code = next(CODES[kind] for kind in type(error).__mro__ if kind in CODES)
        return JSONResponse({"detail": str(error)}, code)

    @app.get("/api/v1/run", tags=["run"], responses=_errors(401, 403))
    async def about() -> Any:  # what JSON can hold
        """Say which pipeline and which run this is, whether it has ended, and if so, how."""
        ended = line.last is not None or not run
        outcome = line.last["outcome"] if line.last is not None else ""
        found: About = {
            "pipeline": pipeline, "run": run, "version": version, "ended": ended, "outcome": outcome,
        }  # fmt: skip
        return JSONResponse(found)

    room = AnswerRoom(unsent)
    _serve_views(app, views, room, Heard(line, has_run=bool(run)))
    facts = {"creator": "penstock", "penstock_release": version, "pipeline": pipeline, "run": run}
    serve_hdf5(
        app, Hdf5Views(views, facts, time.time), partial(_in_room, room), version=version, page=page, errors=ERRORS,
        small_bytes=SMALL_BYTES, most_json=MOST_JSON,
    )  # fmt: skip
    serve_events(app, events, partial(_in_room, room), errors=ERRORS)
    serve_view_files(app, views, partial(_in_room, room), facts=facts, errors=ERRORS)
    serve_past(app, Past(views) if past is None else past, _response, errors=ERRORS)
    serve_flow(app, line, flow, has_run=bool(run), errors=ERRORS)
    streams = StoredStreams(store)
    serve_streams(app, streams, _response, errors=ERRORS)
    serve_page_files(app)
    _serve_state(app, line, graph)
    _serve_control(app, line)
    _serve_alarms(app, line)
    serve_watched(app, line, StreamFigures(streams), has_run=bool(run), errors=ERRORS)
    serve_access(app, errors=ERRORS)
    serve_chronicle(app, line, run=run, errors=ERRORS)
    serve_replays(app, line, store=store, errors=ERRORS)
    describe_answers(app)
    served = _taking_json(app)
    return served if gate is None else Gate(served, *gate, is_page_open=is_live())


async def _in_room(room: AnswerRoom, nbytes: int, respond: Callable[[], Response]) -> Response:
    """Make an answer of so many bytes, if there is room for it; in a thread if that takes long."""
    with room.taken(nbytes):
        return respond() if nbytes <= BESIDE_BYTES else await asyncio.to_thread(respond)


def _taking_json(app: Any) -> Any:
    """Return an application that takes every body for JSON: ``curl -d`` says of all bodies that they are forms.

    Pages of other sites could send forms without being asked for leave; the gate refuses them by their origin. Points
    of a dataset may be bytes, and are told apart by this header.
    """

    async def serve(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and scope["method"] in ("PUT", "POST") and not is_value(scope["path"]):
            headers = [each for each in scope["headers"] if each[0] != b"content-type"]
            scope = {**scope, "headers": [*headers, (b"content-type", b"application/json")]}
        await app(scope, receive, send)

    return serve


def _serve_views(app: FastAPI, views: ShownViews, room: AnswerRoom, heard: Heard) -> None:
    changes = Changes(views, heard)

    @app.get("/api/v1/views", tags=["views"], responses=_errors(401, 403))
    async def list_views() -> Any:  # what JSON can hold
        """Describe every view: name, shape, dtype, unit, axes, version."""
        return JSONResponse(views.describe_all())

    @app.get("/api/v1/views/{name:path}", tags=["views"], responses=_errors(401, 403, 404))
    async def describe_view(name: str) -> Any:  # what JSON can hold
        """Describe one view, with the values of its axes."""
        return JSONResponse(views.describe(name))

    @app.get(
        "/api/v1/data/{name:path}",
        tags=["views"],
        response_class=Response,
        responses={
            **_errors(401, 403, 404, 413, 422, 503),
            200: {"content": {"application/octet-stream": {}, "application/json": {}}},
            304: {"description": "It has not changed."},
        },
    )
    async def data(
        name: str,
        part: Annotated[str, Query(alias="slice", max_length=200, description='Such as "10:20,:"; empty: all.')] = "",
        form: Annotated[
            Literal["raw", "npy", "json"], Query(alias="format", description="raw: bytes in C order, see the headers.")
        ] = "raw",
        max_bytes: Annotated[
            int | None, Query(ge=1, description="Send one element for several, to be no more than this.")
        ] = None,
        fewer: Annotated[
            Fewer | None, Query(description="What that one is. By default the mean; of what is no number, every.")
        ] = None,
        if_none_match: Annotated[str | None, Header(max_length=200)] = None,
    ) -> Response:
        """Return some elements of a view as they were at one version."""
        seen = views.versions().get(name.partition("/")[0])
        if seen is not None and if_none_match == f'"{seen}"':
            views.describe(name)
            return Response(status_code=304)
        found = views.small_part(name, part, max_bytes, SMALL_BYTES, fewer)
        if isinstance(found, Part):
            return _response(name, found, form)

        def respond() -> Response:
            return _response(name, views.part(name, part, most_bytes=max_bytes, fewer=fewer), form)

        return await _in_room(room, found, respond)

    @app.websocket("/api/v1/changes")
    async def follow(socket: WebSocket) -> None:
        await socket.accept()
        with suppress(WebSocketDisconnect, RuntimeError, KeyError):  # it has gone, or sent bytes where text is due
            await changes.serve(socket.receive_text, socket.send_text, socket.send_bytes)
        with suppress(WebSocketDisconnect, RuntimeError):  # likewise
            await socket.close(1003, "text is wanted: what shall be followed, in JSON")


def _serve_state(app: FastAPI, line: SupervisorLine, graph: str) -> None:
    @app.get("/api/v1/status", tags=["run"], responses=_errors(401, 403, 409, 504))
    async def status() -> Any:  # a report
        """Return the report as it is now: books, rates, latencies, memory, processes; after the end, the last one."""
        return JSONResponse(await line.report())

    @app.get("/api/v1/progress", tags=["run"], responses=_errors(401, 403, 409, 504))
    async def progress() -> Any:  # of a report
        """Return how far the run is: events formed, completed, planned."""
        return JSONResponse((await line.report())["progress"])

    @app.get("/api/v1/load", tags=["run"], responses=_errors(401, 403, 409, 504))
    async def load() -> Any:  # of a report
        """Return how busy each worker is."""
        return JSONResponse((await line.report())["load"])

    @app.get("/api/v1/ledger", tags=["run"], responses=_errors(401, 403, 409, 504))
    async def ledger() -> Any:  # of a report
        """Return the books of every edge, and whether they add up."""
        report = await line.report()
        edges = report["edges"]
        adds_up = all(e["arrived"] == sum(e["accounts"].values()) + e["in_flight"] for e in edges)
        return JSONResponse({"outcome": report["outcome"], "adds_up": adds_up, "edges": edges})

    @app.get("/api/v1/parameters", tags=["parameters"], responses=_errors(401, 403, 409, 504))
    async def parameters() -> Any:  # what JSON can hold
        """Describe every parameter: value, unit, bounds, what it is for."""
        return JSONResponse(await line.ask("parameters"))

    @app.get("/api/v1/graph", tags=["run"], response_class=Response, responses=_errors(401, 403))
    async def drawing() -> Response:
        """Return the pipeline as a drawing, SVG."""
        return Response(graph, media_type="image/svg+xml")


def _serve_control(app: FastAPI, line: SupervisorLine) -> None:
    @app.put("/api/v1/parameters", tags=["parameters"], responses=_errors(401, 403, 404, 409, 413, 422, 504))
    async def set_parameters(wish: Annotated[ParameterValues, Body()]) -> Any:  # what JSON can hold
        """Change parameters, all from one event on; the answer says from which."""
        return JSONResponse(await line.ask("set", wish.model_dump()))

    @app.put("/api/v1/stages/{stage}/workers", tags=["run"], responses=_errors(401, 403, 404, 409, 413, 422, 504))
    async def scale(stage: str, wish: Annotated[WorkerCount, Body()]) -> Any:  # what JSON can hold
        """Let a stage have so many workers, or as many as there is work for."""
        return JSONResponse(await line.ask("scale", {"stage": stage, "workers": wish.workers}))

    @app.get("/api/v1/maps", tags=["run"], responses=_errors(401, 403, 409, 504))
    async def maps() -> Any:  # what JSON can hold
        """Describe every trigger map: its join, how many events it plans, whether it may grow, its parts."""
        return JSONResponse(await line.ask("maps"))

    @app.post("/api/v1/maps/{join}", tags=["run"], responses=_errors(401, 403, 404, 409, 413, 422, 504))
    async def extend_map(join: str, wish: Annotated[MapAddition, Body()]) -> Any:  # what JSON can hold
        """Append to the trigger map of a join; only where the pipeline says ``open: true``."""
        return JSONResponse(await line.ask("extend", {"join": join, **wish.model_dump()}))

    @app.get("/api/v1/runs", tags=["run"], responses=_errors(401, 403, 504))
    async def runs() -> Any:  # what JSON can hold
        """List the runs served here, the newest last: name, outcome, when it began, how long it took."""
        return JSONResponse(await line.ask("runs"))

    @app.post("/api/v1/runs", tags=["run"], responses=_errors(401, 403, 409, 413, 422, 504))
    async def start_run(wish: Annotated[RunWish, Body()]) -> Any:  # what JSON can hold
        """Start another run, when one has ended; only where the program stays: ``penstock run --stay``."""
        number, found = await line.ask_numbered("start", wish.model_dump())
        return JSONResponse(found, background=BackgroundTask(line.told, number))

    @app.get("/api/v1/states", tags=["commands"], responses=_errors(401, 403, 409, 504))
    async def states() -> Any:  # what JSON can hold
        """Return the states of everything, which commands are allowed now, and how many came."""
        return JSONResponse(await line.ask("states"))

    @app.get("/api/v1/commands", tags=["commands"], responses=_errors(401, 403, 504))
    async def commands() -> Any:  # what JSON can hold
        """List who commanded what, and what became of it, the newest last; a thousand at most."""
        return JSONResponse(await line.ask("commands"))

    @app.post("/api/v1/commands", tags=["commands"], responses=_errors(401, 403, 404, 409, 413, 422, 503, 504))
    async def command(wish: Annotated[CommandWish, Body()]) -> Any:  # a reply
        """Command the pipeline, and return the reply."""
        number, reply = await line.ask_numbered("command", wish.model_dump())
        code = REPLY_CODES[reply["problem"]]
        found = reply if code == 200 else {"detail": reply["text"], **reply}
        return JSONResponse(found, code, background=BackgroundTask(line.told, number))

    @app.post("/api/v1/run/stop", tags=["run"], responses=_errors(401, 403, 409, 413, 422, 504))
    async def stop(wish: Annotated[StopWish, Body()]) -> Any:  # what JSON can hold
        """End the run: bring out what has arrived, or give it up at once."""
        return JSONResponse(await line.ask("stop", wish.model_dump()))


def _serve_alarms(app: FastAPI, line: SupervisorLine) -> None:
    @app.get("/api/v1/alarms", tags=["alarms"], responses=_errors(401, 403, 409, 504))
    async def alarms() -> Any:  # what JSON can hold
        """Return every alarm as it is, what has happened to them, the newest first, and how telling of them went."""
        return JSONResponse(await line.ask("alarms"))

    @app.post(
        "/api/v1/alarms/{alarm}/acknowledge", tags=["alarms"], responses=_errors(401, 403, 404, 409, 413, 422, 504)
    )
    async def acknowledge(alarm: str, wish: Annotated[Acknowledgement, Body()]) -> Any:  # what JSON can hold
        """Say that somebody knows of an alarm."""
        return JSONResponse(await line.ask("acknowledge", {"alarm": alarm, **wish.model_dump()}))

    @app.post("/api/v1/alarms/{alarm}/mute", tags=["alarms"], responses=_errors(401, 403, 404, 409, 413, 422, 504))
    async def mute(alarm: str, wish: Annotated[MuteWish, Body()]) -> Any:  # what JSON can hold
        """Tell nobody of an alarm for so long; 0 s: tell again."""
        return JSONResponse(await line.ask("mute", {"alarm": alarm, **wish.model_dump()}))


def _errors(*codes: int) -> dict[int | str, dict[str, Any]]:
    return {code: ERRORS[code] for code in codes}


def _response(name: str, found: Part, form: str) -> Response:
    array = found.array
    headers = {
        "ETag": f'"{found.version}"',
        "Cache-Control": "no-cache",
        "X-Penstock-Version": str(found.version),
        "X-Penstock-Position": str(found.position),
        "X-Penstock-Shape": ",".join(map(str, array.shape)),
        "X-Penstock-Dtype": array.dtype.str,
        "X-Penstock-Every": str(found.every),
        "X-Penstock-Fewer": found.fewer,
    }
    if form == "json":
        if array.size > MOST_JSON:
            raise TooLargeError(f"{name}: {array.size:,} elements as JSON; {MOST_JSON:,} at most: ask for raw or npy")
        body = {
            "shape": list(array.shape), "dtype": array.dtype.str, "every": found.every, "fewer": found.fewer,
            "version": found.version, "position": found.position, "data": plain_numbers(array),
        }  # fmt: skip
        return JSONResponse(body, headers=headers)
    if form == "npy":
        buffer = io.BytesIO()
        np.save(buffer, array, allow_pickle=False)
        return Response(buffer.getbuffer(), media_type="application/octet-stream", headers=headers)
    content: Any = array.reshape(-1).view(np.uint8).data if array.nbytes else b""  # not copied once more
    return Response(content, media_type="application/octet-stream", headers=headers)
