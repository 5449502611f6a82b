"""Alarms are raised once, end once, and are told of unless they are muted."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.core import NS_PER_S
from penstock.core.alarm import Alarm, AlarmRule, Alarms, AlarmState, UnknownAlarmError
from penstock.errors import StateError

S = NS_PER_S


def looked(alarm: Alarm, *points: tuple[float, bool]) -> list[str]:
    found = [alarm.look(is_met=met, is_over=not met, now_ns=round(at * S)) for at, met in points]
    return [change.what for change in found if change is not None]


def test_it_is_raised_at_once_and_cleared_at_once_without_patience() -> None:
    assert looked(Alarm(AlarmRule(name="a")), (0, False), (1, True), (2, True), (3, False)) == ["raised", "cleared"]


def test_it_waits_for_the_condition_to_last() -> None:
    alarm = Alarm(AlarmRule(name="a", for_s=3, clear_s=2))
    assert looked(alarm, (0, True), (2, True), (2.5, False), (3, True), (5.9, True)) == []
    assert looked(alarm, (6, True)) == ["raised"]
    assert looked(alarm, (7, False), (8, True), (9, False), (10.9, False)) == []
    assert looked(alarm, (11, False)) == ["cleared"]


def test_between_its_two_conditions_it_stays_as_it_is() -> None:
    alarm = Alarm(AlarmRule(name="a"))
    assert alarm.look(is_met=False, is_over=False, now_ns=0) is None
    assert alarm.look(is_met=True, is_over=False, now_ns=S) is not None
    assert alarm.look(is_met=False, is_over=False, now_ns=2 * S) is None
    assert alarm.is_active


def test_a_latched_one_stays_until_somebody_has_seen_it() -> None:
    alarm = Alarm(AlarmRule(name="a", latch=True))
    assert looked(alarm, (0, True), (1, False)) == ["raised", "returned"]
    change = alarm.acknowledge(2 * S, "me")
    assert change is not None
    assert (change.what, change.who, alarm.state) == ("acknowledged", "me", AlarmState.NORMAL)
    assert looked(alarm, (3, True)) == ["raised"]
    alarm.acknowledge(4 * S, "me")
    assert looked(alarm, (5, False)) == ["cleared"]


def test_a_latched_one_that_nobody_saw_is_raised_again() -> None:
    alarm = Alarm(AlarmRule(name="a", latch=True))
    assert looked(alarm, (0, True), (1, False), (2, True)) == ["raised", "returned", "raised"]
    assert alarm.times == 2


def test_what_is_normal_cannot_be_acknowledged_and_twice_is_once() -> None:
    alarm = Alarm(AlarmRule(name="a"))
    with pytest.raises(StateError, match="nothing to acknowledge"):
        alarm.acknowledge(0, "me")
    looked(alarm, (1, True))
    assert alarm.acknowledge(S, "me") is not None
    assert alarm.acknowledge(S, "you") is None
    assert alarm.acknowledged_by == "me"


def test_a_muted_one_goes_on_and_tells_nobody() -> None:
    alarms = Alarms([AlarmRule(name="a", level="error"), AlarmRule(name="b")])
    alarms.mute("a", 0, 10, "me")
    (change,) = alarms.look({"a": (True, False, "it is so")}, S)
    assert not change.is_told
    assert alarms.worst == "error"
    assert [each.what for each in alarms.history] == ["muted", "raised"]
    (change,) = alarms.look({"a": (False, True, "")}, 11 * S)
    assert change.is_told
    assert change.text == "it is so"
    assert alarms.worst is None


def test_muting_for_no_time_ends_it() -> None:
    alarms = Alarms([AlarmRule(name="a")])
    alarms.mute("a", 0, 1000, "me")
    assert alarms.mute("a", S, 0, "me").what == "unmuted"
    assert not alarms["a"].is_muted(2 * S)


def test_an_unknown_one_is_told_with_what_it_may_be() -> None:
    with pytest.raises(UnknownAlarmError, match='did you mean "no_beam"'):
        Alarms([AlarmRule(name="no_beam")]).acknowledge("nobeam", 0)


@given(
    st.lists(st.tuples(st.integers(0, 5), st.booleans(), st.booleans(), st.booleans()), max_size=60),
    st.integers(0, 4), st.integers(0, 4), st.booleans(),
)  # fmt: skip
def test_raised_and_ended_take_turns(
    points: list[tuple[int, bool, bool, bool]], for_s: int, clear_s: int, latch: bool
) -> None:
    alarm = Alarm(AlarmRule(name="a", for_s=for_s, clear_s=clear_s, latch=latch))
    now, said = 0, []
    for after_s, is_met, is_over, knows in points:
        now += after_s * S
        change = alarm.look(is_met=is_met, is_over=is_over, now_ns=now)
        if change is not None:
            said.append(change.what)
        if knows and alarm.state is not AlarmState.NORMAL:
            alarm.acknowledge(now, "me")
    ups = said[0::2]
    assert set(ups) <= {"raised"}
    assert set(said[1::2]) <= {"cleared", "returned"}
    assert alarm.times == len(ups)
    assert alarm.is_active == (len(said) % 2 == 1)
