"""One source in one thread: when it is read, and what becomes of its mistakes."""

from collections.abc import Callable

import pytest

from penstock.core import Ledger, Message
from penstock.elements.source import Reading, Source
from penstock.errors import SourceError, UserCodeError
from penstock.pipeline.plan import Element, SourcePlan
from penstock.services.intake import Intake

MS = 1_000_000


class Clocked(Source):
    """Has a message when it says so."""

    def __init__(self, wait: Callable[[], float | None]) -> None:
        self.wait = wait
        self.readings = 0

    def wait_s(self, now_ns: int) -> float | None:
        del now_ns
        return self.wait()

    def read(self, now_ns: int) -> Reading:
        self.readings += 1
        return self.reading([Message()], now_ns)


def intake_of(source: Source) -> Intake:
    plan = SourcePlan(name="clock", element=Element(name="clocked", target=Clocked))
    intake = Intake(plan, source, ".", Ledger())
    intake.open()
    return intake


def test_a_source_is_not_read_before_it_is_due() -> None:
    waits = [0.25, 1e-9, 0.0, None, -1.0]
    source = Clocked(lambda: waits.pop(0))
    intake = intake_of(source)
    assert not intake.read(10 * MS, 0)
    assert (intake.due_ns, source.readings) == (260 * MS, 0)
    assert not intake.read(260 * MS, 0)
    assert (intake.due_ns, source.readings) == (260 * MS + 1, 0)
    for readings in (1, 2, 3):
        assert intake.read(300 * MS, 0)
        assert (intake.due_ns, source.readings) == (None, readings)
    assert intake.messages == 3


def test_what_goes_wrong_in_its_clock_is_told_like_what_goes_wrong_in_reading() -> None:
    def wrong() -> float:
        raise ZeroDivisionError("rate")

    def broken() -> float:
        raise SourceError("the clock is unplugged")

    with pytest.raises(UserCodeError, match="source clock: ZeroDivisionError: rate"):
        intake_of(Clocked(wrong)).read(0, 0)
    intake = intake_of(Clocked(broken))
    assert intake.read(0, 0)
    assert intake.trouble == "clock: the clock is unplugged"
    assert intake.has_ended
