"""Scans of Sardana and of Contrast, as far as hooks see them, with a real pipeline that stays between runs."""

import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import zmq

from penstock.client import Connection, connect
from penstock.compat import contrast, sardana
from penstock.compat.scan_run import ScanRun
from penstock.errors import ServiceError, StateError
from tests.system.commands import started
from tests.system.test_chain_examples import free_ports
from tests.system.test_web import until

ROOT = Path(__file__).parents[2]
PIPELINE = """
name: analysis
sources: {readings: {use: zmq-pull, connect: "JUDGED", encoding: json}}
stages: {judge: {from: readings, steps: ["tests.system.judging:Judge"]}}
"""


@dataclass
class Analysis:
    address: str
    seen: Connection
    socket: "zmq.Socket[bytes]"

    def measured(self, x: float, event: int) -> None:
        self.socket.send_json({"x": x, "event": event})

    def ended(self, run: str) -> str:
        """Wait for the end of a run, and return its outcome."""
        found: list[str] = []

        def has_ended() -> bool:
            with suppress(StateError):  # just between two runs
                found[:] = [each["outcome"] for each in self.seen.runs if each["run"] == run]
            return bool(found) and found[0] != "running"

        until(has_ended)
        return found[0]


@pytest.fixture(scope="module")
def analysis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Analysis]:
    folder = tmp_path_factory.mktemp("analysis")
    judged = f"tcp://127.0.0.1:{free_ports(1)[0]}"
    (folder / "p.yaml").write_text(PIPELINE.replace("JUDGED", judged))
    with (
        zmq.Context() as context,
        context.socket(zmq.PUSH) as socket,
        started(
            "run", "p.yaml", "-q", "--stay", "--serve", "0", folder=folder, environ={"PYTHONPATH": str(ROOT)}
        ) as process,
    ):
        socket.linger = 0
        socket.bind(judged)
        address = "http://" + process.line("").partition("http://")[2].split()[0]
        with connect(address) as seen:
            yield Analysis(address, seen, socket)


class StopError(Exception):
    """Ends a macro that was stopped."""


class Ascan:
    """A step scan of Sardana, as hooks see it."""

    def __init__(self, analysis: Analysis, points: list[float], number: int) -> None:
        self.analysis, self.points, self.number = analysis, points, number
        self.nr_points = len(points)
        self.hooks: list[tuple[Any, list[str]]] = []
        self.acquired = 0
        self.is_stopped = False
        self.breaks_at = -1

    def appendHook(self, hook: tuple[Any, list[str]]) -> None:  # noqa: N802 - Sardana's own name
        self.hooks.append(hook)

    def getEnv(self, name: str) -> int:  # noqa: N802 - likewise
        assert name == "ScanID"
        return self.number

    def stop(self) -> None:
        self.is_stopped = True

    def run(self) -> None:
        self._call("pre-scan")
        for point, x in enumerate(self.points):
            if self.is_stopped:
                raise StopError
            if point == self.breaks_at:
                raise RuntimeError("the motor is stuck")
            self.analysis.measured(x, point)
            self.acquired += 1
            self._call("post-acq")
        self._call("post-scan")

    def _call(self, place: str) -> None:
        for hook, places in self.hooks:
            if place in places:
                hook()


def hooked(analysis: Analysis, scan: Ascan, **options: Any) -> sardana.ScanHooks:
    hooks = sardana.ScanHooks(analysis.address, must_run=True, **options)
    hooks.attach(scan)
    return hooks


def test_a_scan_of_sardana_has_a_run_that_ends_as_it_does(analysis: Analysis) -> None:
    good, broken = Ascan(analysis, [5, 6, 7], 41), Ascan(analysis, [5, 6, 7], 42)
    with hooked(analysis, good) as hooks:
        good.run()
        assert hooks.analysis.run == "scan-41"
    broken.breaks_at = 2
    with pytest.raises(RuntimeError), hooked(analysis, broken):
        broken.run()
    assert [analysis.ended(f"scan-{number}") for number in (41, 42)] == ["finished", "aborted"]


def test_a_scan_of_sardana_stops_when_its_analysis_has_seen_enough(analysis: Analysis) -> None:
    scan = Ascan(analysis, [1.0] * 200, 43)
    with pytest.raises(StopError), hooked(analysis, scan, settle_s=0.05) as hooks:
        scan.run()
    assert 2 <= scan.acquired < 200
    assert [each.reason for each in hooks.feedback] == ["the edge is seen"]
    assert analysis.ended("scan-43") == "finished", "that was wanted"


def test_a_macro_of_ones_own_measures_at_a_point_until_its_analysis_has_enough_of_it(analysis: Analysis) -> None:
    scan = Ascan(analysis, [], 44)
    with hooked(analysis, scan, settle_s=0.05) as hooks:
        hooks.pre_scan()
        counts = []
        for x in (-1.0, 0.0):
            before = hooks.acquisitions
            assert hooks.measure_until(lambda x=x: analysis.measured(x, hooks.acquisitions), 200) == "next"  # type: ignore[misc]
            counts.append(hooks.acquisitions - before)
        assert hooks.analysis.wait_for(hooks.acquisitions, 20)
        assert hooks.progress["completed"] == hooks.acquisitions
        hooks.post_scan()
    assert all(3 <= count < 200 for count in counts)
    assert analysis.ended("scan-44") == "finished"


class SoftwareScan:
    """A scan of Contrast, as far as it can be hooked."""

    def __init__(self, analysis: Analysis, points: list[float], number: int) -> None:
        self.analysis, self.points, self.scannr = analysis, points, number
        self.acquired = 0
        self.breaks_at = -1
        self.called: list[str] = []

    def _generate_positions(self) -> Iterator[dict[str, float]]:
        for x in self.points:
            yield {"x": x}

    def _before_scan(self) -> None:
        self.called.append("before")

    def _before_move(self) -> None: ...

    def _while_acquiring(self) -> None: ...

    def _after_scan(self) -> None:
        self.called.append("after")

    def run(self) -> None:
        self._before_scan()
        try:
            for point, position in enumerate(self._generate_positions()):
                self._before_move()
                if point == self.breaks_at:
                    raise RuntimeError("the motor is stuck")
                self.analysis.measured(position["x"], point)
                for _ in range(3):
                    self._while_acquiring()
                    time.sleep(0.005)
                self.acquired += 1
        except KeyboardInterrupt:
            pass
        except BaseException:
            self._after_scan()
            raise
        self._after_scan()


def test_scans_of_contrast_have_runs_and_end_when_their_analysis_has_seen_enough(analysis: Analysis) -> None:
    class Scan(SoftwareScan):
        pass

    told: list[Any] = []

    def values(_: Any, points: int) -> dict[str, Any]:
        told.append(points)
        return {}

    hooks = contrast.ScanHooks(analysis.address, must_run=True, values=values)
    hooks.patch(Scan)
    whole, enough, broken = Scan(analysis, [5, 6, 7], 51), Scan(analysis, [1.0] * 200, 52), Scan(analysis, [5, 6], 53)
    broken.breaks_at = 1
    whole.run()
    enough.run()
    with pytest.raises(RuntimeError):
        broken.run()
    assert whole.acquired == 3
    assert 2 <= enough.acquired < 200
    assert [analysis.ended(f"scan-{number}") for number in (51, 52, 53)] == ["finished", "finished", "aborted"]
    assert (told, whole.called) == ([3, 200, 2], ["before", "after"])


def test_a_class_that_is_no_scan_is_refused() -> None:
    with pytest.raises(TypeError, match=r"int has no _before_scan, .*SoftwareScan"):
        contrast.ScanHooks().patch(int)


def test_a_scan_without_its_analysis_goes_on_unless_it_must_not(caplog: pytest.LogCaptureFixture) -> None:
    nowhere = "http://127.0.0.1:9"
    analysis = ScanRun(nowhere)
    assert not analysis.begin("scan-1")
    assert (analysis.wants(wait_s=0.01), analysis.progress, analysis.stop) == ("", {}, None)
    analysis.end()
    assert [record.message.partition(":")[0] for record in caplog.records] == ["the scan scan-1 has no analysis"]
    with pytest.raises(ServiceError):
        ScanRun(nowhere, must_run=True).begin("scan-2")
