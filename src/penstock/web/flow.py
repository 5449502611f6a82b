"""The pipeline as a graph with what goes on in it, for whoever draws it: every room, every edge, and what is slow."""

import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

import msgspec

from penstock.core.ledger import Account
from penstock.errors import ServiceError, StateError
from penstock.extra import extra
from penstock.monitor.delay_table import passages
from penstock.monitor.report import EdgeReport, LatencyReport, RunReport, StateReport
from penstock.monitor.room_load import Bottleneck, RoomLoad, bottleneck, room_loads
from penstock.pipeline.flow_plan import FlowPlan, PlannedLink, PlannedRoom
from penstock.web.supervisor_line import SupervisorLine

with extra("run"):
    from fastapi import FastAPI
    from fastapi.responses import JSONResponse

__all__ = ["Flow", "UnknownRoomError", "flow_of", "serve_flow"]

FILES_S = 30.0
"""Over so long it is counted how fast files are read, because they come slowly."""
ERRORS: Final = (Account.FAILED.label, Account.DEAD_LETTERED.label)
"""Accounts of what a room could not do; of the errors themselves only the last ones are kept."""
MOST_FAILURES = 10
"""Of one room that are told."""
MOST_NOTICES = 50
"""Likewise."""
EDGE_FIELDS = ("arrived", "in_flight", "recent_per_s", "waiting", "capacity", "loss", "latency")
JOINING = ("join", "merge")

Errors = dict[int | str, dict[str, Any]]


class UnknownRoomError(ServiceError):
    """The pipeline has no room of this name."""


class Room(msgspec.Struct, frozen=True, kw_only=True):
    """One room, as it is."""

    name: str
    kind: str
    says: tuple[str, ...]
    state: str = ""
    """Empty where nobody says it: of joins, merges, and before a run."""
    why: str = ""
    since_s: float = 0.0
    workers: int | None = None
    """That take part; ``None`` for what has none."""
    coming: int = 0
    """That were asked for, and are not there yet."""
    failures: int = 0
    """Exceptions of user code and dead letters that are remembered."""
    load: RoomLoad = RoomLoad()


class Edge(msgspec.Struct, frozen=True, kw_only=True):
    """One edge; without books before a run, and where it is a condition."""

    producer: str
    consumer: str
    is_condition: bool = False
    arrived: int = 0
    in_flight: int = 0
    recent_per_s: float = 0.0
    waiting: int = 0
    capacity: int = 0
    loss: int = 0
    latency: LatencyReport | None = None


class Delay(msgspec.Struct, frozen=True, kw_only=True):
    """How long something takes, in s."""

    what: str
    count: int
    mean_s: float | None = None
    p50_s: float | None = None
    p99_s: float | None = None
    max_s: float | None = None


class Rate(msgspec.Struct, frozen=True, kw_only=True):
    """How fast items pass one source, stage or sink."""

    name: str
    kind: str
    came: int
    recent_per_s: float
    per_s: float
    gave_per_item: float | None
    files: int | None = None
    """That it has read to the end, where it opens any; with those of earlier runs."""
    files_per_s: float | None = None
    """Of these, over the last half minute; ``None`` before anybody has looked twice."""


class Flow(msgspec.Struct, frozen=True, kw_only=True):
    """The whole picture."""

    run: str
    outcome: str
    """Empty before there is a run."""
    rooms: list[Room]
    edges: list[Edge]
    bottleneck: Bottleneck | None
    delays: list[Delay]
    rates: list[Rate]


class FileRates:
    """How fast files are read, as far as somebody has looked.

    Examples
    --------
    >>> rates = FileRates()
    >>> rates.note(0.0, {"in": 3}), rates.note(10.0, {"in": 8}), rates.note(40.0, {"in": 8})
    ({'in': None}, {'in': 0.5}, {'in': 0.0})
    """

    def __init__(self) -> None:
        self._seen: dict[str, deque[tuple[float, int]]] = {}

    def note(self, now_s: float, files: Mapping[str, int]) -> dict[str, float | None]:
        """Take how many there are now, and return how many came in a second; ``None``: nothing to compare it with."""
        found: dict[str, float | None] = {}
        for name, number in files.items():
            seen = self._seen.setdefault(name, deque())
            while seen and now_s - seen[0][0] > FILES_S:
                seen.popleft()
            if not seen or now_s - seen[-1][0] >= 1:
                seen.append((now_s, number))
            since_s = now_s - seen[0][0]
            found[name] = (number - seen[0][1]) / since_s if since_s > 0 else None
        return found


def flow_of(
    plan: FlowPlan, report: RunReport | None, files_per_s: Mapping[str, float | None] = MappingProxyType({})
) -> Flow:
    """Return the graph of a plan with what a report says of it; ``None``: there is no run yet."""
    if report is None:
        rooms = [Room(name=each.name, kind=each.kind, says=each.says) for each in plan.rooms]
        return Flow(run="", outcome="", rooms=rooms, edges=_edges(plan, ()), bottleneck=None, delays=[], rates=[])
    joins = [each.name for each in plan.rooms if each.kind in JOINING]
    loads = room_loads(report, joins)
    return Flow(
        run=report.run,
        outcome=report.outcome,
        rooms=[_room(each, report, loads.get(each.name, RoomLoad())) for each in plan.rooms],
        edges=_edges(plan, report.edges),
        bottleneck=bottleneck(report, loads, joins),
        delays=_delays(report),
        rates=_rates(plan, report, files_per_s),
    )


def serve_flow(app: FastAPI, line: SupervisorLine, plan: FlowPlan, *, has_run: bool, errors: Errors) -> None:
    """Add the routes."""
    some: Errors = {code: errors[code] for code in (401, 403, 409, 504)}
    file_rates = FileRates()

    async def report() -> RunReport | None:
        return msgspec.convert(await line.report(), RunReport) if has_run else None

    @app.get("/api/v1/flow", tags=["run"], responses=some)
    async def flow() -> Any:  # what JSON can hold
        """Return the graph: of every room its state and load, of every edge its flow, what is slow, and delays."""
        found = await report()
        rates = file_rates.note(time.monotonic(), {} if found is None else _files(found))
        return JSONResponse(msgspec.to_builtins(flow_of(plan, found, rates)))

    @app.get("/api/v1/flow/{room}", tags=["run"], responses={**some, 404: errors[404], 422: errors[422]})
    async def room(room: str) -> Any:  # what JSON can hold
        """Return of one room its workers and processes, its last failures with traceback, and its notices."""
        if room not in (each.name for each in plan.rooms):
            there = ", ".join(each.name for each in plan.rooms) or "none"
            raise UnknownRoomError(f"no room {room!r:.80}; there are {there}")
        return JSONResponse(await _details(room, report, line))


async def _details(room: str, report: Callable[[], Awaitable[RunReport | None]], line: SupervisorLine) -> Any:
    found = await report()
    if found is None:
        return {"workers": [], "processes": [], "failures": [], "dead_letters": [], "notices": [], "remarks": []}
    workers = [each for each in found.states if each.of == room]
    names = {room, *(each.name for each in workers)}
    try:
        notices = await line.ask("notices", {"level": "log", "most": 1000})
    except StateError:
        notices = []
    return {
        "workers": msgspec.to_builtins(workers),
        "processes": msgspec.to_builtins([each for each in found.processes if each.name in names]),
        "failures": [each for each in found.failures if each["stage"] == room][-MOST_FAILURES:],
        "dead_letters": [each for each in found.dead_letters if each["stage"] == room][-MOST_FAILURES:],
        "notices": [each for each in notices if each["source"] in names][-MOST_NOTICES:],
        "remarks": [
            f"{each.producer} → {each.consumer}: {remark}"
            for each in found.edges
            if room in (each.producer, each.consumer)
            for remark in each.remarks
        ],
    }


def _room(planned: PlannedRoom, report: RunReport, load: RoomLoad) -> Room:
    name = planned.name
    own: StateReport | None = next((each for each in report.states if each.name == name and not each.of), None)
    workers = [each for each in report.states if each.of == name]
    staff = next((each for each in report.staffs if each.stage == name), None)
    there = len(workers) if staff is None else staff.workers
    kept = sum(each.get("stage") == name for each in report.failures)  # dead letters are among them
    counted = sum(each.accounts.get(account, 0) for each in report.edges if each.consumer == name for account in ERRORS)
    return Room(
        name=name,
        kind=planned.kind,
        says=planned.says,
        state="" if own is None else own.state,
        why="" if own is None else own.why,
        since_s=0.0 if own is None else own.since_s,
        workers=there or None,
        coming=0 if staff is None else staff.coming,
        failures=max(kept, counted),
        load=load,
    )


def _edges(plan: FlowPlan, books: Sequence[EdgeReport]) -> list[Edge]:
    """Return the edges that were planned with their books, and behind them those of instruments."""
    by_ends = {(each.producer, each.consumer): each for each in books}
    planned = [_edge(link, by_ends.pop((link.producer, link.consumer), None)) for link in plan.links]
    rooms = {each.name for each in plan.rooms}
    rest = [each for each in by_ends.values() if each.consumer in rooms]
    return [*planned, *(_edge(PlannedLink(producer=each.producer, consumer=each.consumer), each) for each in rest)]


def _edge(link: PlannedLink, books: EdgeReport | None) -> Edge:
    facts = {} if books is None else {field: getattr(books, field) for field in EDGE_FIELDS}
    return Edge(producer=link.producer, consumer=link.consumer, is_condition=link.is_condition, **facts)


def _delays(report: RunReport) -> list[Delay]:
    """Return, in the order of the flow, the same as ``penstock top --only delays``."""
    edges = [_delay(f"{each.producer} → {each.consumer}", each.latency) for each in report.edges if each.latency]
    steps = [
        Delay(what=f"{each.stage}.{each.step}, a call", count=each.arrived, mean_s=each.mean_s, max_s=each.max_s)
        for each in report.steps
        if each.mean_s is not None
    ]
    events = [_delay(f"first message → result of {stage}", each) for stage, each in report.latencies.items()]
    return [*edges, *steps, *events]


def _delay(what: str, latency: LatencyReport) -> Delay:
    return Delay(
        what=what, count=latency.count, mean_s=latency.sum_s / latency.count if latency.count else None,
        p50_s=latency.p50_s, p99_s=latency.p99_s, max_s=latency.max_s,
    )  # fmt: skip


def _files(report: RunReport) -> dict[str, int]:
    return {each.name.partition(".")[0]: each.read + each.done for each in report.files}


def _rates(plan: FlowPlan, report: RunReport, files_per_s: Mapping[str, float | None]) -> list[Rate]:
    kinds = {each.name: each.kind for each in plan.rooms}
    files = _files(report)
    return [
        Rate(
            name=each.name, kind=kinds.get(each.name, ""), came=each.came, recent_per_s=each.recent_per_s,
            per_s=each.per_s, gave_per_item=each.gave_per_item,
            files=files.get(each.name), files_per_s=files_per_s.get(each.name),
        )
        for each in passages(report)
    ]  # fmt: skip
