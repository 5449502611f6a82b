"""Alarms of a run: seen, told, acknowledged and muted, over HTTP and by sinks."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from penstock.cli.main import app
from penstock.client import Connection, connect
from penstock.elements import RunFacts, Sink
from penstock.engines.inline import InlineRun
from penstock.errors import CheckError, ServiceError, SinkError, StateError
from penstock.monitor.report import AlarmReport, RunReport
from penstock.pipeline import Alarm, Map, Pipeline, Reduce, Source, Steps, Use
from penstock.pipeline import Sink as SinkEntry
from penstock.services.web_service import WebService

TOLD: list[dict[str, Any]] = []


class Bell(Sink):
    """Keep what is told."""

    def __init__(self, fails: bool = False) -> None:
        self._fails = fails

    def open(self, run: RunFacts) -> None:
        """Open nothing."""

    def write(self, item: Any) -> None:
        """Keep it, or fail."""
        if self._fails:
            raise SinkError("the bell is broken")
        TOLD.append(item)

    def close(self, ended_well: bool, outcome: str = "") -> None:
        """Close nothing."""


class Valve:
    """Gives what the test puts into it."""

    level = 0.0

    def __call__(self) -> dict[str, float]:
        """Return the level."""
        return {"level": Valve.level}


def levels() -> float:
    """Return a level that is too high, for a source in a process of its own."""
    return 7.5


def number_of(level: float) -> float:
    """Return the level, from a worker."""
    return level


def same(item: Any) -> Any:
    return item


def pipeline(control: dict[str, str] | None = None, **alarms: Alarm) -> Pipeline:
    return Pipeline(
        name="tank",
        sources={"valve": Source("every", every_s=0.02, call=Valve())},
        stages={"watch": Steps(same, source="valve")},
        sinks={"out": SinkEntry(Bell, source="watch")},
        alarms=alarms,
        control=control,
    )


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    TOLD.clear()
    Valve.level = 0.0
    yield
    Valve.level = 0.0


def until(is_so: Callable[[], bool], limit_s: float = 60) -> None:
    end_s = monotonic() + limit_s
    while not is_so():
        assert monotonic() < end_s, "it never came to that"
        sleep(0.02)


def alarm_of(seen: Connection, name: str) -> dict[str, Any]:
    return next(dict(alarm) for alarm in seen.alarms["alarms"] if alarm["name"] == name)


HIGH = Alarm(
    "watch.last.level > 5", until="watch.last.level < 3", latch=True, level="error",
    text="the level is {watch.last.level:.1f}", to=Bell,
)  # fmt: skip


def test_an_alarm_from_its_first_moment_to_its_last() -> None:
    with WebService(port=0) as web, pipeline(high=HIGH).start("chains", web=web) as run, connect(web.address) as seen:
        assert alarm_of(seen, "high")["state"] == "normal"
        with pytest.raises(StateError, match="nothing to acknowledge"):
            seen.acknowledge("high")
        with pytest.raises(ServiceError, match='did you mean "high"'):
            seen.mute("hihg", 1)
        Valve.level = 7.25
        until(lambda: alarm_of(seen, "high")["state"] == "raised")
        assert alarm_of(seen, "high")["text"] == "the level is 7.2"
        (shown,) = run.statistics().alarms
        assert isinstance(shown, AlarmReport)
        assert (shown.name, shown.level, shown.state) == ("high", "error", "raised")
        Valve.level = 4.0  # between its bounds nothing changes
        sleep(1.5)
        assert alarm_of(seen, "high")["state"] == "raised"
        Valve.level = 1.0
        until(lambda: alarm_of(seen, "high")["state"] == "returned")
        assert seen.acknowledge("high", who="shift")["state"] == "normal"
        assert [line["what"] for line in seen.alarms["history"]] == ["acknowledged", "returned", "raised"]
        run.stop()
    told = [item for item in TOLD if "alarm" in item]
    assert [item["what"] for item in told] == ["raised", "returned", "acknowledged"]
    assert told[0]["text"] == "the level is 7.2"
    assert (told[0]["pipeline"], told[0]["run"], told[2]["who"]) == ("tank", run.id, "shift")


def test_an_operator_at_a_terminal_acknowledges_and_mutes(tmp_path: Path) -> None:
    zmq = f"ipc://{tmp_path}/control"

    def said(*words: str) -> tuple[int, str]:
        result = CliRunner().invoke(app, ["ctl", *words])
        return result.exit_code, result.stdout or result.stderr

    with WebService(port=0) as web, pipeline({"zmq": zmq}, high=HIGH).start("chains", web=web) as run:
        assert said(zmq, "acknowledge", "high") == (
            1, "penstock ctl: alarm high is normal; there is nothing to acknowledge\n",
        )  # fmt: skip
        Valve.level = 7.25
        until(lambda: run.command("alarms").text == "1 alarm: high is raised")
        code, text = said(web.address, "alarms")
        assert code == 0
        assert text.startswith("high      error    raised  since 20")
        assert text.endswith("Z: the level is 7.2\n")
        assert said(zmq, "mute", "high", "3600", "--who", "shift")[1].startswith("nobody is told of high until 20")
        assert said(web.address, "acknowledge", "high", "--who", "shift") == (0, "high is acknowledged by shift\n")
        code, text = said(zmq, "alarms", "--json")
        (alarm,) = json.loads(text)["body"]["alarms"]
        assert (code, alarm["state"], alarm["acknowledged_by"], alarm["muted_by"]) == (
            0, "acknowledged", "shift", "shift",
        )  # fmt: skip
        assert said(web.address, "unmute", "high") == (0, "high is told of\n")
        assert said(web.address, "unmute", "hihg")[0] == 1
        assert run.command("mute", "hihg", for_s=1).text == "no alarm is called 'hihg'; did you mean \"high\"?"
        with connect(web.address) as seen:
            told = [(each["door"], each["name"], each["outcome"]) for each in seen.commands]
        assert told == [
            ("zmq", "acknowledge", "refused"), ("zmq", "mute", "done"), ("http", "acknowledge", "done"),
            ("http", "unmute", "done"), ("http", "unmute", "refused"), ("python", "mute", "refused"),
        ]  # fmt: skip
        run.stop()


def test_a_muted_one_is_seen_and_not_told() -> None:
    with WebService(port=0) as web, pipeline(high=HIGH).start("chains", web=web) as run, connect(web.address) as seen:
        assert seen.mute("high", 600, who="shift")["muted_by"] == "shift"
        Valve.level = 9.0
        until(lambda: alarm_of(seen, "high")["state"] == "raised")
        run.stop()
    assert [item["what"] for item in TOLD if "alarm" in item] == []


def test_an_output_that_fails_holds_nothing_up_and_is_named() -> None:
    broken = Alarm("watch.last.level > 5", to=[Use(Bell, fails=True), Bell])
    with pipeline(high=broken).start("chains") as run:
        Valve.level = 9.0
        until(lambda: any(alarm.state == "raised" for alarm in run.statistics().alarms))
        run.stop()
        report = run.wait(60)
    assert [item["what"] for item in TOLD if "alarm" in item] == ["raised"]
    assert report.outcome == "aborted"
    assert "alarms.high: tests.system.test_alarms:Bell: the bell is broken" in " ".join(report.reasons)


def test_silence_is_an_alarm() -> None:
    silent = Pipeline(
        sources={"rare": Source("every", every_s=3600.0)},
        stages={"watch": Steps(same, source="rare")},
        sinks={"out": SinkEntry(Bell, source="watch")},
        alarms={"quiet": Alarm("watch.silent_s > 1", level="info", to=Bell)},
    )
    with silent.start("chains") as run:
        until(lambda: any("alarm" in item for item in TOLD))
        run.stop()
    told = next(item for item in TOLD if "alarm" in item)
    assert told["text"].startswith("watch.silent_s > 1 (watch.silent_s = ")


class Level:
    """Folds the level into a view, beside one that is too large to be looked at every second."""

    views: dict[str, Any]

    def __init__(self) -> None:
        self.views = {"level": 0.0, "image": np.zeros((100, 100))}

    def reduce(self, result: Any) -> None:
        """Take the last one."""
        self.views["level"] = float(result)


def test_a_view_raises_an_alarm_in_the_local_engine() -> None:
    local = Pipeline(
        sources={"valve": Source("every", every_s=0.02, call="tests.system.test_alarms:levels")},
        stages={"value": Map(number_of, source="valve"), "level": Reduce(Level, source="value")},
        alarms={"high": Alarm("level.last.level > 5 and absent(level.last.image)", to=Bell)},
    )
    with local.start("local") as run:
        until(lambda: any("alarm" in item for item in TOLD))
        run.stop()
    told = next(item for item in TOLD if "alarm" in item)
    assert told["what"] == "raised"


def run_inline(found: Pipeline) -> RunReport:
    """Run in this thread until something is told, and bring out the rest."""
    inline = InlineRun(found.plan())
    inline.open()
    while not any("alarm" in item for item in TOLD):
        assert inline.step(0.1)
    inline.drain()
    return inline.finish()


def test_the_inline_engine_looks_at_results() -> None:
    Valve.level = 7.5
    report = run_inline(pipeline(high=HIGH, odd=Alarm("watch.in_per_s < 0", to=Bell)))
    assert [(alarm.name, alarm.state) for alarm in report.alarms] == [("high", "raised"), ("odd", "normal")]
    told = [item for item in TOLD if "alarm" in item]
    assert [(item["what"], item["text"]) for item in told] == [("raised", "the level is 7.5")]
    assert report.adds_up


def test_the_inline_engine_looks_at_views_and_names_who_could_not_tell() -> None:
    to: list[Any] = [Use(Bell, fails=True), Bell]
    with_view = Pipeline(
        sources={"valve": Source("every", every_s=0.02, call="tests.system.test_alarms:levels")},
        stages={"value": Map(number_of, source="valve"), "level": Reduce(Level, source="value")},
        alarms={"high": Alarm("level.last.level > 5 and absent(level.last.image)", to=to)},
    )
    report = run_inline(with_view)
    assert report.alarms[0].state == "raised"
    assert any("the bell is broken" in reason for reason in report.reasons)
    assert report.adds_up


def test_every_mistake_is_named_at_once() -> None:
    alarms = {
        "a": Alarm("wotch.in_per_s < 1"),
        "b": Alarm("watch.in_pr_s < 1"),
        "c": Alarm("watch.sime.in_per_s < 1"),
        "d": Alarm("watch.in_per_s <"),
        "e": Alarm("3 < 4"),
        "f": Alarm("valve.loss > 1", until="valve.los < 1", text="{"),
        "g": Alarm("watch > 1"),
    }
    with pytest.raises(CheckError) as caught:
        pipeline(None, **alarms).plan()
    said = {problem.where: f"{problem.text}; {problem.remedy}" for problem in caught.value.problems}
    assert 'did you mean "watch"' in said["alarms.a.when"]
    assert 'did you mean "in_per_s"' in said["alarms.b.when"]
    assert 'did you mean "same"' in said["alarms.c.when"]
    assert "at character 17" in said["alarms.d.when"]
    assert "reads nothing" in said["alarms.e.when"]
    assert 'did you mean "loss"' in said["alarms.f.until"]
    assert "alarms.f.text" in said
    assert "is a stage, and no figure" in said["alarms.g.when"]
