"""How busy rooms are, and which of them holds the others up."""

import msgspec
import pytest

from penstock.monitor.report import (
    EdgeReport,
    ProcessReport,
    RunReport,
    StaffReport,
    StateReport,
    StepReport,
    books_of_nothing,
)
from penstock.monitor.room_load import Bottleneck, bottleneck, room_loads


def edge(producer: str, consumer: str, arrived: int, in_flight: int = 0, **more: float) -> EdgeReport:
    return EdgeReport(
        producer=producer, consumer=consumer, arrived=arrived, accounts={"done": arrived - in_flight},
        in_flight=in_flight, counters={}, rate_per_s=0.0, remarks=[], **more,  # type: ignore[arg-type]
    )  # fmt: skip


def report(*edges: EdgeReport, **more: object) -> RunReport:
    return msgspec.structs.replace(books_of_nothing("demo", "r"), edges=list(edges), **more)


def slow(found: RunReport) -> Bottleneck | None:
    return bottleneck(found, room_loads(found, ["scan"]), ["scan"])


def chain(*, fit: int = 0, fold: int = 0, **more: float) -> tuple[EdgeReport, ...]:
    """Return a camera, whose frames are fitted at 50/s and folded; so many wait for each."""
    return (
        edge("camera", "fit", 1000 + fit, fit, recent_per_s=100.0, **more),
        edge("fit", "fold", 1000, fold, recent_per_s=50.0),
    )


def test_workers_belong_to_their_stage_and_joins_share_the_builder() -> None:
    found = room_loads(
        report(
            states=[StateReport(name=f"fit-{k}", kind="worker", state="processing", of="fit") for k in range(2)],
            processes=[
                ProcessReport(name="camera", role="source", pid=9, cpu_share=0.25, cpu_s=3.0, private_bytes=10),
                ProcessReport(name="fit-0", role="map", pid=10, cpu_share=0.9, cpu_s=5.0, private_bytes=7, deaths=2),
                ProcessReport(name="fit-1", role="map", pid=0, cpu_share=0.9, cpu_s=4.0, private_bytes=7),
                ProcessReport(name="builder", role="builder", pid=12, cpu_share=0.5),
            ],
            steps=[StepReport(stage="mask", step="s", arrived=9, filtered=0, failed=0, rate_per_s=1.0, mean_s=0.01,
                              recent_per_s=40.0)],
            staffs=[StaffReport(stage="fit", workers=1, coming=0, least=1, most=4, busy=0.95)],
        ),
        ["scan"],
    )  # fmt: skip
    fit = found["fit"]
    assert (fit.processes, fit.cpu_share, fit.cpu_s, fit.private_bytes, fit.deaths) == (1, 0.9, 9.0, 7, 2)
    assert fit.busy == 0.95
    assert (found["camera"].busy, found["scan"].busy) == (0.25, 0.5)
    assert found["mask"].busy == pytest.approx(0.4)


def test_nobody_holds_anybody_up_where_little_waits() -> None:
    assert slow(report(*chain(fit=100, fold=49))) is None
    assert slow(report(*chain(fit=1000), outcome="finished")) is None
    assert slow(report()) is None


def test_work_of_seconds_waits_for_the_bottleneck_at_the_pace_at_which_it_gives() -> None:
    assert slow(report(*chain(fit=200))) == Bottleneck(room="fit", why="200 wait, which is 4 s of work at its pace")
    given = (edge("camera", "fit", 1200, 200, recent_per_s=100.0), edge("fit", "fold", 500, recent_per_s=50.0))
    assert slow(report(*given)) is None  # of two that come, one goes on: it does 100 in a second


def test_a_full_queue_is_a_bottleneck_and_so_is_one_that_stands_still() -> None:
    found = slow(report(*chain(fit=64, waiting=60, capacity=64)))
    assert found == Bottleneck(room="fit", why="its queue is 60 of 64 full")
    found = slow(report(edge("camera", "fit", 14, 4), edge("fit", "fold", 10)))
    assert found == Bottleneck(room="fit", why="4 wait, and nothing gets through")


def test_of_several_that_are_behind_it_is_the_one_furthest_down_the_flow() -> None:
    found = slow(report(*chain(fit=900, fold=200)))
    assert found is not None
    assert found.room == "fold"


def test_a_join_waits_for_the_stream_of_which_the_least_waits() -> None:
    found = slow(
        report(
            edge("camera", "scan", 500, 400, recent_per_s=10.0),
            edge("motor", "scan", 100, 0, recent_per_s=1.0),
            edge("scan", "fit", 100, recent_per_s=1.0),
        )
    )
    assert found == Bottleneck(room="motor", why="400 of camera wait at scan for motor")


def test_where_nobody_is_behind_it_is_who_is_at_work_nearly_all_the_time() -> None:
    busy = [ProcessReport(name=name, role="x", pid=3, cpu_share=share) for name, share in (("fit", 0.97), ("out", 0.9))]
    assert slow(report(*chain(), processes=busy)) == Bottleneck(room="fit", why="at work for 97% of the time")
    calm = [msgspec.structs.replace(each, cpu_share=0.8) for each in busy]
    assert slow(report(*chain(), processes=calm)) is None
