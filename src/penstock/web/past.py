"""How the views of a run were: a bounded number of moments, spread evenly over all of its time.

Every view is kept in few bytes, as a whole. What is asked for in full is only there now.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Annotated, Any, Literal

import msgspec
import numpy as np

from penstock.errors import PenstockError, ServiceError
from penstock.extra import extra
from penstock.web.shown_views import Part, ShownViews

with extra("run"):
    from fastapi import FastAPI, Query, Response
    from fastapi.responses import JSONResponse

__all__ = ["NotKeptError", "Past", "serve_past"]

FIRST_EVERY_S = 5.0
MOST_BYTES = 64 << 20
"""Of all moments together."""
VIEW_BYTES = 128 << 10
"""Of one view at one moment: of more, one element stands for several."""

Errors = dict[int | str, dict[str, Any]]
Respond = Callable[[str, Part, str], Response]


class NotKeptError(ServiceError):
    """Nothing was kept of this view, or not so early."""


class _Moment(msgspec.Struct, frozen=True):
    """What was there at one time."""

    at_s: float
    """Since 1970, UTC."""
    parts: dict[str, Part]
    """By name. What had not changed is the same object as in the moment before."""


class Past:
    """The moments of one run.

    When they are too many, every second one goes, and from then on they lie twice as far apart: so they always reach
    back to the beginning, and none is much further from the next than others are.

    Parameters
    ----------
    views
        To be looked at.
    most_bytes
        Of all moments together; the two newest stay whatever they have.
    """

    def __init__(self, views: ShownViews, *, most_bytes: int = MOST_BYTES) -> None:
        self._views = views
        self._most_bytes = most_bytes
        self._moments: list[_Moment] = []
        self._versions: dict[str, int] = {}
        self.every_s = FIRST_EVERY_S
        """How far moments lie apart."""

    async def keep(self) -> None:
        """Take a moment every so many s, until this is cancelled."""
        while True:
            await asyncio.sleep(self.every_s)
            if self._views.versions() != self._versions:
                await asyncio.to_thread(self.take, time.time())

    def take(self, at_s: float) -> None:
        """Keep how the views are now. Nothing is kept if none has changed."""
        versions = self._views.versions()
        if versions == self._versions:
            return
        before = self._moments[-1].parts if self._moments else {}
        parts: dict[str, Part] = {}
        for described in self._views.describe_all():
            name = described["name"]
            known = before.get(name)
            if known is not None and known.version == described["version"]:
                parts[name] = known
                continue
            frame = "-1," * (len(described["shape"]) - 2) + "..." if len(described["shape"]) > 2 else ""
            whole = np.dtype(described["dtype"]).kind in "iub"
            try:
                part = self._views.part(name, frame, most_bytes=VIEW_BYTES, fewer="max" if whole else None)
            except PenstockError:  # it has just gone, or has no frame yet
                continue
            parts[name] = part if known is None or not _are_same(known, part) else known
        self._versions = versions
        self._moments.append(_Moment(at_s, parts))
        while len(self._moments) > 2 and self.nbytes > self._most_bytes:
            last = self._moments[-1]
            self._moments = self._moments[::2]
            if self._moments[-1] is not last:
                self._moments.append(last)
            self.every_s *= 2

    @property
    def nbytes(self) -> int:
        """Of the elements that are kept."""
        return sum({id(part): part.array.nbytes for each in self._moments for part in each.parts.values()}.values())

    @property
    def times_s(self) -> list[float]:
        """Of all moments, in s since 1970 UTC, the oldest first."""
        return [moment.at_s for moment in self._moments]

    def part(self, name: str, at_s: float) -> tuple[Part, float]:
        """Return a view as it was at the last moment that was not after a time, and when that was.

        Raises
        ------
        NotKeptError
            If there is no such moment, or no such view then.
        """
        found = next((moment for moment in reversed(self._moments) if moment.at_s <= at_s), None)
        if found is None:
            since = (
                f"the first moment is {self._moments[0].at_s:.3f}" if self._moments else "no moment has been kept yet"
            )
            raise NotKeptError(f"nothing was kept at {at_s:.3f} s since 1970; {since}")
        if name not in found.parts:
            there = ", ".join(list(found.parts)[:20]) or "none"
            raise NotKeptError(f'no view "{name[:200]}" was there at {found.at_s:.3f} s since 1970; there were {there}')
        return found.parts[name], found.at_s


def serve_past(app: FastAPI, past: Past, respond: Respond, *, errors: Errors) -> None:
    """Add the routes.

    Parameters
    ----------
    respond
        Makes an answer of a view's name, elements, and the format.
    """

    @app.get("/api/v1/past", tags=["views"], responses={code: errors[code] for code in (401, 403)})
    async def moments() -> Any:  # what JSON can hold
        """Say at which moments views have been kept: `times`, in s since 1970 UTC, `every_s` and `nbytes`."""
        return JSONResponse({"times": past.times_s, "every_s": past.every_s, "nbytes": past.nbytes})

    @app.get(
        "/api/v1/past/{name:path}",
        tags=["views"],
        response_class=Response,
        responses={
            **{code: errors[code] for code in (401, 403, 404, 413, 422)},
            200: {"content": {"application/octet-stream": {}, "application/json": {}}},
        },
    )
    async def view_then(
        name: str,
        at_s: Annotated[float, Query(alias="time", description="In s since 1970 UTC: the last moment up to it.")],
        form: Annotated[Literal["raw", "npy", "json"], Query(alias="format", description="As of data.")] = "raw",
    ) -> Response:
        """Return a view as it was, in few bytes; of more than two dimensions the last frame."""
        found, at = past.part(name, at_s)
        answer = respond(name, found, form)
        answer.headers["X-Penstock-Time"] = f"{at:.3f}"
        del answer.headers["ETag"]
        return answer


def _are_same(one: Part, other: Part) -> bool:
    """Whether the elements are the same, also where they are NaN; the stage may have published other views anew."""
    a, b = one.array, other.array
    return a.shape == b.shape and a.dtype == b.dtype and one.every == other.every and a.tobytes() == b.tobytes()
