"""How much shared memory a plan needs, and why."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from penstock.cli.main import app
from penstock.pipeline import check_file
from penstock.pipeline.memory import SLOT_BYTES, memory_plan, slots_for
from penstock.pipeline.plan import Element, JoinPlan, MergePlan, Plan, SinkPlan, SourcePlan, StagePlan
from tests.unit.pipeline.conftest import Check, Write

WORKER = Element(name="mine:Fit", target=print)


def stage(name: str, producer: str, kind: str = "map", workers: int = 1, prefetch: int = 2) -> StagePlan:
    return StagePlan(
        name=name,
        kind=kind,  # type: ignore[arg-type]  # one of the literals
        inputs=(("", producer),),
        elements=(WORKER,),
        workers=workers,
        prefetch=prefetch,
    )


def plan(*stages: StagePlan, sinks: tuple[SinkPlan, ...] = (), slots: int = 0, **options: object) -> Plan:
    return Plan(
        name="p",
        sources={name: SourcePlan(name=name, element=WORKER, slots=slots) for name in ("cam", "motor")},
        joins={"scan": JoinPlan(name="scan", streams=("cam", "both"), by="order", options=options)},
        merges={"both": MergePlan(name="both", streams=("motor",))},
        stages={stage.name: stage for stage in stages},
        sinks={sink.name: sink for sink in sinks},
    )


@pytest.mark.parametrize(
    ("workers", "prefetch", "slots"),
    [
        (1, 1, 4),  # as if two leases, one filled, one waiting in the join
        (1, 2, 4),
        (2, 2, 6),  # two fast workers: few, so that they stay in the cache
        (2, 5, 12),
        (16, 2, 34),  # slow ones: all of them at work, also when each keeps an event
    ],
)
def test_slots_follow_from_workers(workers: int, prefetch: int, slots: int) -> None:
    found = plan(stage("fit", "scan", workers=workers, prefetch=prefetch))
    assert slots_for(found, "cam") == slots
    assert slots_for(found, "motor") == slots  # behind a merge and the join


def test_all_who_read_count_however_they_read() -> None:
    stages = (stage("fit", "scan", workers=2), stage("own", "cam", workers=3), stage("sum", "scan", "reduce"))
    sinks = tuple(
        SinkPlan(name=name, element=WORKER, input=name, when="item") for name in ("cam", "scan", "fit", "sum")
    )
    found = plan(*stages, sinks=sinks)
    assert slots_for(found, "cam") == 4 + 6 + 2 + 2 + 2 + 1 + 1
    assert slots_for(found, "motor") == 4 + 2 + 2 + 1 + 1


def test_a_stage_that_reads_twice_has_its_leases_once() -> None:
    both = StagePlan(
        name="fit", kind="map", inputs=(("high", "cam"), ("low", "scan")), elements=(WORKER,), workers=2, prefetch=3
    )
    assert slots_for(plan(both), "cam") == 6 + 1 + 1


def test_what_a_join_keeps_counts() -> None:
    fit = stage("fit", "scan")
    assert slots_for(plan(fit, reorder=10), "cam") == 2 + 1 + 1 + 10
    assert slots_for(plan(fit, reorder=100_000), "cam") == 2 + 1 + 1 + 64
    assert slots_for(plan(fit, hold=("both",)), "motor") == 2 + 1 + 1 + 1
    assert slots_for(plan(fit, hold=("both",)), "cam") == 2 + 1 + 1


def test_what_is_asked_for_goes_before() -> None:
    assert slots_for(plan(stage("fit", "scan", workers=9), slots=3), "cam") == 3


def test_every_pool_is_listed() -> None:
    found = memory_plan(
        plan(stage("fit", "scan", workers=2), stage("sum", "fit", "reduce"), stage("w", "cam", "steps"))
    )
    listed = [(pool.owner, pool.role, pool.pools, pool.slots, pool.larger_slots) for pool in found.pools]
    assert listed == [
        ("cam", "source", 1, 12, 4 + 2 + 2),
        ("motor", "source", 1, 12, 4 + 2),
        ("fit", "stage", 2, 2 + 4, 2 + 4),
        ("w", "stage", 1, 2 + 4, 2 + 4),
    ]
    assert found.nbytes == (12 + 12 + 12 + 6) * SLOT_BYTES


def test_many_workers_need_more_than_12_slots() -> None:
    (cam, *_) = memory_plan(plan(stage("fit", "scan", workers=9))).pools
    assert cam.slots == cam.larger_slots == 18 + 2


def test_slots_that_are_asked_for_are_those_of_every_pool() -> None:
    (cam, *_) = memory_plan(plan(stage("fit", "scan", workers=2), slots=3)).pools
    assert cam.slots == cam.larger_slots == 3


TEXT = """\
sources: {{cam: {{use: stins, connect: "tcp://127.0.0.1:5555"{}}}}}
stages: {{fit: {{from: cam, map: mine:brightness, workers: 3}}}}
"""


def test_too_few_slots_are_a_warning(checked: Check) -> None:
    found = checked(TEXT.format(", slots: 3"))
    (warning,) = found.of_level("warning")
    assert warning.where == "sources.cam.slots"
    assert "3 slots are fewer than the 7" in warning.text
    assert found.plan is not None
    assert found.plan.sources["cam"].slots == 3
    assert not checked(TEXT.format(", slots: 30")).problems


def test_one_slot_is_a_mistake(checked: Check) -> None:
    (error,) = checked(TEXT.format(", slots: 1")).of_level("error")
    assert error.where == "sources.cam.slots"


def test_check_prints_it(write: Write) -> None:
    file: Path = write(TEXT.format(""))
    assert check_file(file, environ={}).plan is not None
    said = CliRunner().invoke(app, ["check", str(file)]).output
    assert "cam has 12 slots of 1.25 MB, 7 for larger frames\n" in said
    assert "fit has 3 × 6 slots of 1.25 MB for large results\n" in said
    assert "in processes, 37.5 MB of shared memory, more when a frame is larger than a slot\n" in said
    tree = json.loads(CliRunner().invoke(app, ["check", str(file), "--json"]).output)
    assert tree["memory"]["nbytes"] == 30 * SLOT_BYTES
    assert tree["memory"]["pools"][0] == {
        "owner": "cam", "role": "source", "pools": 1, "slots": 12, "larger_slots": 7, "slot_bytes": SLOT_BYTES,
    }  # fmt: skip
