"""What monitoring asks over HTTP: metrics, health, notices, feedback to the scan, and how numbers were."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Literal

from penstock.errors import PenstockError, StateError
from penstock.extra import extra
from penstock.web.health import health_of, is_ready
from penstock.web.heard import LONGEST_WAIT_S, Heard
from penstock.web.metrics import exposition
from penstock.web.stream_figures import StreamFigures
from penstock.web.supervisor_line import SupervisorLine

with extra("run"):
    from fastapi import FastAPI, Query, Response
    from fastapi.responses import JSONResponse

__all__ = ["serve_watched"]

UNHEALTHY: dict[int | str, dict[str, Any]] = {503: {"description": "It is not."}}
MOST_NOTICES = 1000
MOST_POINTS = 10_000
Ask = Callable[[], Awaitable[Any]]
"""Brings a report in JSON, or ``None``."""

Errors = dict[int | str, dict[str, Any]]


def serve_watched(app: FastAPI, line: SupervisorLine, figures: StreamFigures, *, has_run: bool, errors: Errors) -> None:
    """Add the routes.

    Parameters
    ----------
    figures
        Of durable streams.
    has_run
        Whether there is a run, or only the wish for one.
    errors
        How answers that are errors are described.
    """

    async def report() -> Any:  # of a report, or None
        return await line.report() if has_run else None

    _serve_metrics(app, report, figures, errors)
    _serve_numbers(app, line, has_run=has_run, errors=errors)
    _serve_health(app, report)


def _serve_metrics(app: FastAPI, report: Ask, figures: StreamFigures, errors: Errors) -> None:
    some: Errors = {code: errors[code] for code in (401, 403, 409, 504)}

    @app.get(
        "/metrics",
        tags=["monitoring"],
        response_class=Response,
        responses={**some, 200: {"content": {"text/plain": {}}}},
    )
    async def metrics() -> Response:
        """Return all numbers of the run as Prometheus reads them."""
        text, content_type = exposition(await report(), await figures.latest())
        return Response(text, headers={"Content-Type": content_type})


def _serve_numbers(app: FastAPI, line: SupervisorLine, *, has_run: bool, errors: Errors) -> None:
    more: Errors = {code: errors[code] for code in (401, 403, 409, 422, 504)}

    @app.get("/api/v1/notices", tags=["monitoring"], responses=more)
    async def notices(
        level: Annotated[Literal["log", "info", "alarm"], Query(description="At least so grave.")] = "log",
        most: Annotated[int, Query(ge=1, le=MOST_NOTICES, description="No more than these, the last ones.")] = 100,
    ) -> Any:  # what JSON can hold
        """Return the last notices, the newest last; where the program stays, also after the end of the run."""
        return JSONResponse(await line.ask("notices", {"level": level, "most": most}) if has_run else [])

    heard = Heard(line, has_run=has_run)

    @app.get("/api/v1/feedback", tags=["monitoring"], responses=more)
    async def feedback(
        after: Annotated[int, Query(ge=0, description="With numbers above this one.")] = 0,
        wait_s: Annotated[
            float, Query(ge=0, le=LONGEST_WAIT_S, description="Wait so long until there is any, in s.")
        ] = 0.0,
        run: Annotated[str, Query(max_length=200, description="Of this run only; by default of the last one.")] = "",
    ) -> Any:  # what JSON can hold
        """Return what user code has said back to the scan, the oldest first; also after the end of the run."""
        return JSONResponse(await heard.wait(after, wait_s, run))

    @app.get("/api/v1/history", tags=["monitoring"], responses=more)
    async def history(
        name: Annotated[
            list[str] | None, Query(description="Such as edge.camera.fit.arrived; more than once; by default all.")
        ] = None,
        since_s: Annotated[float | None, Query(gt=0, description="For how long back, in s.")] = None,
        most: Annotated[int, Query(ge=1, le=MOST_POINTS, description="Points at most, evenly chosen.")] = 300,
    ) -> Any:  # what JSON can hold
        """Return how numbers were: every second of the last hour, every minute of a day, every ten of a week."""
        if not has_run:
            return JSONResponse({"times": [], "series": {}, "names": []})
        return JSONResponse(await line.ask("history", {"names": name, "since_s": since_s, "most": most}))


def _serve_health(app: FastAPI, report: Ask) -> None:
    @app.get("/health", tags=["monitoring"], responses=UNHEALTHY)
    async def health() -> Any:  # one word
        """Say how the run is: ok, degraded or fault; the last with code 503. No token is needed."""
        return await said(lambda found: health_of(found) != "fault")

    @app.get("/health/live", tags=["monitoring"], responses=UNHEALTHY)
    async def live() -> Any:  # one word
        """Say whether the supervisor answers; if it does not, with code 503, the program should be started anew."""
        return await said(lambda _: True)

    @app.get("/health/ready", tags=["monitoring"], responses=UNHEALTHY)
    async def ready() -> Any:  # one word
        """Say, by the code, whether what is sent now will be worked on: 200, or 503."""
        return await said(is_ready, without=503)

    async def said(passes: Callable[[Any], bool], *, without: int = 200) -> JSONResponse:
        try:
            found = await report()
        except StateError:  # between two runs
            found = None
        except PenstockError:
            return JSONResponse({"status": "fault"}, 503)
        if found is None:
            return JSONResponse({"status": "ok"}, without)
        return JSONResponse({"status": health_of(found)}, 200 if passes(found) else 503)
