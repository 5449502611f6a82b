"""The conformance suite of engines for the shapes of user code: subclass ``ShapeTests``, say which engine.

Many chains run beside each other in one pipeline, as starting processes takes longer than everything else.
"""

import ast
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any, ClassVar

from penstock.monitor.report import RunReport
from penstock.pipeline import Join, Map, Pipeline, Sink, Source, Steps
from penstock.pipeline.entries import Use
from penstock.testing import engine_cases, shape_cases

__all__ = ["ShapeTests"]


class ShapeTests:
    """What every engine must do with generators, coroutines and buffers.

    >>> class TestMine(ShapeTests):
    ...     engine = "inline"
    """

    engine: ClassVar[str] = "inline"
    """Name of the entry point in ``penstock.engines``."""

    def run(
        self,
        folder: Path,
        sources: Mapping[str, Source],
        stages: Mapping[str, Any] | None = None,
        *,
        events: Mapping[str, Any] | None = None,
        read: Mapping[str, str] | None = None,
        **options: Any,
    ) -> tuple[RunReport, dict[str, list[Any]]]:
        """Run a pipeline that writes what each stage gives, and return its report and the lines."""
        read = read or {name: name for name in stages or sources}
        sinks = {
            f"{name}-lines": Sink(engine_cases.Lines, source=source, path=str(folder / f"{name}.lines"))
            for name, source in read.items()
        }
        pipeline = Pipeline(
            name="suite", sources=sources, events=events or {}, stages=stages or {}, sinks=sinks, folder=folder
        )
        report: RunReport = pipeline.run(self.engine, **options)
        assert report.adds_up
        assert all(edge.in_flight == 0 for edge in report.edges), report.edges
        return report, {name: _lines(folder / f"{name}.lines") for name in read}

    def test_sources_of_plain_values_give_them_whatever_their_shape(self, tmp_path: Path) -> None:
        shapes = ("numbers", "slowly", "AsyncNumbers", "Chunks", "called", "Mailbox")
        sources = {shape: Source(getattr(shape_cases, shape), n=5) for shape in shapes}
        sources["values"] = Source(shape_cases.values)
        stages = {
            "same": Steps(shape_cases.written, source="values"),
            "joined": Map(shape_cases.joined, source="both"),
        }
        events = {"both": Join("numbers", "slowly", by="order")}
        read = {name: name for name in (*shapes, *stages)}
        report, lines = self.run(tmp_path, sources, stages, events=events, read=read)
        assert (report.outcome, report.reasons) == ("finished", [])
        assert all(lines[shape] == [1, 2, 3, 4, 5] for shape in shapes), lines
        assert lines["same"] == [shape_cases.written(value) for value in shape_cases.values()]
        assert lines["joined"] == [(n, n) for n in range(1, 6)]
        assert report.edge("instrument", "Chunks").accounts == {"done": 5}

    def test_a_source_that_raises_fails_the_run_behind_what_it_gave(self, tmp_path: Path) -> None:
        report, lines = self.run(tmp_path, {"line": Source(shape_cases.flaky, n=3)})
        assert (report.outcome, lines["line"]) == ("failed", [1, 2, 3])
        assert report.reasons[0] == "source line: OSError: the line is dead"

    def test_steps_of_every_shape(self, tmp_path: Path) -> None:
        stages = {
            "functions": Steps(shape_cases.plus, Use(shape_cases.drop_threes), source="n"),
            "coroutine": Steps(
                shape_cases.drop_threes, Use(shape_cases.awaited, times=2), shape_cases.plus, source="n"
            ),
            "generator": Steps(shape_cases.plus, shape_cases.pairs, source="n"),
            "object": Steps(shape_cases.Pairs, source="n"),
            "flat": Steps(Use(shape_cases.repeated, times=2), shape_cases.pairs, source="n"),
            "async": Steps(Use(shape_cases.averaged, n=2), shape_cases.plus, source="n"),
            "buffer": Steps(shape_cases.Queued, shape_cases.pairs, source="n"),
            "blocking": Steps(shape_cases.Held, Use(shape_cases.averaged, n=5), source="n"),
            "queue": Steps("queue:Queue", shape_cases.plus, source="n"),
        }
        report, lines = self.run(tmp_path, {"n": Source(shape_cases.numbers, n=7)}, stages)
        assert (report.outcome, report.reasons) == ("finished", [])
        assert lines == {
            "functions": [2, 4, 5, 7, 8],
            "coroutine": [3, 5, 9, 11, 15],
            "generator": [(2, 3), (4, 5), (6, 7), (8,)],
            "object": [(1, 2), (3, 4), (5, 6), (7,)],
            "flat": [(n, n) for n in range(1, 8)],
            "async": [2.5, 4.5, 6.5, 8.0],
            "buffer": [(1, 2), (3, 4), (5, 6), (7,)],
            "blocking": [3.0, 6.5],
            "queue": [2, 3, 4, 5, 6, 7, 8],
        }
        accounts = {name: report.edge("n", name).accounts for name in stages}
        assert accounts.pop("functions") == accounts.pop("coroutine") == {"done": 5, "filtered": 2}
        assert all(found == {"done": 7} for found in accounts.values()), accounts

    def test_on_error_makes_a_generator_anew_and_accounts_for_what_it_had_last(self, tmp_path: Path) -> None:
        refuse = Use(shape_cases.refuse, number=3)
        stages: dict[str, Any] = {
            policy: Steps(refuse, source="n", on_error=policy) for policy in ("skip", "retry", "dead_letter")
        }
        stages["later"] = Steps(shape_cases.Pairs, shape_cases.sum_below_five, source="n", on_error="skip")
        report, lines = self.run(tmp_path, {"n": Source(shape_cases.numbers, n=5)}, stages)
        assert report.outcome == "finished"
        assert lines.pop("later") == [3, 7]
        assert all(found == [1, 2, 1, 2] for found in lines.values()), lines
        assert report.edge("n", "skip").accounts == {"done": 4, "failed": 1}
        for policy in ("retry", "dead_letter"):
            assert report.edge("n", policy).accounts == {"done": 4, "dead-lettered": 1}
        # What came of an item that was done already fails in nobody's account, and is told.
        assert report.edge("n", "later").accounts == {"done": 5}
        assert [failure["cause"] for failure in report.failures if failure["stage"] == "later"] == ["ValueError: five"]

    def test_a_generator_that_raises_fails_the_run_and_names_the_item(self, tmp_path: Path) -> None:
        stages = {"refuse": Steps(Use(shape_cases.refuse, number=3), source="n")}
        report, lines = self.run(tmp_path, {"n": Source(shape_cases.numbers, n=5)}, stages)
        assert (report.outcome, lines["refuse"]) == ("failed", [1, 2])
        assert report.reasons[0] == "stage refuse, event 3: ValueError: no 3"
        assert report.edge("n", "refuse").accounts == {"done": 2, "failed": 1, "aborted": 2}

    def test_what_steps_give_is_numbered_anew_and_comes_before_the_end(self, tmp_path: Path) -> None:
        stages = {
            "twice": Steps(Use(shape_cases.repeated, times=2), source="number"),
            "number": Map(engine_cases.number, source="scan", workers=2),
            "again": Map(engine_cases.twice, source="twice", workers=2),
            "ended": Steps(shape_cases.pairs, source="again"),
            "open": Steps(shape_cases.metadata, shape_cases.pairs, source="instrument-b"),
        }
        report, lines = self.run(
            tmp_path,
            {"a": Source(engine_cases.Frames, n=9), "instrument-b": Source(shape_cases.Scan, n=3)},
            stages,
            events={"scan": Join("a", by="order")},
            read={"ended": "ended", "open": "open"},
        )
        assert (report.outcome, report.reasons) == ("finished", [])
        assert lines == {"ended": [(2 * n, 2 * n) for n in range(9)], "open": [(1, 2), (3,)]}
        assert report.edge("twice", "again").accounts == {"done": 18}

    def test_a_run_that_is_drained_brings_out_what_waits(self, tmp_path: Path) -> None:
        told = tmp_path / "told"
        stages = {
            "pairs": Steps(shape_cases.pairs, source="n"),
            "silence": Steps(Use(shape_cases.alarmed, told=str(told)), source="n"),
        }
        sources = {"n": Source(shape_cases.waiting, n=3)}
        with _asks_once(told) as interrupt:
            report, lines = self.run(tmp_path, sources, stages, interrupt=interrupt)
        assert (report.outcome, report.reasons) == ("aborted", ["stopped on request"])
        assert lines["pairs"] == [(1, 2), (3,)]
        # It was silent while nothing came, without anything that came in to wake it.
        assert [line for line in lines["silence"] if line != "silence"] == [1, 2, 3]
        assert "silence" in lines["silence"]
        assert report.edge("n", "silence").accounts == {"done": 3}


class _Interrupt:
    """Asks for an end when there is a file."""

    def __init__(self, told: Path) -> None:
        self.pollable, self._writer = os.pipe()
        self.is_asked = False
        self._is_over = False
        self._told = told
        self._thread = Thread(target=self._wait)
        self._thread.start()

    def _wait(self) -> None:
        while not (self._told.exists() or self._is_over):
            time.sleep(0.01)
        self.is_asked = True
        os.write(self._writer, b"!")

    def close(self) -> None:
        self._is_over = True
        self._thread.join()
        os.close(self.pollable)
        os.close(self._writer)


@contextmanager
def _asks_once(told: Path) -> Iterator[Any]:
    interrupt = _Interrupt(told)
    try:
        yield interrupt
    finally:
        interrupt.close()


def _lines(path: Path) -> list[Any]:
    return [_value(line) for line in path.read_text().splitlines()]


def _value(line: str) -> Any:  # what was written, or the line where that says no value
    try:
        return ast.literal_eval(line)
    except (ValueError, SyntaxError):
        return line
