"""Saying something back to the scan where nothing runs, and through the outlets of a run."""

import logging
import threading

import pytest

from penstock.core.feedback import Said
from penstock.monitor.feedback import AT_WORK, HELD_BACK, feedback
from penstock.monitor.notice import Outlet, use_outlet


def test_where_nothing_runs_it_goes_to_logging(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="penstock"):
        feedback("stop", "enough", event=7)
    assert [record.message for record in caplog.records] == ["feedback stop: enough, event 7"]


def test_it_is_about_what_is_worked_on_unless_another_event_is_named() -> None:
    outlet = Outlet("fit-0", utc=lambda: 5)
    woken: list[int] = []
    outlet.on_feedback = lambda: woken.append(1)
    with use_outlet(outlet):
        feedback("begins")
        token = AT_WORK.set(lambda: ("fit", 3))
        feedback("next", "enough")
        feedback("next", event=2)
        AT_WORK.reset(token)
    assert outlet.take_feedback() == [
        Said("begins", "", None, 5, "fit-0"), Said("next", "enough", 3, 5, "fit"), Said("next", "", 2, 5, "fit"),
    ]  # fmt: skip
    assert (outlet.take_feedback(), len(woken)) == ([], 3)


def test_a_thread_of_user_code_knows_no_event() -> None:
    outlet = Outlet("fit-0", utc=lambda: 5)
    held: list[Said] = []
    with use_outlet(outlet):
        AT_WORK.set(lambda: ("fit", 3))
        HELD_BACK.set(held.append)
        thread = threading.Thread(target=lambda: _say_by(outlet))
        thread.start()
        thread.join()
        feedback("next")
        AT_WORK.set(None)
        HELD_BACK.set(None)
    assert [said.event for said in outlet.take_feedback()] == [None]
    assert [said.event for said in held] == [3]


def _say_by(outlet: Outlet) -> None:
    with use_outlet(outlet):
        feedback("next")
