"""What tests of engines share: one warmed process for many runs."""

from collections.abc import Iterator

import pytest

from penstock.services.strands.nursery import Nursery


class Borrowed(Nursery):
    """One warmed process for many runs: its imports take most of the time."""

    def __init__(self, lender: Nursery) -> None:
        self.lender = lender
        self.start = lender.start  # type: ignore[method-assign]  # all it does is the lender's
        self.kill = lender.kill  # type: ignore[method-assign]
        self.death_of = lender.death_of  # type: ignore[method-assign]
        self.notices = lender.notices  # type: ignore[method-assign]

    @property
    def pollable(self) -> int | None:
        return self.lender.pollable

    def open(self) -> None: ...

    def close(self) -> None:
        assert self.lender._processes is not None
        assert self.lender._processes.children == [], "nobody is left when the run is over"


@pytest.fixture(scope="module")
def warm() -> Iterator[Nursery]:
    nursery = Nursery()
    nursery.open()
    yield nursery
    nursery.close()


@pytest.fixture
def _quick(warm: Nursery, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("penstock.engines.chains.Nursery", lambda: Borrowed(warm))
