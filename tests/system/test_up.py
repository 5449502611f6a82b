"""Several pipelines under one ``penstock up``: started, started again, given up, stopped, and left by their keeper."""

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pytest

from penstock.core.restart_budget import Restarts
from penstock.errors import CheckError
from penstock.pipeline.upkeep_file import read_upkeep
from penstock.services.upkeep import KeptPipeline, Upkeep, UpkeepPlan

BEAT = """
sources: {beat: {use: every, every_s: 0.05}}
stages: {n: {from: beat, steps: [count]}}
sinks: {out: {use: lines, from: n, path: beat.txt}}
"""
FEW = """
sources: {beat: {use: numbers, n: 5}}
stages: {n: {from: beat, steps: [count]}}
"""
FAILS = """
sources: {beat: {use: numbers, n: 5}}
stages: {n: {from: beat, steps: ["bad:step"]}}
"""
BAD = """
def step(item):
    raise ValueError("I am bad")
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "bad.py").write_text(BAD)
    return tmp_path


def kept(folder: Path, **files: str) -> UpkeepPlan:
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text)
    return UpkeepPlan(
        pipelines=tuple(KeptPipeline(name=name, file=folder / f"{name}.yaml") for name in files),
        restarts=Restarts(most=1, within_s=300, backoff_s=0.05), logs=folder / "logs", stop_s=20,
    )  # fmt: skip


class Watched:
    """Everything that was said of pipelines, in order."""

    def __init__(self, upkeep: Upkeep) -> None:
        self._upkeep = upkeep
        self.said: list[dict[str, Any]] = []

    def until(self, is_so: Callable[[], bool], limit_s: float = 100) -> None:
        end_s = monotonic() + limit_s
        while not is_so():
            assert monotonic() < end_s, self.said
            self.said += self._upkeep.step(0.05)

    def of(self, name: str) -> dict[str, Any]:
        return next(each for each in self._upkeep.describe() if each["pipeline"] == name)


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"


def test_one_that_ends_well_is_done_and_one_that_is_wrong_is_given_up(folder: Path) -> None:
    with Upkeep(kept(folder, few=FEW, wrong="sources: {a: {use: evry}}\n")) as upkeep:
        watched = Watched(upkeep)
        watched.until(lambda: upkeep.is_over)
        assert (watched.of("few")["state"], watched.of("few")["exit_code"]) == ("stopped", 0)
        assert watched.of("wrong")["state"] == "fault"
        assert 'did you mean "every"' in watched.of("wrong")["why"]
        assert [each["starts"] for each in upkeep.describe()] == [1, 1]
        assert upkeep.exit_code == 1
        assert upkeep.state == "degraded"


def test_one_that_fails_is_started_again_until_it_is_too_often(folder: Path) -> None:
    with Upkeep(kept(folder, fails=FAILS)) as upkeep:
        watched = Watched(upkeep)
        watched.until(lambda: upkeep.is_over)
        assert (watched.of("fails")["state"], watched.of("fails")["starts"]) == ("fault", 2)
        assert "died 2 times within 300 s" in watched.of("fails")["why"]
    assert any(each["state"] == "degraded" and "it is started again" in each["why"] for each in watched.said)


def test_one_that_is_killed_comes_back_and_all_end_in_good_order(folder: Path) -> None:
    with Upkeep(kept(folder, beat=BEAT)) as upkeep:
        watched = Watched(upkeep)
        watched.until(lambda: watched.of("beat")["state"] == "processing")
        first = watched.of("beat")
        os.kill(first["pid"], signal.SIGKILL)
        watched.until(lambda: watched.of("beat")["starts"] == 2 and watched.of("beat")["state"] == "processing")
        assert watched.of("beat")["run"] != first["run"]
        upkeep.stop()
        watched.until(lambda: upkeep.is_over)
        assert (watched.of("beat")["state"], watched.of("beat")["exit_code"]) == ("stopped", 130)
        assert upkeep.exit_code == 0
    assert any("killed by SIGKILL" in each["why"] for each in watched.said)


def test_one_that_hangs_is_killed(folder: Path) -> None:
    plan = kept(folder, beat=BEAT)
    plan = UpkeepPlan(pipelines=plan.pipelines, restarts=plan.restarts, logs=plan.logs, watchdog_s=3)
    with Upkeep(plan) as upkeep:
        watched = Watched(upkeep)
        watched.until(lambda: watched.of("beat")["state"] == "processing")
        os.kill(watched.of("beat")["pid"], signal.SIGSTOP)
        watched.until(lambda: watched.of("beat")["starts"] == 2)
    assert any("no sign of life for 3 s" in each["why"] for each in watched.said)


@pytest.fixture
def up(folder: Path) -> Iterator[Callable[..., "subprocess.Popen[str]"]]:
    started: list[subprocess.Popen[str]] = []

    def start(*options: str) -> "subprocess.Popen[str]":
        words = [sys.executable, "-c", "from penstock.cli.start import main; main()", "up", str(folder), *options]
        started.append(subprocess.Popen(words, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE))
        return started[-1]

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def news_of(process: "subprocess.Popen[str]", is_wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    assert process.stdout is not None
    for line in process.stdout:
        found: dict[str, Any] = json.loads(line)
        if is_wanted(found):
            return found
    raise AssertionError("it has ended")


def test_who_is_left_by_a_keeper_that_is_killed_ends_and_the_next_keeper_waits_for_that(
    folder: Path, up: Callable[..., "subprocess.Popen[str]"]
) -> None:
    (folder / "beat.yaml").write_text(BEAT)
    first = up("--json")
    left = news_of(first, lambda each: each["state"] == "processing")
    first.kill()
    second = up("--json")
    found = news_of(second, lambda each: each["state"] == "processing")
    assert is_gone(left["pid"])
    assert found["pid"] != left["pid"]
    second.send_signal(signal.SIGTERM)
    said, _ = second.communicate(timeout=60)
    assert second.returncode == 0
    assert json.loads(said.splitlines()[-1])["state"] == "stopped"
    assert is_gone(found["pid"])


def test_an_orchestrator_is_told(folder: Path, up: Callable[..., "subprocess.Popen[str]"]) -> None:
    (folder / "beat.yaml").write_text(BEAT)
    process = up("--json", "--health", "0")
    assert process.stderr is not None
    address = process.stderr.readline().removeprefix("health: ").strip()
    news_of(process, lambda each: each["state"] == "processing")
    end_s = monotonic() + 60
    while (found := json.load(urllib.request.urlopen(address)))["state"] != "processing":
        assert monotonic() < end_s
        sleep(0.05)
    assert found["pipelines"][0]["pipeline"] == "beat"
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(address.replace("/health", "/else"))
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("pipelines: {a: {file: no.yaml}}", "there is no file"),
        ("pipelines: {}", "there is nothing to run"),
        ("pipeline: {}", 'did you mean "pipelines"'),
        ("pipelines: {few: {agan: never}}", 'did you mean "again"'),
        ("pipelines: {few: {again: sometimes}}", "failed"),
        ("restarts: {mots: 3}", 'did you mean "most"'),
    ],
)
def test_what_is_wrong_in_the_file_is_said(folder: Path, text: str, said: str) -> None:
    (folder / "few.yaml").write_text(FEW)
    (folder / "up.yaml").write_text(text)
    with pytest.raises(CheckError) as caught:
        read_upkeep(folder, {})
    assert said in str(caught.value)


def test_a_folder_of_nothing_is_refused(folder: Path) -> None:
    with pytest.raises(CheckError, match="has no pipeline files"):
        read_upkeep(folder, {})
    with pytest.raises(CheckError, match="is no folder"):
        read_upkeep(folder / "not there", {})
