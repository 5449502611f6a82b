"""A web application as the web process has it, with views that were published and a supervisor that is a fake."""

import asyncio
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx
import msgspec
import numpy as np

from penstock.core.command import Command
from penstock.core.feedback import FeedbackBook
from penstock.errors import ServiceError, StateError
from penstock.monitor.report import EdgeReport, books_of_nothing
from penstock.views import ArrayView, Axis
from penstock.views.shared_tree import TreeReader, TreeWriter, make_files
from penstock.web.app import make_app
from penstock.web.shown_views import ShownViews
from penstock.web.supervisor_line import UnknownError
from tests.unit.services.commanded_cases import Operator

EDGE = EdgeReport(
    producer="a", consumer="b", arrived=3, accounts={"done": 2}, in_flight=1, counters={}, rate_per_s=1.0, remarks=[]
)
REPORT: dict[str, Any] = msgspec.to_builtins(msgspec.structs.replace(books_of_nothing("demo", "r1"), edges=[EDGE]))


NOTICE = {
    "time": "2026-11-26T12:00:00.000000001Z", "level": "alarm", "source": "fit-0", "text": "hot", "code": 7, "times": 1,
    "values": {"at": 3},
}  # fmt: skip


class FakeLine:
    """Answers what a supervisor would."""

    def __init__(self) -> None:
        self.last: Any = None
        self.feedback = FeedbackBook("r1")
        self.asked: list[tuple[str, Any]] = []
        self.operator = Operator()
        self.bells: set[asyncio.Event] = set()

    async def report(self) -> Any:
        return self.last if self.last is not None else await self.ask("status")

    async def ask_numbered(self, what: str, body: Any = None) -> tuple[int, Any]:
        return 7, await self.ask(what, body)

    async def told(self, number: int) -> None:
        self.asked.append(("told", number))

    async def ask(self, what: str, body: Any = None) -> Any:
        self.asked.append((what, body))
        if what in ("notices", "history", "feedback"):
            return self._noticed(what, body)
        if self.last is not None:
            raise StateError("the run has ended")
        if what in ("command", "states", "commands"):
            return self._commanded(what, body)
        match what:
            case "runs":
                return [{"run": "r1", "pipeline": "demo", "outcome": "running", "began": ""}]
            case "start":
                raise StateError("a run is going on")
            case "status":
                return REPORT
            case "parameters":
                return {"revision": 0, "parameters": []}
            case "set" if "unknown" in body["values"]:
                raise UnknownError('no parameter "unknown"; there are fit.roi')
            case "set" if any(not isinstance(value, int | float) for value in body["values"].values()):
                raise ServiceError("fit.roi: a number is wanted")
            case "set":
                return {"revision": 1, "from_event": 7, "values": body["values"], "who": body["who"], "when": ""}
            case "scale" if body["stage"] != "fit":
                raise ServiceError(f"no map stage is called {body['stage']!r}; there are fit")
        return {}

    def _noticed(self, what: str, body: Any) -> Any:
        if what == "notices":
            return [NOTICE]
        if what == "feedback":
            return msgspec.to_builtins(self.feedback.since(body["after"]))
        names = ["edge.a.b.arrived"] if body["names"] is None else body["names"]
        return {"times": [1.0], "series": {name: [3.0] for name in names}, "names": ["edge.a.b.arrived"]}

    def _commanded(self, what: str, body: Any) -> Any:
        found: list[Any] = []
        desk = self.operator.desk
        if what == "command":
            desk.take(msgspec.convert(body, Command), found.append, door="http", caller="http")
        elif what == "states":
            desk.look(found.append)
        return msgspec.to_builtins(found[0] if found else desk.records())


def tree(fill: float = 1.0) -> dict[str, Any]:
    """Return what a reducer would publish."""
    image = ArrayView((40, 50), unit="counts", axes=(Axis("y", "µm", np.arange(40.0)), Axis("x", "µm")), title="Iron")
    image.set(..., np.arange(2000).reshape(40, 50) * fill)
    image.set((0, 0), np.nan)
    series = ArrayView((None,), "i4", unit="mA")
    for value in range(5):
        series.append(value)
    return {"map": {"Fe": image}, "current": series, "count": 17, "note": "steady", "ragged": [[1], [1, 2]]}


@contextmanager
def published() -> Iterator[tuple[TreeWriter, ShownViews]]:
    """Give a writer and what is shown of it; a second stage has published nothing."""
    files = {"image": make_files("image"), "later": make_files("later")}
    try:
        writer = TreeWriter(files["image"])
        writer.publish(tree(), position=9, version=3)
        yield writer, ShownViews({stage: TreeReader(fds) for stage, fds in files.items()})
    finally:
        for fds in files.values():
            for fd in fds:
                os.close(fd)


def application(views: ShownViews, line: FakeLine, **options: Any) -> Any:
    return make_app(views, line, pipeline="demo", run="r1", version="0", graph="<svg/>", **options)  # type: ignore[arg-type]


def ask(app: Any, method: str, path: str, **options: Any) -> httpx.Response:
    async def go() -> httpx.Response:
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=True)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.request(method, path if path.startswith("/") else f"/api/v1/{path}", **options)

    return asyncio.run(go())


def detail(answer: httpx.Response) -> str:
    body: Mapping[str, Any] = answer.json()
    return str(body["detail"])
