"""The conformance suite of engines: subclass ``EngineTests``, say which engine, and inherit the proof.

What an engine promises is here, and only here: the same events, results, books and outcome as every other engine.
"""

import ast
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from penstock.errors import CheckError
from penstock.monitor.report import RunReport
from penstock.pipeline import Join, Map, Merge, Pipeline, Reduce, Sink, Source, Steps
from penstock.pipeline.entries import Use
from penstock.testing import engine_cases as cases

__all__ = ["EngineTests"]


class EngineTests:
    """What every engine must do.

    >>> class TestMine(EngineTests):
    ...     engine = "inline"
    """

    engine: ClassVar[str] = "inline"
    """Name of the entry point in ``penstock.engines``."""

    def run(self, pipeline: Pipeline, **options: Any) -> RunReport:
        """Run a pipeline on the engine under test, and hold the books against their law."""
        report: RunReport = pipeline.run(self.engine, **options)
        assert report.adds_up
        assert all(edge.in_flight == 0 for edge in report.edges), report.edges
        return report

    def views(self, report: RunReport, sink: str = "file") -> dict[str, Any]:
        """Read the views that a run has written."""
        import h5py

        found: dict[str, Any] = {}

        def read(name: str, item: Any) -> None:
            if isinstance(item, h5py.Dataset):
                found[name] = item.asstr()[()] if h5py.check_string_dtype(item.dtype) else item[()]

        with h5py.File(report.outputs[sink]) as file:
            file.visititems(read)
        return found

    def scan(
        self,
        folder: Path,
        stage: Map,
        *,
        reduce: Any = cases.Sum,
        sources: Mapping[str, Any] | None = None,
        by: Any = "order",
    ) -> Pipeline:
        """Return a pipeline of two instruments, their join, one map stage, one reduce stage and a file."""
        return Pipeline(
            name="suite",
            sources=sources or {"a": Source(cases.Frames, n=50), "b": Source(cases.Frames, n=50, block=11)},
            events={"scan": Join("a", "b", by=by)},
            stages={"map": stage, "sum": Reduce(reduce, source="map")},
            sinks={"file": Sink("hdf5", source="sum", path="{run}.h5")},
            folder=folder,
        )

    def table(self, report: RunReport, sink: str = "file") -> list[Any]:
        """Read the rows of ``cases.Table``."""
        return [ast.literal_eval(row) for row in self.views(report, sink)["rows"]]

    def test_events_reach_the_reducer_whole_and_in_order(self, tmp_path: Path) -> None:
        report = self.run(self.scan(tmp_path, Map(cases.whole, source="scan", workers=2), reduce=cases.Table))
        assert (report.outcome, report.exit_code) == ("finished", 0)
        expected = [{"number": n, "ids": [n + 2, n + 2], "sums": [6 * n, 6 * n]} for n in range(50)]
        assert self.table(report) == expected
        assert report.edge("a", "scan").accounts == {"joined": 52}
        assert report.edge("scan", "map").accounts == {"done": 50}
        assert report.joins["scan"].formed == 50

    def test_a_lost_message_leaves_its_event_without_that_part(self, tmp_path: Path) -> None:
        sources = {"a": Source(cases.Frames, n=9), "b": Source(cases.Frames, n=9, missing=[4], block=3)}
        report = self.run(self.scan(tmp_path, Map(cases.whole, source="scan"), reduce=cases.Table, sources=sources))
        assert (report.outcome, report.exit_code) == ("incomplete", 3)
        assert self.table(report)[4] == {"number": 4, "ids": [6, None], "sums": [24, None]}
        assert report.edge("b", "scan").counters == {"gaps": 1}
        assert "1 events lack a part" in report.reasons[0]

    def test_no_result_is_filtered(self, tmp_path: Path) -> None:
        report = self.run(self.scan(tmp_path, Map(cases.odd, source="scan", workers=2)))
        assert report.edge("scan", "map").accounts == {"done": 25, "filtered": 25}
        assert self.views(report)["order/numbers"].tolist() == list(range(1, 50, 2))

    def test_hooks_are_called_in_their_order(self, tmp_path: Path) -> None:
        notes = tmp_path / "notes"
        stage = Map(cases.Hooks, path=str(notes), source="scan")
        sources = {"a": Source(cases.Frames, n=3), "b": Source(cases.Frames, n=3)}
        self.run(self.scan(tmp_path, stage, sources=sources))
        assert notes.read_text().splitlines() == [
            "made", "start 3", "event 0", "event 1", "event 2", "end True", "close",
        ]  # fmt: skip

    def test_parameters_have_their_start_values(self, tmp_path: Path) -> None:
        stage = Map(cases.scaled, source="scan", parameters={"gain": 2.0})
        assert self.views(self.run(self.scan(tmp_path, stage)))["sum"] == 2 * sum(range(50))
        report = self.run(self.scan(tmp_path, stage), values={"gain": 3})
        assert self.views(report)["sum"] == 3 * sum(range(50))

    def test_what_prepares_is_in_every_worker_and_filters(self, tmp_path: Path) -> None:
        np.save(tmp_path / "dark.npy", np.ones((2, 3)))
        stage = Map(
            cases.whole,
            source="scan",
            prepare=[Use("correct", field="b", dark="dark.npy"), cases.not_tenth],
            workers=2,
            parameters={"correct": {"mask": [[True, False, False], [False, False, False]]}},
        )
        report = self.run(self.scan(tmp_path, stage, reduce=cases.Table), values={"map.correct.fill": 1})
        expected = [{"number": n, "ids": [n + 2, n + 2], "sums": [6 * n, 5 * (n - 1) + 1]} for n in range(50) if n % 10]
        assert self.table(report) == expected
        assert report.edge("scan", "map").accounts == {"done": 45, "filtered": 5}

    def test_a_failing_event_fails_the_run_and_names_it(self, tmp_path: Path) -> None:
        report = self.run(self.scan(tmp_path, Map(cases.fail_at, numbers=[17], source="scan")))
        assert (report.outcome, report.exit_code) == ("failed", 1)
        assert "stage map, event 17: ValueError: cannot bear 17" in report.reasons[0]
        assert 'raise ValueError(f"cannot bear {event.number}")' in str(report.failures[-1]["traceback"])
        assert report.edge("scan", "map").accounts["failed"] == 1
        assert self.views(report)["order/numbers"].tolist() == list(range(17))

    @pytest.mark.parametrize(
        ("on_error", "account", "code"),
        [("skip", "failed", 0), ("dead_letter", "dead-lettered", 3), ("retry", "dead-lettered", 3)],
    )
    def test_on_error_sets_only_the_failing_event_aside(
        self, tmp_path: Path, on_error: str, account: str, code: int
    ) -> None:
        stage = Map(cases.fail_at, numbers=[3, 17], source="scan", on_error=on_error, workers=2)
        report = self.run(self.scan(tmp_path, stage))
        assert report.exit_code == code
        assert report.edge("scan", "map").accounts == {"done": 48, account: 2}
        assert self.views(report)["order/numbers"].tolist() == [n for n in range(50) if n not in (3, 17)]
        assert [letter["event"] for letter in report.dead_letters] == ([3, 17] if code else [])

    def test_a_constructor_that_raises_fails_the_run_with_its_cause(self, tmp_path: Path) -> None:
        report = self.run(self.scan(tmp_path, Map(cases.Broken, source="scan")))
        assert (report.outcome, report.exit_code) == ("failed", 1)
        assert "stage map: Broken could not be made: RuntimeError: no calibration found" in report.reasons[0]
        assert 'raise RuntimeError("no calibration found")' in str(report.failures[0]["traceback"])

    def test_a_result_that_cannot_travel_is_refused_at_the_first_return(self, tmp_path: Path) -> None:
        report = self.run(self.scan(tmp_path, Map(cases.Opaque, source="scan")))
        assert report.outcome == "failed"
        assert "stage map" in report.reasons[0]
        assert "Opaque" in report.reasons[0]

    def test_an_output_that_cannot_be_written_fails_before_anything_runs(self, tmp_path: Path) -> None:
        pipeline = self.scan(tmp_path, Map(cases.number, source="scan"))
        (tmp_path / "file").touch()
        wrong = Pipeline(
            name="suite",
            sources={"a": Source(cases.Frames, n=5)},
            stages={"sum": Reduce(cases.Table, source="a")},
            sinks={"file": Sink("hdf5", source="sum", path="file/{run}.h5")},
            folder=tmp_path,
        )
        report = self.run(wrong)
        assert report.outcome == "failed"
        assert str(tmp_path / "file") in report.reasons[0]
        assert not any(edge.arrived for edge in report.edges)
        assert self.run(pipeline).outcome == "finished"

    def test_a_broken_connection_ends_the_run_incomplete(self, tmp_path: Path) -> None:
        sources = {"a": Source(cases.Breaks, n=20), "b": Source(cases.Frames, n=20)}
        report = self.run(self.scan(tmp_path, Map(cases.whole, source="scan"), reduce=cases.Table, sources=sources))
        assert report.outcome == "incomplete"
        assert "a: the connection broke" in report.reasons
        assert [row["ids"][0] for row in self.table(report)] == [*range(2, 9), *[None] * 13]

    def test_unparsable_packets_are_counted_and_named(self, tmp_path: Path) -> None:
        sources = {"a": Source(cases.Frames, n=5, unparsable=2), "b": Source(cases.Frames, n=5)}
        report = self.run(self.scan(tmp_path, Map(cases.number, source="scan"), sources=sources))
        edge = report.edge("instrument", "a")
        assert edge.accounts == {"done": 7, "unparsable": 2}
        assert "bytes that mean nothing" in edge.remarks[0]

    def test_constraints_and_tags_choose_the_worker(self, tmp_path: Path) -> None:
        sticky = [[{"constraint": n % 3}] for n in range(30)]
        watched = [
            [*cell, {"constraint": 100, "tags": ["debug"]}] if n % 5 == 0 else cell for n, cell in enumerate(sticky)
        ]
        by = {"trigger-map": {"map": {"a": watched, "b": [None if n % 2 else cell for n, cell in enumerate(sticky)]}}}
        pipeline = Pipeline(
            name="suite",
            sources={"a": Source(cases.Frames, n=30), "b": Source(cases.Frames, n=15)},
            events={"scan": Join("a", "b", by=by)},
            stages={
                "map": Map(cases.worker_of, source="scan", workers=3),
                "debug": Map(Use(cases.worker_of, name="debug"), source="scan", tags=["debug"]),
                "sum": Reduce(cases.Table, source="map"),
                "seen": Reduce(cases.Table, source="debug"),
            },
            sinks={
                "file": Sink("hdf5", source="sum", path="{run}.h5"),
                "seen-file": Sink("hdf5", source="seen", path="{run}-seen.h5"),
            },
            folder=tmp_path,
        )
        report = self.run(pipeline)
        rows = self.table(report)
        assert [row["number"] for row in rows] == list(range(30))
        assert [row["parts"] for row in rows] == [["a"] if n % 2 else ["a", "b"] for n in range(30)]
        names = [row["worker"] for row in rows]
        assert len(set(names)) == 3
        assert all(names[n] == names[n % 3] for n in range(30))
        debug = report.edge("scan", "debug")
        assert debug.accounts == {"done": 6, "discarded": 24}

    def test_a_cell_for_all_goes_to_every_worker(self, tmp_path: Path) -> None:
        cells = [[{"constraint": n}] if n != 4 else [{"constraint": None}] for n in range(10)]
        by = {"trigger-map": {"map": {"a": cells, "b": cells}}}
        sources = {"a": Source(cases.Frames, n=10), "b": Source(cases.Frames, n=10)}
        stage = Map(cases.worker_of, source="scan", workers=3)
        rows = self.table(self.run(self.scan(tmp_path, stage, reduce=cases.Table, sources=sources, by=by)))
        assert [row["number"] for row in rows] == [0, 1, 2, 3, 4, 4, 4, 5, 6, 7, 8, 9]
        assert len({row["worker"] for row in rows if row["number"] == 4}) == 3

    def test_a_map_for_fewer_or_more_messages_than_come(self, tmp_path: Path) -> None:
        sources = {"a": Source(cases.Frames, n=12), "b": Source(cases.Frames, n=8)}
        by = {"trigger-map": {"map": {"a": {"events": 10}, "b": {"events": 10}}}}
        report = self.run(self.scan(tmp_path, Map(cases.number, source="scan"), sources=sources, by=by))
        assert report.outcome == "incomplete"
        assert report.edge("a", "scan").accounts == {"joined": 12, "discarded": 2}
        assert (report.joins["scan"].formed, report.joins["scan"].partial) == (10, 2)

    def test_a_block_of_a_source_is_shared_among_workers(self, tmp_path: Path) -> None:
        pipeline = Pipeline(
            name="suite",
            sources={"a": Source(cases.Frames, n=500, block=100)},
            stages={
                "map": Map(cases.message_id, source="a", workers=2),
                "list": Reduce(cases.Table, source="map"),
            },
            sinks={"file": Sink("hdf5", source="list", path="{run}.h5")},
            folder=tmp_path,
        )
        report = self.run(pipeline)
        assert self.table(report) == list(range(2, 502))
        assert report.edge("a", "map").accounts == {"done": 502}

    @pytest.mark.parametrize("rows", [False, True])
    def test_what_is_returned_as_an_array_may_be_folded_range_by_range(self, tmp_path: Path, rows: bool) -> None:
        whole = Map(cases.Squares, source="scan", workers=2, rows=rows)
        single = Map(cases.powers if rows else cases.square, source="scan", workers=2)
        for stage in (whole, single):
            report = self.run(self.scan(tmp_path, stage, reduce=cases.Whole))
            found = self.views(report)
            powers = [sum(n**k for n in range(50)) for k in (1, 2, 3)]
            assert found["sum"].tolist() == (powers if rows else [powers[1]] * 3)
            assert found["count"] == 50
            assert report.edge("map", "sum").accounts == {"done": 50}

    def test_a_map_stage_may_read_another(self, tmp_path: Path) -> None:
        pipeline = Pipeline(
            name="suite",
            sources={"a": Source(cases.Frames, n=50)},
            events={"scan": Join("a", by="order")},
            stages={
                "first": Map(cases.odd, source="scan", workers=2),
                "second": Map(cases.twice, source="first", workers=2),
                "sum": Reduce(cases.Sum, source="second"),
            },
            sinks={"file": Sink("hdf5", source="sum", path="{run}.h5")},
            folder=tmp_path,
        )
        report = self.run(pipeline)
        assert self.views(report)["sum"] == 2 * sum(range(1, 50, 2))
        assert report.edge("first", "second").accounts == {"done": 25}

    def test_steps_read_a_branch_of_their_own(self, tmp_path: Path) -> None:
        pipeline = Pipeline(
            name="suite",
            sources={"a": Source(cases.Frames, n=20)},
            events={"scan": Join("a", by="order")},
            stages={
                "map": Map(cases.number, source="scan"),
                "watch": Steps(Use("threshold", above=15), "count", source="map"),
                "sum": Reduce(cases.Sum, source="watch"),
            },
            sinks={"file": Sink("hdf5", source="sum", path="{run}.h5")},
            folder=tmp_path,
        )
        report = self.run(pipeline)
        assert report.edge("map", "watch").accounts == {"done": 4, "filtered": 16}
        assert self.views(report)["sum"] == 1 + 2 + 3 + 4

    def test_a_merge_is_one_stream_that_may_be_joined(self, tmp_path: Path) -> None:
        pipeline = Pipeline(
            name="suite",
            sources={
                "a": Source(cases.Frames, n=4),
                "b": Source(cases.Frames, n=6),
                "c": Source(cases.Frames, n=10),
            },
            events={
                "both": Merge("a", "b"),
                "scan": Join("both", "c", by={"order": {"check_keys": False}}),
            },
            stages={"map": Map(cases.whole, source="scan"), "sum": Reduce(cases.Table, source="map")},
            sinks={"file": Sink("hdf5", source="sum", path="{run}.h5")},
            folder=tmp_path,
        )
        report = self.run(pipeline)
        assert report.outcome == "finished"
        assert report.edge("a", "both").accounts["done"] + report.edge("b", "both").accounts["done"] == 12
        assert report.edge("both", "scan").accounts == {"joined": 12}
        assert [row["ids"] for row in self.table(report)] == [[n, n] for n in range(2, 12)]

    def two_lanes(self, folder: Path, stages: Mapping[str, Any], sinks: Mapping[str, Sink]) -> Pipeline:
        """Return a pipeline with two scans, whose events have the same numbers, in two lanes of one map stage."""
        return Pipeline(
            name="suite",
            sources={"a": Source(cases.Frames, n=30), "b": Source(cases.Frames, n=50, block=11)},
            events={"one": Join("a", by="order"), "two": Join("b", by="order")},
            stages={"map": Map(cases.named, source={"high": "one", "low": "two"}, workers=2), **stages},
            sinks=sinks,
            folder=folder,
        )

    def test_each_lane_of_a_stage_can_be_read_alone(self, tmp_path: Path) -> None:
        stages = {"few": Reduce(cases.Table, source="map.high"), "many": Reduce(cases.Table, source="map.low")}
        sinks = {
            "file": Sink("hdf5", source="few", path="{run}.h5"),
            "many-file": Sink("hdf5", source="many", path="{run}-many.h5"),
            "lines": Sink(cases.Lines, source="map.low", path=str(tmp_path / "lines")),
        }
        report = self.run(self.two_lanes(tmp_path, stages, sinks))
        assert (report.outcome, report.reasons) == ("finished", [])
        a, b = ([f"{name} {n}" for n in range(count)] for name, count in (("a", 30), ("b", 50)))
        assert self.table(report) == a
        assert self.table(report, "many-file") == b
        assert (tmp_path / "lines").read_text().splitlines() == b
        assert report.edge("one", "map").accounts == {"done": 30}
        assert report.edge("two", "map").accounts == {"done": 50}
        assert report.edge("map.high", "few").accounts == {"done": 30}
        assert report.edge("map.low", "many").accounts == {"done": 50}
        assert report.edge("map", "lines").accounts == {"done": 50}

    def test_lanes_pass_through_stages_that_do_not_name_them(self, tmp_path: Path) -> None:
        stages = {
            "again": Map(cases.same, source="map", workers=2),
            "chain": Steps(cases.same, source="again"),
            "all": Reduce(cases.Table, source="chain"),
        }
        sinks = {
            "file": Sink("hdf5", source="all", path="{run}.h5"),
            "lines": Sink(cases.Lines, source="chain.high", path=str(tmp_path / "lines")),
        }
        report = self.run(self.two_lanes(tmp_path, stages, sinks))
        assert report.outcome == "finished"
        a, b = ([f"{name} {n}" for n in range(count)] for name, count in (("a", 30), ("b", 50)))
        rows = self.table(report)
        assert [row for row in rows if row.startswith("a")] == a
        assert [row for row in rows if row.startswith("b")] == b
        assert len(rows) == 80
        assert (tmp_path / "lines").read_text().splitlines() == a
        assert report.edge("map", "again").accounts == {"done": 80}
        assert report.edge("chain", "lines").accounts == {"done": 30}

    def test_lanes_of_a_stage_may_be_lanes_of_the_next(self, tmp_path: Path) -> None:
        stages = {
            "next": Map(cases.same, source={"first": "map.low", "then": "map.high"}, workers=2),
            "all": Reduce(cases.Table, source="next.first"),
        }
        report = self.run(self.two_lanes(tmp_path, stages, {"file": Sink("hdf5", source="all", path="{run}.h5")}))
        assert self.table(report) == [f"b {n}" for n in range(50)]
        assert report.edge("map.low", "next").accounts == {"done": 50}
        assert report.edge("map.high", "next").accounts == {"done": 30}

    def test_two_runs_give_the_same(self, tmp_path: Path) -> None:
        pipeline = self.scan(tmp_path, Map(cases.odd, source="scan", workers=3))
        one, other = self.views(self.run(pipeline)), self.views(self.run(pipeline))
        assert one.keys() == other.keys()
        assert all(np.array_equal(one[name], other[name]) for name in one)

    def test_what_is_wrong_is_refused_before_anything_runs(self, tmp_path: Path) -> None:
        with pytest.raises(CheckError, match="needs the argument"):
            self.run(self.scan(tmp_path, Map(cases.fail_at, source="scan")))

    def test_a_map_stage_may_read_a_source_directly(self, tmp_path: Path) -> None:
        pipeline = Pipeline(
            name="suite",
            sources={"a": Source(cases.Frames, n=90, block=40)},
            stages={
                "map": Map(cases.frame, source="a", workers=2),
                "again": Map(Use(cases.frame), source="a"),
                "sum": Reduce(cases.Sum, source="map"),
            },
            sinks={"file": Sink("hdf5", source="sum", path="{run}.h5")},
            folder=tmp_path,
        )
        report = self.run(pipeline)
        assert report.edge("a", "map").accounts == {"done": 92}
        assert report.edge("a", "again").accounts == {"done": 92}
        assert self.views(report)["sum"] == sum(range(90))

    def test_a_context_survives_the_run(self, tmp_path: Path) -> None:
        contexts: dict[str, list[dict[str, Any]]] = {}
        pipeline = self.scan(tmp_path, Map(cases.Remembers, source="scan"))
        sums = [self.views(self.run(pipeline, contexts=contexts))["sum"] for _ in range(3)]
        assert sums == [50, 100, 150]
        assert contexts["map"] == [{"made": 3}]

    def test_order_free_gives_every_result_once(self, tmp_path: Path) -> None:
        report = self.run(self.scan(tmp_path, Map(cases.number, source="scan", workers=3, order="free")))
        assert report.outcome == "finished"
        assert sorted(self.views(report)["order/numbers"].tolist()) == list(range(50))

    def test_views_are_written_while_the_run_goes_on(self, tmp_path: Path) -> None:
        pipeline = Pipeline(
            name="suite",
            sources={"a": Source(cases.Frames, n=20)},
            events={"scan": Join("a", by="order")},
            stages={"map": Map(cases.number, source="scan"), "sum": Reduce(cases.Sum, source="map")},
            sinks={"file": Sink("hdf5", source="sum", path="{run}.h5", when="change")},
            folder=tmp_path,
        )
        assert self.views(self.run(pipeline))["sum"] == sum(range(20))

    def test_results_of_one_event_by_several_workers_are_refused_by_a_second_map_stage(self, tmp_path: Path) -> None:
        cells = [[{"constraint": n}] if n != 4 else [{"constraint": None}] for n in range(10)]
        pipeline = Pipeline(
            name="suite",
            sources={"a": Source(cases.Frames, n=10)},
            events={"scan": Join("a", by={"trigger-map": {"map": {"a": cells}}})},
            stages={
                "first": Map(cases.number, source="scan", workers=2),
                "second": Map(cases.twice, source="first"),
                "sum": Reduce(cases.Sum, source="second"),
            },
            folder=tmp_path,
        )
        report = self.run(pipeline)
        assert report.outcome == "failed"
        assert "stage second: event 4 went to several workers of first" in report.reasons[0]
