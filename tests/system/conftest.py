"""What system tests may ask for: processes, a pipe to give away, and proof that nothing stays open."""

import gc
import logging
from collections.abc import Callable, Iterator

import pytest

from penstock.elements.source import Source
from penstock.services.processes import Processes
from tests.system.source_reader import Reader
from tests.system.watching import Pipe, held, left_open

LEVEL = logging.root.level


@pytest.fixture(autouse=True)
def _level_of_logs() -> Iterator[None]:
    """Undo what h5pyd does to the level of all logs of a program that opens something by it."""
    logging.root.setLevel(LEVEL)  # it may have been done for several tests together
    yield
    logging.root.setLevel(LEVEL)


@pytest.fixture
def nothing_left_open() -> Iterator[None]:
    """Fail a test that leaves a descriptor open."""
    gc.collect()  # what earlier tests have forgotten may still be open
    before = held()
    yield
    gc.collect()  # an exception that was caught holds what its frames held
    assert not left_open(before)


@pytest.fixture
def processes(nothing_left_open: None) -> Iterator[Processes]:
    with Processes(preload=("msgspec",)) as processes:
        yield processes


@pytest.fixture
def pipe(nothing_left_open: None) -> Iterator[Pipe]:
    pipe = Pipe()
    yield pipe
    pipe.close()


@pytest.fixture
def reader() -> Iterator[Callable[[Source], Reader]]:
    """Open sources to read them by hand, and close them."""
    made: list[Reader] = []

    def begin(source: Source) -> Reader:
        made.append(Reader(source))
        return made[-1]

    yield begin
    for each in made:
        each.source.close()
