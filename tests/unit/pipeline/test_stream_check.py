"""Durable streams that a pipeline reads and writes: what is filled in, and what is refused before anything starts."""

import pytest

from penstock.pipeline.explain import explain
from tests.unit.pipeline.conftest import Check

HEAD = """\
name: p
beamtime: c1
sources:
  a: {use: stins, connect: "tcp://127.0.0.1:5555"}
  b: {use: stins, connect: "tcp://127.0.0.1:5556"}
  m: {use: stream, address: c1/motors/today}
events:
  scan: {join: [a, b], by: order}
  both: {merge: [a, b]}
  mixed: {merge: [scan, both]}
stages:
  fit: {from: scan, map: mine:either, record: true}
  look: {from: a, map: mine:either, record: {as: looks}}
  lanes: {from: {high: fit, low: look}, map: mine:either, record: true}
  merged: {from: both, map: mine:either}
  total: {from: fit, reduce: mine:Total, record: true}
"""


def test_address_store_and_numbers_are_filled_in(checked: Check) -> None:
    sinks = ("fit", "look", "lanes", "lanes.high", "merged", "a", "both", "total")
    text = "".join(f"  s{k}: {{use: stream, from: {name}}}\n" for k, name in enumerate(sinks))
    found = checked(HEAD + "sinks:\n" + text)
    assert found.plan is not None, found.problems
    elements = {name: sink.element for name, sink in found.plan.sinks.items()}
    assert elements["s0"].arguments == {"address": "c1/s0/{run}", "store": "penstock-data", "id": "event"}
    by = [elements[f"s{k}"].arguments["id"] for k in range(len(sinks))]
    assert by == ["event", "message", "arrival", "event", "message", "message", "message", "arrival"]
    recorded = {name: element.arguments for name, element in elements.items() if name.endswith(".record")}
    assert {name: (said["address"], said["id"]) for name, said in recorded.items()} == {
        "fit.record": ("c1/fit/{run}", "event"),
        "look.record": ("c1/looks/{run}", "message"),
        "lanes.record": ("c1/lanes/{run}", "arrival"),
        "total.record": ("c1/total/{run}", "arrival"),
    }
    assert found.plan.sinks["total.record"].when == "end"
    assert found.plan.is_recorded
    assert not found.plan.planned
    again = checked(explain(found.spec, found.plan))
    assert again.plan is not None, again.problems
    assert again.plan.sinks == found.plan.sinks


@pytest.mark.parametrize(
    ("extra", "where", "says"),
    [
        ("sinks: {s: {use: stream, from: fit, address: c1}}", "sinks.s.address", "c1 names no source"),
        ("sinks: {s: {use: stream, from: fit, address: a/b/c/d}}", "sinks.s.address", "no address"),
        ('sinks: {s: {use: stream, from: fit, address: "c1/{date}"}}', "sinks.s.address", "nothing is called {date}"),
        ("sinks: {s: {use: stream, from: scan}}", "sinks.s.from", "scan gives events"),
        ("sinks: {s: {use: stream, from: mixed}}", "sinks.s.from", "mixed gives events"),
        ("sinks: {s: {use: stream, from: lanes, id: event}}", "sinks.s.id", "high and low may have the same numbers"),
        ('sinks: {s: {use: stream, from: fit, store: "tcp://store"}}', "sinks.s.store", "port missing"),
        ('sinks: {s: {use: stream, from: fit, store: "nats://store"}}', "sinks.s.store", 'of the kind "nats"'),
        ('store: "tcp://store"', "store", "port missing"),
        ("sinks: {s: {use: stream, from: fit, existing: never}}", "sinks.s.existing", "never"),
        (
            "sinks: {s: {use: stream, from: fit, address: c1/s/t}, r: {use: stream, from: look, address: c1/s/t}}",
            "sinks.r.address",
            "s writes c1/s/t too",
        ),
        (
            "sinks: {s: {use: stream, from: fit, address: c1/motors/today}}",
            "sources.m.address",
            "written by s of this pipeline",
        ),
    ],
)
def test_a_stream_that_cannot_be_is_refused(checked: Check, extra: str, where: str, says: str) -> None:
    problems = checked(HEAD + extra + "\n").of_level("error")
    assert [problem.where for problem in problems] == [where]
    assert says in problems[0].text


@pytest.mark.parametrize(
    ("options", "is_warned"),
    [
        ("address: c1/s/all, ends: false", True),
        ("address: c1/s/all, ends: false, id: n", False),
        ("address: c1/s/all", False),
        ("address: c1/s, ends: false", False),
        ('address: "c1/s/of {run}", ends: false', False),
    ],
)
def test_a_stream_of_several_runs_wants_ids_that_outlive_one(checked: Check, options: str, *, is_warned: bool) -> None:
    found = checked(HEAD + f"sinks: {{s: {{use: stream, from: fit, {options}}}}}\n")
    assert not found.of_level("error")
    assert [problem.where for problem in found.of_level("warning")] == (["sinks.s.id"] if is_warned else [])


@pytest.mark.parametrize("address", ["c1", "c1/motors", "a/b/c/d"])
def test_a_source_reads_one_stream(checked: Check, address: str) -> None:
    problems = checked(HEAD.replace("c1/motors/today", address)).of_level("error")
    assert [problem.where for problem in problems] == ["sources.m.address"]


def test_a_circle_of_merges_is_reported_and_not_followed(checked: Check) -> None:
    text = HEAD.replace("mixed: {merge: [scan, both]}", "mixed: {merge: [a, other]}\n  other: {merge: [b, mixed]}")
    problems = checked(text + "sinks: {s: {use: stream, from: mixed}}\n").of_level("error")
    assert any("in a circle" in problem.text for problem in problems)


def test_a_store_on_a_server_is_a_store(checked: Check) -> None:
    found = checked(HEAD + 'store: "tcp://store:8500"\n')
    assert found.plan is not None
    assert (found.plan.store, found.plan.planned) == ("tcp://store:8500", ())
    assert found.plan.sources["m"].element.arguments["store"] == "tcp://store:8500"
