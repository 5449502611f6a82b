"""Recorded runs over HTTP: which there are, and replays of them beside the run that is served."""

import asyncio
from typing import Annotated, Any

from penstock.extra import extra
from penstock.streams.opened import opened_store
from penstock.web.supervisor_line import SupervisorLine

with extra("run"):
    from fastapi import Body, FastAPI, Query
    from fastapi.responses import JSONResponse
    from pydantic import BaseModel, ConfigDict, Field

__all__ = ["serve_replays"]

MOST_RUNS = 1000
FRESH_S = 1.0
"""A list of recorded runs is as good as new for so long, however many ask."""

Errors = dict[int | str, dict[str, Any]]


class ReplayWish(BaseModel):
    """A recorded run that is to be run again, beside this one."""

    model_config = ConfigDict(extra="forbid")
    run: str = Field(min_length=1, max_length=200, description="Of the recorded ones.")
    beamtime: str = Field("", max_length=200, description="Of the run, if several have one of this name.")
    values: dict[str, Any] = Field({}, max_length=1000, description="Parameters that are to be otherwise all the time.")
    first: int = Field(0, ge=0, lt=1 << 63, description="Leave out the events before this one.")
    speed: float = Field(0.0, ge=0, allow_inf_nan=False, description="1: in its own time; 0: as fast as it goes.")
    who: str = Field("", max_length=200, description="Kept with the replay.")


class EndWish(BaseModel):
    """That a replay shall end."""

    model_config = ConfigDict(extra="forbid")
    who: str = Field("", max_length=200, description="Kept with the replay.")


def serve_replays(app: FastAPI, line: SupervisorLine, *, store: str, errors: Errors) -> None:
    """Add the routes.

    Parameters
    ----------
    store
        Where runs are recorded; empty: nowhere.
    """
    shelf = _Shelf(store)
    seen: Errors = {code: errors[code] for code in (401, 403, 422)}
    some: Errors = {code: errors[code] for code in (401, 403, 504)}
    more: Errors = {code: errors[code] for code in (401, 403, 404, 409, 413, 422, 504)}

    @app.get("/api/v1/recordings", tags=["replays"], responses=seen)
    async def recordings(
        most: Annotated[int, Query(ge=1, le=MOST_RUNS, description="No more than these, the last ones.")] = 100,
    ) -> Any:  # what JSON can hold
        """List the recorded runs in the pipeline's store, the newest last."""
        return JSONResponse({"store": store, "runs": (await shelf.runs())[-most:]})

    @app.get("/api/v1/replays", tags=["replays"], responses=some)
    async def replays() -> Any:  # what JSON can hold
        """List the replays that were begun here, the newest last: of which run, how it is, where it is to be seen."""
        return JSONResponse(await line.ask("replays"))

    @app.post("/api/v1/replays", tags=["replays"], responses=more)
    async def begin(wish: Annotated[ReplayWish, Body()]) -> Any:  # what JSON can hold
        """Run a recorded run again, in a program of its own with an address of its own; four at a time."""
        return JSONResponse(await line.ask("replay", wish.model_dump()))

    @app.post("/api/v1/replays/{name}/end", tags=["replays"], responses=more)
    async def end(name: str, wish: Annotated[EndWish, Body()]) -> Any:  # what JSON can hold
        """End a replay."""
        return JSONResponse(await line.ask("end-replay", {"run": name, "who": wish.who}))


class _Shelf:
    """The recorded runs of one store; one look at a time, in a thread, because a disk may be slow."""

    def __init__(self, store: str) -> None:
        self._store = store
        self._found: list[dict[str, Any]] = []
        self._looked_s: float | None = None
        self._looking = asyncio.Lock()

    async def runs(self) -> list[dict[str, Any]]:
        clock = asyncio.get_running_loop().time
        async with self._looking:
            if self._looked_s is None or clock() - self._looked_s > FRESH_S:
                self._found = await asyncio.to_thread(self._read)
                self._looked_s = clock()
            return self._found

    def _read(self) -> list[dict[str, Any]]:
        from penstock.services.recorded_run import run_lines  # with the pipeline's parts, which the page rarely needs

        if not self._store:
            return []
        with opened_store(self._store) as store:
            return run_lines(store, MOST_RUNS)
