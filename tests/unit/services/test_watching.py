"""What is noticed of a run, from reports that are made up: states, deaths, notices, shares, history, journal."""

import json
from pathlib import Path
from typing import Any

import msgspec

from penstock.core.event_builder import WENT_ON
from penstock.core.notice import Level, Notice
from penstock.monitor.notice import notice, use_outlet
from penstock.monitor.report import EdgeReport, ProcessReport, RunReport, StateReport, books_of_nothing
from penstock.pipeline import Pipeline, Source, Steps
from penstock.pipeline.plan import Plan
from penstock.services.watching import IN_REPORT, MOST_NOTICES, Watching
from penstock.wire.notices import Unkept, encode_notice

S = 1_000_000_000


class Case:
    def __init__(self, **options: Any) -> None:
        self.now_ns = 0
        self.watching = Watching(plan(**options), "r1", utc=lambda: self.now_ns, monotonic=lambda: self.now_ns)
        self.watching.open()

    def told(self, kind: str) -> list[dict[str, Any]]:
        return self.watching.journal.recent(kind)


def numbers() -> list[int]:
    return [1]


def same(item: int) -> int:
    return item


def plan(**options: Any) -> Plan:
    return Pipeline(
        name="demo", sources={"n": Source(numbers)}, stages={"s": Steps(same, source="n")}, **options
    ).plan()


def report(*states: tuple[str, str, str], outcome: str = "running", **parts: Any) -> RunReport:
    found = [StateReport(name=name, kind=kind, state=state) for name, kind, state in states]
    return msgspec.structs.replace(books_of_nothing("demo", "r1"), outcome=outcome, states=found, **parts)


def test_a_stream_that_others_went_on_without_is_told_of_once() -> None:
    case = Case()
    said = ["gaps: 1 number", *[f"{WENT_ON}: nothing of slow came, {k}" for k in range(2)]]
    edges = [
        EdgeReport(
            producer=name, consumer="scan", arrived=9, accounts={}, in_flight=9, counters={}, rate_per_s=0.0,
            remarks=remarks,
        )
        for name, remarks in (("fast", said[:1]), ("slow", said))
    ]  # fmt: skip
    for _ in range(2):
        filled = case.watching.fill(report(edges=edges))
    assert [(each.source, each.text) for each in filled.notices] == [("scan", "nothing of slow came, 0")]
    case.watching.close(report(outcome="finished"))


def test_a_change_of_state_is_told_once_and_a_fault_is_an_alarm() -> None:
    case = Case()
    for state in ("initialised", "waiting", "waiting", "fault", "fault"):
        case.watching.fill(report(("demo", "pipeline", "waiting"), ("fit", "stage", state)))
    told = [(e["source"], e["before"], e["state"], e["level"]) for e in case.told("state")]
    assert told == [
        ("demo", None, "waiting", "info"), ("fit", None, "initialised", "info"),
        ("fit", "initialised", "waiting", "info"), ("fit", "waiting", "fault", "alarm"),
    ]  # fmt: skip
    case.watching.close(report(outcome="finished"))


def test_a_death_is_told_with_how_often() -> None:
    case = Case()
    for deaths in (0, 1, 1, 3):
        case.watching.fill(report(processes=[ProcessReport(name="fit-0", role="map", pid=0, deaths=deaths)]))
    assert [(e["source"], e["deaths"], e["level"]) for e in case.told("death")] == [
        ("fit-0", 1, "alarm"), ("fit-0", 3, "alarm"),
    ]  # fmt: skip
    case.watching.close(report(outcome="finished"))


def test_notices_of_here_and_of_other_processes_are_in_the_report_and_the_journal() -> None:
    case = Case()
    with use_outlet(case.watching.outlet):
        notice("here", level="alarm", code=3, source="s", at=7)
    case.watching.hear(encode_notice(Notice(text="there", source="fit-0", time_ns=5, times=4)))
    case.watching.hear(encode_notice(Unkept("fit-0", 312)))
    case.watching.hear(b"rubbish")
    filled = case.watching.fill(report())
    assert [(n.source, n.text, n.times) for n in filled.notices][:2] == [
        ("fit-0", "there", 4), ("fit-0", "312 more notices of fit-0 were not kept", 1),
    ]  # fmt: skip
    assert filled.notices[2].text.startswith("1 more notice was not kept: no notice")
    assert (filled.notices[3].text, filled.notices[3].values) == ("here", {"at": 7})
    assert filled.notice_counts == {"info": 4, "unkept": 313, "alarm": 1}
    assert [e["text"] for e in case.told("notice") if e["level"] == "alarm"] == ["here"]
    assert [n.text for n in case.watching.notices("alarm")] == ["here"]
    assert len(case.watching.notices("log", 2)) == 2
    case.watching.close(report(outcome="finished"))


def test_an_hour_of_notices_that_nobody_listens_to_stays_bounded() -> None:
    case = Case()
    for second in range(3600):
        case.now_ns = second * S
        for k in range(5):
            case.watching.hear(encode_notice(Notice(text=f"{second} {k}", source="fit-0", time_ns=case.now_ns)))
    filled = case.watching.fill(report())
    assert filled.notice_counts == {"info": 5 * 3600}
    assert (len(filled.notices), len(case.watching.notices())) == (IN_REPORT, MOST_NOTICES)
    assert filled.notices[-1].text == "3599 4"
    case.watching.close(report(outcome="finished"))


def test_the_share_of_a_processor_is_that_of_the_last_second_and_history_has_a_point_a_second() -> None:
    case = Case()
    shares = []
    for tenth in range(31):
        case.now_ns = tenth * S // 10
        process = ProcessReport(name="fit-0", role="map", pid=1 << 30, cpu_s=tenth * 0.05)
        filled = case.watching.fill(report(processes=[process]))
        shares.append(filled.processes[0].cpu_share)
    assert shares[0] == 0
    assert all(0.49 < share < 0.51 for share in shares[10:])
    past = case.watching.past(["process.fit-0.cpu_share"], since_s=2.5)
    assert past["times"] == [1.0, 2.0, 3.0]
    assert past["series"] == {"process.fit-0.cpu_share": [0.5, 0.5, 0.5]}
    assert "process.supervisor.cpu_share" in past["names"]
    supervisor = next(each for each in filled.machinery if each.role == "supervisor")
    assert supervisor.private_bytes > 1 << 20
    case.watching.close(report(outcome="finished"))


def test_the_journal_lies_where_the_pipeline_says_and_has_begin_and_end(tmp_path: Path) -> None:
    case = Case(logs={"folder": "kept", "level": "info"}, folder=tmp_path)
    with use_outlet(case.watching.outlet):
        notice("too detailed", level="log")
        notice("just before the end")
    case.watching.close(case.watching.fill(report(outcome="failed", reasons=["no beam"])))
    case.watching.close(report())  # nothing
    lines = [json.loads(line) for line in (tmp_path / "kept" / "demo.jsonl").read_text().splitlines()]
    assert [(e["kind"], e.get("what") or e["text"]) for e in lines] == [
        ("run", "begins"), ("notice", "just before the end"), ("run", "ended"),
    ]  # fmt: skip
    assert (lines[-1]["level"], lines[-1]["outcome"], lines[-1]["reasons"]) == (Level.ALARM, "failed", ["no beam"])
