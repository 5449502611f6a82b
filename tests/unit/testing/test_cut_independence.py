"""User code whose results depend on how events are cut is found, and named; other code is not."""

from typing import Any

import numpy as np
import pytest

from penstock.core.event import EventBatch
from penstock.testing import assert_cut_independent, make_batch, make_event

EVENTS = [make_event(n, camera=np.array([n, 2 * n]), motor={"x": n / 4}) for n in range(7)]


def _values(events: EventBatch) -> Any:
    part = events.parts[0]
    assert part.block is not None
    assert isinstance(part.block.columns[0], np.ndarray)
    return part.block.columns[0][part.rows]


def test_code_that_looks_at_each_event_by_itself_passes() -> None:
    assert_cut_independent(lambda events: _values(events).max(axis=1), EVENTS)
    assert_cut_independent(lambda events: [{"x": each["motor"].metadata["x"]} for each in events.events()], EVENTS)
    assert_cut_independent(lambda events: None, EVENTS)
    assert_cut_independent(lambda events: [float("nan")] * len(events), EVENTS[:1])


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda events: np.cumsum(_values(events)[:, 0]), "event 2 is .* in a batch of events 0 to 6, but .* alone"),
        (lambda events: _values(events).astype("u1" if _values(events).max() < 9 else "u2"), "event [0-4] is"),
        (lambda events: [len(events)] * len(events), "in a batch of events 0 to 6, but 1 in one of event 0 alone"),
    ],
)
def test_code_that_depends_on_the_cut_is_named(wrong: Any, said: str) -> None:
    with pytest.raises(AssertionError, match=said):
        assert_cut_independent(wrong, EVENTS)


def test_what_is_remembered_between_calls_is_found() -> None:
    calls: list[int] = []

    def count(events: EventBatch) -> list[int]:
        calls.append(len(events))
        return [len(calls)] * len(events)

    with pytest.raises(AssertionError, match="event 0 is 1 in"):
        assert_cut_independent(count, EVENTS)


def test_one_value_each_is_asked_for() -> None:
    with pytest.raises(AssertionError, match="1 values for the 7 events 0 to 6; return one value each"):
        assert_cut_independent(lambda events: [0], EVENTS)


def test_a_batch_made_by_hand_gives_back_its_events() -> None:
    made = [
        make_event(2, camera=np.arange(3), pulses=[1, 2], motor=None, nobody=None),
        make_event(3, camera=None, pulses=None, motor={"x": 1}, nobody=None),
        make_event(7, camera=np.arange(2), pulses=[3], motor=None, nobody=None),
    ]
    batch = make_batch(*made)
    for rows in (slice(0, 3), slice(1, 3), np.array([0, 2])):
        wanted = made[rows] if isinstance(rows, slice) else [made[k] for k in rows]
        for event, found in zip(wanted, batch.take(rows).events(), strict=True):
            assert found.number == event.number
            for part, again in zip(event.parts, found.parts, strict=True):
                assert _plain(part) == _plain(again)


def _plain(part: Any) -> Any:
    if part is None or isinstance(part, tuple):
        return part and [_plain(each) for each in part]
    return part.id, part.key, dict(part.metadata), None if part.array is None else part.array.tolist()


@pytest.mark.parametrize(
    ("events", "said"),
    [
        ([], "at least one"),
        ([make_event(1, a=0), make_event(1, a=0)], "ascend"),
        ([make_event(1, a=0), make_event(2, b=0)], "same streams"),
    ],
)
def test_what_cannot_be_a_batch_is_refused(events: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        make_batch(*events)
