"""When files are done in the engine chains: never before all that came of them has ended, whatever stands behind."""

import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from penstock.core.file_book import FileBook
from penstock.elements.sink import RunFacts, Sink
from penstock.elements.wants_settled import WantsSettled
from penstock.engines import chains
from penstock.formats.file_log import read_log
from penstock.monitor.report import FilesReport, RunReport
from penstock.pipeline import Pipeline, Source, Steps
from penstock.pipeline import Sink as SinkEntry

PATIENCE_S = 30.0


class Numbers(WantsSettled):
    """So many numbers, then a wait until somebody lets it end."""

    in_chunks = True

    def __init__(self, n: int, ends: threading.Event | None = None) -> None:
        self.n = n
        self.told: list[int] = []
        self.news = threading.Event()
        self.ends = ends or threading.Event()
        self.has_left = False

    def __iter__(self) -> Iterator[list[int]]:
        yield from ([n] for n in range(self.n))
        assert self.ends.wait(PATIENCE_S)

    def settled(self, count: int) -> None:
        self.told.append(count)
        self.news.set()

    def leave(self) -> None:
        self.has_left = True

    def files(self) -> FilesReport:
        return FilesReport(name="numbers")


class Shelf(Sink):
    """Keeps items, and says whether they are written."""

    items: ClassVar[list[Any]] = []
    asked: ClassVar[threading.Event] = threading.Event()
    says: ClassVar[bool] = True

    def open(self, run: RunFacts) -> None: ...

    def write(self, item: Any) -> None:
        self.items.append(item)

    def is_written(self) -> bool:
        self.asked.set()
        return self.says

    def close(self, ended_well: bool, outcome: str = "") -> None: ...


@pytest.fixture(autouse=True)
def _empty_shelf() -> None:
    Shelf.items.clear()
    Shelf.asked.clear()
    Shelf.says = True


def as_text(item: int) -> str:
    return str(item)


def whole(text: str) -> int:
    return int(text)


def pairs(upstream: Iterable[int]) -> Iterator[tuple[int, int]]:
    items = iter(upstream)
    yield from zip(items, items, strict=False)


def with_stage(numbers: Numbers, *steps: Any, **stage: Any) -> Pipeline:
    return Pipeline(
        sources={"numbers": Source(lambda: numbers)},
        stages={"work": Steps(*steps, source="numbers", **stage)},
        sinks={"out": SinkEntry(Shelf, source="work")},
    )


def ended(pipeline: Pipeline, numbers: Numbers) -> RunReport:
    numbers.ends.set()
    return chains.run(pipeline.plan())


@pytest.mark.parametrize(
    "stage",
    [
        {},
        {"run_in": "thread"},
        {"workers": 3, "order": "free"},
        {"workers": 3, "order": "kept"},
    ],
    ids=["fused", "edge", "free", "kept"],
)
def test_what_has_ended_is_told_while_the_source_still_waits(stage: dict[str, Any]) -> None:
    numbers = Numbers(5000)
    run = chains.start(with_stage(numbers, as_text, **stage).plan())
    while numbers.told[-1:] != [5000]:
        assert numbers.news.wait(PATIENCE_S)
        numbers.news.clear()
    assert len(Shelf.items) == 5000
    assert numbers.told == sorted(numbers.told)
    numbers.ends.set()
    assert run.wait(PATIENCE_S).outcome == "finished"
    assert numbers.has_left


def test_behind_a_generator_it_is_told_at_the_end_alone() -> None:
    numbers = Numbers(11)
    assert ended(with_stage(numbers, pairs), numbers).outcome == "finished"
    assert numbers.told == [11]


def test_a_sink_that_holds_something_back_is_waited_for() -> None:
    numbers = Numbers(3)
    Shelf.says = False
    run = chains.start(with_stage(numbers, as_text).plan())
    assert Shelf.asked.wait(PATIENCE_S)
    assert numbers.told == []
    Shelf.says = True
    assert numbers.news.wait(PATIENCE_S)
    numbers.ends.set()
    run.wait(PATIENCE_S)
    assert numbers.told == [3, 3]


@pytest.mark.parametrize("options", [{}, {"run_in": "thread"}, {"workers": 2}])
def test_of_a_run_that_fails_nothing_behind_the_failure_is_told(options: dict[str, Any]) -> None:
    def fail_on_last(item: int) -> int:
        if item == 99:
            raise ValueError("the last one")
        return item

    numbers = Numbers(100)
    report = ended(with_stage(numbers, fail_on_last, on_error="fail", **options), numbers)
    assert report.outcome == "failed"
    assert max(numbers.told, default=0) < 100
    assert numbers.has_left


def test_items_that_are_given_up_have_ended_too(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("1\nx\n3\n")
    pipeline = Pipeline(
        sources={"texts": Source("files", paths=str(tmp_path / "*.txt"), state=str(tmp_path / "s.jsonl"))},
        stages={"work": Steps(whole, source="texts", on_error="dead_letter")},
        sinks={"out": SinkEntry(Shelf, source="work")},
    )
    report = chains.run(pipeline.plan())
    assert [(files.name, files.done, files.items) for files in report.files] == [("texts", 1, 3)]
    (entry,) = FileBook(read_log((tmp_path / "s.jsonl").read_bytes()).records)
    assert (str(entry.state), entry.items, entry.run) == ("done", 3, report.run)
