"""Steps that let some items pass, by an expression, a number, a value or the time."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.elements import clock
from penstock.elements.steps.deduplicate import Deduplicate
from penstock.elements.steps.every import Every
from penstock.elements.steps.fields import Fields
from penstock.elements.steps.filter import Filter
from penstock.elements.steps.latest import Latest
from penstock.elements.steps.throttle import Throttle
from penstock.elements.user_code import Step, problems_of
from penstock.testing import ManualClock, make_event, make_message

PAUSES = st.lists(st.integers(0, 30), max_size=40)
"""Tenths of a second before each item."""


def passed(step: Any, pauses: list[int]) -> list[float]:
    """Return at what time, in s, each item passed."""
    manual, found = ManualClock(17), []
    with clock.use(manual):
        for pause in pauses:
            manual.advance(s=pause / 10)
            if step(manual() - 17) is not None:
                found.append((manual() - 17) / 1e9)
    return found


def times(pauses: list[int]) -> list[float]:
    return [sum(pauses[: k + 1]) / 10 for k in range(len(pauses))]


# Filter and fields


def test_a_filter() -> None:
    item = {"I0": 3, "pseudo": {"x": 7}}
    assert Filter("I0 > 2 and pseudo.x == 7")(item) is item
    assert Filter("I0 > 3")(item) is None
    assert Filter("I0 > 0")({"I0": float("nan")}) is None
    assert Filter("I0")({"I0": 0}) is None
    assert Filter("contrast.I0 == 3")(make_event(contrast=item)) is not None
    with pytest.raises(LookupError, match='at character 8: no field "I1"'):
        Filter("I0 and I1")(item)


@pytest.mark.parametrize(
    ("arguments", "item", "found"),
    [
        ({"choose": ["a"]}, {"a": 1, "b": 2}, {"a": 1}),
        ({"choose": ["b", "a"]}, {"a": 1, "b": 2}, {"b": 2, "a": 1}),
        ({"choose": ["p.x"]}, {"p": {"x": 1}}, {"x": 1}),
        ({"choose": ["p.x", "x"], "rename": {"p.x": "px"}}, {"p": {"x": 1}, "x": 2}, {"px": 1, "x": 2}),
        ({"rename": {"a": "c"}}, {"a": 1, "b": 2}, {"c": 1, "b": 2}),
        ({"rename": {"a": "b", "b": "a"}}, {"a": 1, "b": 2}, {"b": 1, "a": 2}),
        ({"rename": {"p.x": "x"}}, {"p": {"x": 1}}, {"p": {"x": 1}, "x": 1}),
        ({"compute": {"a": "a * 2", "s": "a + b"}}, {"a": 1, "b": 2}, {"a": 2, "b": 2, "s": 3}),
        ({"choose": [], "compute": {"s": "a + b"}}, {"a": 1, "b": 2}, {"s": 3}),
        ({"compute": {"square": "x ** 2"}}, 3, {"square": 9}),
        ({"choose": ["key", "I0"]}, make_message(key=4, I0=1), {"key": 4, "I0": 1}),
        ({"choose": ["c.I0"], "compute": {"n": "c.key"}}, make_event(c=make_message(key=4, I0=1)), {"I0": 1, "n": 4}),
    ],
)
def test_fields(arguments: dict[str, Any], item: Any, found: dict[str, Any]) -> None:
    made = Fields(**arguments)(item)
    assert list(made.items()) == list(found.items())
    assert made is not item


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({}, "needs something to do"),
        ({"choose": ["a.x", "b.x"]}, 'two fields would be called "x"'),
        ({"rename": {"a": "c", "b": "c"}}, 'two fields would be called "c"'),
        ({"choose": ["a"], "rename": {"b": "c"}}, '"b" is renamed and not chosen'),
        ({"compute": {"a": "b +"}}, "at character 4"),
    ],
)
def test_fields_that_cannot_be(arguments: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Fields(**arguments)


def test_a_new_name_that_is_taken_and_an_old_one_that_is_not_there() -> None:
    with pytest.raises(ValueError, match='"a" cannot be called "b": there is such a field already'):
        Fields(rename={"a": "b"})({"a": 1, "b": 2})
    for fields in (Fields(rename={"z": "y"}), Fields(choose=["z"])):
        with pytest.raises(LookupError, match='no field "z" in this dict; there are a'):
            fields({"a": 1})


# By number and time


@given(st.integers(1, 9), st.integers(0, 40))
def test_every_nth(n: int, count: int) -> None:
    every = Every(n)
    assert [number for number in range(count) if every(number) is not None] == list(range(0, count, n))


@given(PAUSES, st.sampled_from([1, 3, 10]))
def test_the_first_of_every_interval(pauses: list[int], tenths: int) -> None:
    expected: dict[int, float] = {}
    for time_s in times(pauses):
        begin_s = times(pauses)[0]
        expected.setdefault(round((time_s - begin_s) * 10) // tenths, time_s)
    assert passed(Every(every_s=tenths / 10), pauses) == pytest.approx(list(expected.values()))
    found = [item["t"] for item in map(Every(every_s=tenths / 10, time="t"), [{"t": t} for t in times(pauses)]) if item]
    assert len(found) == len(expected)


def test_what_is_older_than_the_interval_is_filtered() -> None:
    every = Every(every_s=1, time="t")
    assert [t for t in (5.0, 4.0, 7.5, 6.5, 7.9, 8.0) if every({"t": t})] == [5.0, 7.5, 8.0]


@given(PAUSES, st.integers(1, 4), st.sampled_from([0.5, 1.0, 2.0]))
def test_at_most_so_many_in_any_time(pauses: list[int], n: int, every_s: float) -> None:
    expected: list[float] = []
    for time_s in times(pauses):
        if len([each for each in expected if time_s - each < every_s - 1e-6]) < n:
            expected.append(time_s)
    assert passed(Throttle(n, every_s=every_s), pauses) == pytest.approx(expected)


def test_an_hour_passes_in_no_time() -> None:
    tenths = [1] * 36_000
    assert len(passed(Throttle(2), tenths)) == 7200
    assert len(passed(Every(every_s=60), tenths)) == 60


# By value


@given(st.lists(st.integers(0, 6), max_size=60), st.integers(1, 4))
def test_what_has_passed_is_remembered_for_so_many(values: list[int], n: int) -> None:
    remembered: list[int] = []
    expected = []
    for value in values:
        if value not in remembered:
            expected.append(value)
            remembered = [*remembered, value][-n:]
    once = Deduplicate("id", n=n)
    assert [value for value in values if once({"id": value})] == expected


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 3)), max_size=40))
def test_what_has_passed_is_remembered_for_so_long(comings: list[tuple[int, int]]) -> None:
    manual, once, found, expected = ManualClock(), Deduplicate(within_s=1), [], []
    last: dict[int, int] = {}
    with clock.use(manual):
        for pause, value in comings:
            manual.advance(s=pause / 10)
            if value not in last or manual() - last[value] >= 10**9:
                last[value] = manual()
                expected.append(value)
            if once(value) is not None:
                found.append(value)
    assert found == expected


def test_what_cannot_be_told_apart() -> None:
    with pytest.raises(TypeError, match='field "id" of type list cannot be told apart; use a number or a text'):
        Deduplicate("id")({"id": [1]})
    assert Deduplicate("key")(make_message(key=3)) is not None


# By stream


def test_the_latest_value_is_added() -> None:
    latest = Latest("T")
    seen = [latest(item) for item in ({"n": 0}, {"T": 5}, {"n": 1}, {"n": 2}, {"T": 6}, {"n": 3})]
    assert seen == [{"n": 0, "T": None}, None, {"n": 1, "T": 5}, {"n": 2, "T": 5}, None, {"n": 3, "T": 6}]


def test_the_latest_of_several() -> None:
    latest = Latest(["T", "p"], incomplete="drop")
    seen = [latest(item) for item in ({"n": 0}, {"T": 5}, {"n": 1}, {"p": 7, "T": 6}, {"n": 2})]
    assert seen == [None, None, None, None, {"n": 2, "T": 6, "p": 7}]


def test_the_latest_values_of_one_stream_by_name() -> None:
    latest = Latest("value", by="pv")
    messages: list[Any] = [make_message(pv="T", value=5), make_message([1], key=3), make_message(pv="p", value=7), 2.5]
    none, first, also_none, second = map(latest, messages)
    assert none is also_none is None
    assert (first.key, first.metadata) == (3, {"T": 5})
    assert second == {"value": 2.5, "T": 5, "p": 7}
    assert messages[1].metadata == {}


def test_a_value_that_is_too_old_is_lacking() -> None:
    manual, latest = ManualClock(), Latest("T", within_s=10)
    with clock.use(manual):
        latest({"T": 5})
        assert latest({"n": 1}) == {"n": 1, "T": 5}
        manual.advance(s=9.9)
        assert latest({"n": 2}) == {"n": 2, "T": 5}
        manual.advance(s=0.1)
        assert latest({"n": 3}) == {"n": 3, "T": None}
        latest({"T": 6})
        assert latest({"n": 4}) == {"n": 4, "T": 6}


# Arguments


@pytest.mark.parametrize(
    ("make", "arguments", "says"),
    [
        (Every, {}, "write n: 10, or every_s: 1"),
        (Every, {"n": 1, "every_s": 1}, "write n: 10, or every_s: 1"),
        (Every, {"n": 0}, "n is 0"),
        (Every, {"every_s": 0}, "every_s is 0; write seconds above 0"),
        (Every, {"n": 2, "time": "t"}, '"time" goes with every_s'),
        (Throttle, {"n": 0}, "n is 0"),
        (Throttle, {"n": 1, "every_s": -1}, "every_s is -1"),
        (Deduplicate, {"n": 0}, "n is 0"),
        (Deduplicate, {"within_s": 0}, "within_s is 0"),
        (Latest, {"field": ""}, "needs a field"),
        (Latest, {"field": []}, "needs a field"),
        (Latest, {"field": ["a", "b"], "by": "c"}, "with by: c there is one field"),
        (Latest, {"field": "a", "incomplete": "wait"}, 'incomplete is "wait"; write pass or drop'),
        (Filter, {"expression": "1 +"}, "at character 4"),
    ],
)
def test_arguments_that_are_refused(make: Any, arguments: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        make(**arguments)


@pytest.mark.parametrize("make", [Every, Throttle, Deduplicate, Latest, Filter, Fields])
def test_they_are_steps(make: Any) -> None:
    arguments: dict[Any, dict[str, Any]] = {
        Every: {"n": 2},
        Throttle: {"n": 2},
        Deduplicate: {"by": "n"},
        Latest: {"field": "T"},
        Filter: {"expression": "True"},
        Fields: {"compute": {"a": "1"}},
    }
    given_to = arguments[make]
    assert problems_of("step", make, given_to) == []
    assert Step(make, given_to).call({"n": 1}) is not None
