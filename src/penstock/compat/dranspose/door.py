"""dranspose's REST paths: the controller's and the reducer's, each on a port of its own, over one ensemble."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Annotated, Any

import httpx
import msgspec

from penstock.compat.dranspose.debug_worker import KEPT
from penstock.compat.dranspose.ensemble import Ensemble
from penstock.compat.dranspose.load import config_of, load_of, logs_of, progress_of, status_of
from penstock.compat.dranspose.pickled import pickled, pickled_events
from penstock.compat.dranspose.pipelines import REDUCE
from penstock.compat.dranspose.results import find_results, plain_tree
from penstock.compat.dranspose.trigger_maps import uniform
from penstock.errors import MapError, MissingExtraError, ParameterError, PenstockError, SelectionError, StateError
from penstock.extra import extra

with extra("run"):
    from fastapi import Body, FastAPI, Query, Request, Response
    from fastapi.concurrency import run_in_threadpool
    from fastapi.responses import HTMLResponse, JSONResponse, StreamingResponse

__all__ = ["controller_app", "debug_app", "reducer_app"]

LOOK_S = 0.5
"""How often it is looked for what was noticed."""
MOST_POINTS = 10_000_000
BYTES = "application/x.bytes"
_PAGE = """<!doctype html><meta charset="utf-8"><title>penstock</title>
<p>The controller of a pipeline: <a href="api/v1/progress">progress</a>, <a href="api/v1/config">config</a>,
<a href="api/v1/load">load</a>, <a href="docs">all paths</a>."""
_PASSED_ON = frozenset({"accept", "accept-encoding", "content-type", "cookie"})
_PASSED_BACK = frozenset({"content-type", "content-encoding", "set-cookie"})
"""Headers of what goes to the web process of the run, and of its answers."""
Parts = dict[str, dict[str, list[list[dict[str, Any]] | None]]]


def controller_app(ensemble: Ensemble) -> FastAPI:
    """Return the controller's paths."""
    app = _app("dranspose's controller, by penstock")

    @app.get("/", response_class=HTMLResponse, include_in_schema=False)
    def page() -> str:
        return _PAGE

    _serve_scans(app, ensemble)
    _serve_parameters(app, ensemble)

    @app.get("/api/v1/config")
    def config() -> Any:
        """Say what there is: streams, workers, reducer, parameters."""
        return config_of(ensemble)

    @app.get("/api/v1/status")
    def status() -> Any:
        """Say how the scan is."""
        return status_of(ensemble)

    @app.get("/api/v1/progress")
    def progress() -> Any:
        """Say how many events are done."""
        return progress_of(ensemble)

    @app.get("/api/v1/load")
    def load(
        intervals: Annotated[list[int] | None, Query(max_length=100)] = None, scan: Annotated[bool, Query()] = True
    ) -> Any:
        """Say how busy each worker is."""
        return load_of(ensemble, intervals or [1, 10], with_scan=scan)

    @app.get("/api/v1/logs", deprecated=True)
    def logs(level: str = "INFO") -> Any:
        """Return what was noticed of the scan."""
        return logs_of(ensemble, level)

    @app.get("/api/v1/log_stream", response_class=StreamingResponse)
    async def log_stream() -> StreamingResponse:
        """Give what is noticed from now on, a JSON object a line, without end."""
        return StreamingResponse(_lines(ensemble), media_type="application/x-ndjson")

    return app


async def _lines(ensemble: Ensemble) -> AsyncIterator[bytes]:
    seen = await run_in_threadpool(logs_of, ensemble)
    while True:
        now = await run_in_threadpool(logs_of, ensemble)
        for line in now:
            if line not in seen:
                yield msgspec.json.encode(line) + b"\n"
        seen = now
        await asyncio.sleep(LOOK_S)


def _serve_scans(app: FastAPI, ensemble: Ensemble) -> None:
    @app.post("/api/v1/mapping", deprecated=True)
    def set_mapping(
        mapping: Annotated[dict[str, list[list[dict[str, Any]] | None]], Body()], all_wrap: bool = True
    ) -> str:
        """Begin a scan with a map of one part."""
        return ensemble.begin({"main": mapping}, ["main"], all_wrap=all_wrap)

    @app.post("/api/v1/sequence")
    def set_sequence(
        parts: Annotated[Parts, Body()], sequence: Annotated[list[str], Body()], all_wrap: bool = True
    ) -> str:
        """Begin a scan; the one there is is given up."""
        return ensemble.begin(parts, sequence, all_wrap=all_wrap)

    @app.get("/api/v1/sequence")
    @app.get("/api/v1/mapping", deprecated=True)
    def sequence() -> Any:
        """Return the map there is."""
        return ensemble.document

    @app.post("/api/v1/sardana_hook", deprecated=True)
    def sardana_hook(info: Annotated[dict[str, Any], Body()]) -> Any:
        """Begin a scan in which each point is an event of all the streams that there are."""
        scan, streams = info.get("scan"), info.get("streams")
        points = scan.get("nb_points") if isinstance(scan, dict) else None
        if not isinstance(streams, list) or type(points) is not int or not 0 < points <= MOST_POINTS:
            raise StateError('write {"streams": ["eiger"], "scan": {"nb_points": 100}}')
        known = [stream for stream in ensemble.sources if stream in streams]
        if not known:
            raise StateError(f"none of these streams is here; there are {', '.join(ensemble.sources) or 'none'}")
        return ensemble.begin({"sardana": uniform(known, points)}, ["sardana"])

    @app.post("/api/v1/stop")
    def stop() -> None:
        """End the scan: what has arrived is brought out."""
        ensemble.stop()


def _serve_parameters(app: FastAPI, ensemble: Ensemble) -> None:
    @app.post("/api/v1/parameter/{name}")
    async def set_parameter(name: str, request: Request) -> str:
        """Change a parameter; the body is its value, in bytes. The answer is the hash of all."""
        return await run_in_threadpool(ensemble.set_parameter, name, await request.body())

    @app.get("/api/v1/parameter/{name}", response_class=Response)
    def parameter(name: str) -> Response:
        """Return a parameter's bytes."""
        data = ensemble.parameter(name)
        if data is None:
            return JSONResponse({"detail": f"there is no parameter {name!r}"}, 404)
        return Response(data, media_type=BYTES)

    @app.get("/api/v1/parameters")
    def parameters() -> Any:
        """Describe what may be set."""
        return JSONResponse([_described(each) for each in ensemble.descriptions()])


def reducer_app(ensemble: Ensemble, web_address: str) -> FastAPI:
    """Return the reducer's paths; those of HDF5-REST are answered by the web process of the run."""
    app = _app("dranspose's reducer, by penstock")
    client = httpx.AsyncClient(base_url=web_address, timeout=30)
    _serve_parameters(app, ensemble)

    @app.get("/api/v1/status")
    def status() -> bool:
        """Say that it is there."""
        return True

    @app.get("/api/v1/result/pickle", response_class=Response)
    def everything() -> Response:
        """Return all that is published, pickled."""
        return _pickled(_tree(ensemble))

    @app.get("/api/v1/result/{path:path}", response_class=Response)
    def result(path: str) -> Response:
        """Return the list of what a JSONPath finds in what is published, pickled."""
        return _pickled(find_results(_tree(ensemble), path))

    @app.api_route("/{path:path}", methods=["GET", "POST"], include_in_schema=False)
    async def beyond(path: str, request: Request) -> Response:
        if not ensemble.has_begun:  # the web process does not answer before the first run
            return JSONResponse({"detail": "nothing is published: no scan has begun; post a trigger map"}, 404)
        asked_for = request.query_params.multi_items()
        if not path.startswith("api/"):
            # The file that clients know has what is published as its root, whichever domain they name.
            asked_for = [*(each for each in asked_for if each[0] != "domain"), ("domain", f"/{REDUCE}")]
        url = httpx.URL(path=f"/{path}", params=asked_for)
        headers = {name: value for name, value in request.headers.items() if name in _PASSED_ON}
        try:
            asked = client.build_request(request.method, url, headers=headers, content=await request.body())
            found = await client.send(asked, stream=True)
            content = b"".join([piece async for piece in found.aiter_raw()])
            await found.aclose()
        except httpx.HTTPError as error:
            return JSONResponse({"detail": f"the views cannot be had: {str(error) or type(error).__name__}"}, 502)
        kept = {name: value for name, value in found.headers.items() if name in _PASSED_BACK}
        return Response(content, found.status_code, headers=kept)

    return app


def debug_app(ensemble: Ensemble) -> FastAPI:
    """Return the paths of the debug workers, all of them as one."""
    app = _app("dranspose's debug worker, by penstock")

    @app.get("/api/v1/status")
    def status() -> bool:
        """Say that they are there."""
        return True

    @app.get("/api/v1/last_events", response_class=Response)
    def events(number: Annotated[int, Query(ge=0, le=KEPT)] = 1) -> Response:
        """Return the last events, a pickled list of dranspose's ``EventData``."""
        return Response(pickled_events(ensemble.last_events(number)), media_type=BYTES)

    return app


class _NoResultError(StateError):
    """Nothing is published."""


def _tree(ensemble: Ensemble) -> dict[str, Any]:
    tree = plain_tree(ensemble.views())
    if not tree:
        raise _NoResultError("nothing is published")
    return tree


def _pickled(value: Any) -> Response:
    return Response(pickled(value), media_type=BYTES)


def _described(each: Any) -> dict[str, Any]:
    fields: dict[str, Any] = {name: getattr(each, name) for name in ("name", "description", "dtype", "default")}
    if isinstance(fields["default"], bytes):
        fields["default"] = fields["default"].decode("latin-1")
    return fields


_CODES: Mapping[type[Exception], int] = {
    _NoResultError: 404,
    MapError: 400,
    SelectionError: 400,
    StateError: 400,
    ParameterError: 422,
    MissingExtraError: 501,
    PenstockError: 500,
}


def _app(title: str) -> FastAPI:
    app = FastAPI(title=title)

    @app.exception_handler(PenstockError)
    async def refuse(_: Request, error: Exception) -> JSONResponse:
        code = next(_CODES[kind] for kind in type(error).__mro__ if kind in _CODES)
        return JSONResponse({"detail": str(error)}, code)

    return app
