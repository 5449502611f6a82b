"""What a report says as process variables, and what is written as values of parameters."""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.compat.epics.parameters import said_of_parameter, value_of_parameter
from penstock.compat.epics.records import feedback_records, status_records
from penstock.core.feedback import Feedback
from penstock.elements.pva_values import INVALID, MAJOR, MINOR, pva_value, written_in

pytest.importorskip("p4p", reason='no p4p on this machine; pip install "penstock[epics]"')


def edge(producer: str, consumer: str, arrived: int, in_flight: int = 0, **accounts: int) -> dict[str, Any]:
    return {
        "producer": producer, "consumer": consumer, "arrived": arrived, "accounts": accounts, "in_flight": in_flight,
        "counters": {}, "loss": 0, "recent_per_s": None,
    }  # fmt: skip


def status(*edges: dict[str, Any], planned: int | None = 10, state: str = "processing") -> dict[str, Any]:
    states = [("p", "pipeline", "", state), ("fit", "stage", "", "processing"), ("fit-0", "worker", "fit", "waiting")]
    return {
        "pipeline": "p", "run": "r", "outcome": "running", "duration_s": 1, "edges": edges,
        "states": [{"name": n, "kind": k, "of": of, "state": s, "why": "hot"} for n, k, of, s in states],
        "processes": [{"name": "fit-0", "role": "map", "cpu_share": 0.5}],
        "joins": {"scan": {"formed": 6, "planned": planned}},
        "progress": {"formed": 6, "completed": 4, "total": planned, "is_over": False, "lost": 0},
        "alarms": [{"name": "too_hot", "level": "warning", "state": "raised", "text": "it is hot"}],
    }  # fmt: skip


def test_the_report_is_said_with_its_alarms() -> None:
    report = status(edge("scan", "fit", 6, 2, done=3, failed=1), edge("fit", "out", 3, done=3), state="degraded")
    said = dict(status_records(report))
    assert (said["STATE"].value, said["STATE"].severity, said["STATE"].alarm) == ("degraded", MINOR, "hot")
    assert (said["PROGRESS:COMPLETED"].value, said["PROGRESS:TOTAL"].value, said["PROGRESS"].value) == (4, 10, 40.0)
    assert [said[f"EDGE:scan:fit:{name}"].value for name in ("ARRIVED", "DONE", "FAILED", "IN_FLIGHT")] == [6, 3, 1, 2]
    assert (said["LEDGER:ADDS_UP"].value, said["LEDGER:ADDS_UP"].severity) == (True, 0)
    assert (said["STAGE:fit:LOAD"].value, said["STAGE:fit:WORKERS"].value, said["WORKER:fit-0:LOAD"].value) == (
        50.0, 1, 50.0,
    )  # fmt: skip
    assert (said["ALARM:too_hot"].severity, said["ALARM:too_hot"].alarm) == (MINOR, "it is hot")


def test_books_that_do_not_add_up_and_unknown_totals_are_alarms() -> None:
    said = dict(status_records(status(edge("scan", "fit", 6, done=3), planned=None)))
    assert (said["LEDGER:ADDS_UP"].value, said["LEDGER:ADDS_UP"].severity) == (False, MAJOR)
    assert said["PROGRESS:TOTAL"].severity == said["PROGRESS"].severity == INVALID
    assert math.isnan(said["EDGE:scan:fit:RATE"].value)


def test_no_feedback_is_empty() -> None:
    said = dict(feedback_records(None))
    assert (said["FEEDBACK:ACTION"].value, said["FEEDBACK:EVENT"].value, said["FEEDBACK:NUMBER"].value) == ("", -1, 0)


def test_the_newest_feedback_is_told() -> None:
    newest = Feedback(action="stop", reason="enough", run="r", event=7, number=3, time_ns=5, who="fit")
    said = {name: each.value for name, each in feedback_records(newest)}
    assert said == {
        "FEEDBACK:ACTION": "stop", "FEEDBACK:REASON": "enough", "FEEDBACK:RUN": "r", "FEEDBACK:WHO": "fit",
        "FEEDBACK:EVENT": 7, "FEEDBACK:NUMBER": 3,
    }  # fmt: skip


def parameter(kind: str, value: Any, **more: Any) -> dict[str, Any]:
    return {
        "address": "fit.x", "type": kind, "value": value, "default": value, "unit": "mm", "section": "", "bounds": {},
        "choices": [], "doc": "", **more,
    }  # fmt: skip


JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=5)
PARAMETERS = st.one_of(
    st.builds(parameter, st.just("float"), st.floats(allow_nan=False)),
    st.builds(parameter, st.just("float | None"), st.none() | st.floats(allow_nan=False)),
    st.builds(parameter, st.just("int"), st.integers(-(2**63), 2**63 - 1)),
    st.builds(parameter, st.just("int | None"), st.none()),
    st.builds(parameter, st.just("bool"), st.booleans()),
    st.builds(parameter, st.just("str"), st.text(st.characters(exclude_characters="\0", codec="utf-8"))),
    st.builds(parameter, st.just("pathlib.Path | None"), st.none() | st.just("/a.geom")),
    st.builds(parameter, st.just("Literal['fast', 2]"), st.sampled_from(["fast", 2]), choices=st.just(["fast", 2])),
    st.builds(parameter, st.just("numpy.ndarray | None"), st.none() | st.just([[1.5, 2.0]]) | st.just([3.0])),
    st.builds(parameter, st.just("numpy.ndarray[numpy.bool]"), st.lists(st.booleans(), min_size=1)),
    st.builds(parameter, st.just("numpy.ndarray[numpy.int64]"), st.lists(st.integers(0, 9), min_size=1)),
    st.builds(parameter, st.just("list[typing.Any]"), JSON.filter(lambda value: "\0" not in json.dumps(value))),
)


@given(PARAMETERS)
def test_a_parameter_that_is_written_as_it_is_said_stays_as_it_is(described: dict[str, Any]) -> None:
    said = said_of_parameter(described)
    written = written_in(pva_value(said, 0), said.kind)
    assert value_of_parameter(described, written) == described["value"]


def test_a_parameter_says_its_unit_and_bounds() -> None:
    said = said_of_parameter(parameter("float", 1.0, bounds={"ge": 0, "lt": 7}, doc="a length"))
    assert (said.unit, said.low, said.high, said.doc) == ("mm", 0, 7, "a length")


def test_what_must_be_json_is_refused_otherwise() -> None:
    with pytest.raises(ValueError, match=r"fit\.x is written as JSON, and this is none"):
        value_of_parameter(parameter("list[int]", []), "[1,")
