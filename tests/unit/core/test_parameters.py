"""Parameters change at event boundaries, are recorded, and can be repeated from the record."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.core.parameter import Bounds, Parameter
from penstock.core.parameters import Parameters
from penstock.core.timestamp import Timestamp
from penstock.errors import ParameterError

ROI = Parameter(name="roi", type=float, default=5.9, unit="keV", bounds=Bounds(ge=0), stage="fit", step="FitSpectrum")
LINES = Parameter(name="lines", type=str, default="Fe", choices=("Fe", "Ni"), stage="fit", step="FitSpectrum")
OTHER_ROI = Parameter(name="roi", type=float, default=1.0, stage="watch", step="threshold")


def accept(parameter: Parameter, value: Any) -> Any:
    if value == "bad":
        raise ParameterError(f"{parameter.address}: {value!r} is refused; expected {parameter.expects}")
    return value


def parameters(**more: Any) -> Parameters:
    return Parameters([ROI, LINES, OTHER_ROI], validate=accept, **more)


def test_defaults_are_revision_zero() -> None:
    found = parameters().at(0)
    assert found.revision == 0
    assert dict(found) == {"fit.FitSpectrum.roi": 5.9, "fit.FitSpectrum.lines": "Fe", "watch.threshold.roi": 1.0}


def test_start_values_replace_defaults() -> None:
    assert parameters(start={"fit.roi": 4.0}).at(10**9)["fit.FitSpectrum.roi"] == 4.0


def test_a_change_is_seen_from_its_event_on() -> None:
    some = parameters()
    some.set({"fit.roi": 7.0, "lines": "Ni"}, from_event=10, who="ana", when=Timestamp(5))
    before, after = some.at(9), some.at(10)
    assert (before.revision, before["fit.FitSpectrum.roi"], before["fit.FitSpectrum.lines"]) == (0, 5.9, "Fe")
    assert (after.revision, after["fit.FitSpectrum.roi"], after["fit.FitSpectrum.lines"]) == (1, 7.0, "Ni")
    assert after["watch.threshold.roi"] == 1.0


def test_a_boundary_never_moves_back() -> None:
    some = parameters()
    some.set({"lines": "Ni"}, from_event=10, who="ana", when=Timestamp(5))
    change = some.set({"lines": "Fe"}, from_event=3, who="bo", when=Timestamp(6))
    assert change.from_event == 10
    assert some.at(9).revision == 0
    assert some.at(10).revision == 2


def test_a_refused_value_sets_nothing() -> None:
    some = parameters()
    with pytest.raises(ParameterError, match="refused"):
        some.set({"lines": "Ni", "fit.roi": "bad"}, from_event=1, who="ana", when=Timestamp(5))
    assert some.latest.revision == 0
    assert len(some.history) == 1


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("roi", "could be any of fit.FitSpectrum.roi, watch.threshold.roi; write the whole address"),
        ("line", 'did you mean "lines"'),
        ("zzz", "there are fit.FitSpectrum.roi, "),
    ],
)
def test_names_that_name_nothing_are_answered(name: str, text: str) -> None:
    with pytest.raises(ParameterError, match=text):
        parameters().find(name)


def test_a_pipeline_without_parameters_says_so() -> None:
    with pytest.raises(ParameterError, match="has none"):
        Parameters([], validate=accept).find("roi")


@pytest.mark.parametrize("name", ["fit.FitSpectrum.roi", "fit.roi", "FitSpectrum.roi"])
def test_shorter_addresses(name: str) -> None:
    assert parameters().find(name) is ROI


def test_a_set_never_changes() -> None:
    some = parameters()
    found = some.latest
    some.set({"lines": "Ni"}, from_event=1, who="ana", when=Timestamp(5))
    assert found["fit.FitSpectrum.lines"] == "Fe"
    with pytest.raises(TypeError):
        found.values_by_address["x"] = 1  # type: ignore[index]


def test_history_is_bounded_and_what_is_forgotten_is_said() -> None:
    some = parameters(keep=3)
    for event in range(1, 10):
        some.set({"fit.roi": float(event)}, from_event=event * 10, who="ana", when=Timestamp(event))
    assert [change.revision for change in some.history] == [7, 8, 9]
    assert some.at(75)["fit.FitSpectrum.roi"] == 7.0
    with pytest.raises(ParameterError, match="event 69 are forgotten; the history begins at event 70"):
        some.at(69)


CHANGES = st.lists(
    st.tuples(
        st.integers(0, 50),
        st.dictionaries(st.sampled_from(["fit.roi", "lines", "watch.roi"]), st.integers(0, 9), min_size=1),
    ),
    max_size=12,
)


@given(CHANGES, st.integers(1, 5))
def test_the_history_alone_gives_the_same_sets(changes: list[tuple[int, dict[str, int]]], keep: int) -> None:
    some = parameters(keep=keep)
    for number, (event, values) in enumerate(changes):
        some.set(values, from_event=event, who="ana", when=Timestamp(number))
    again = Parameters.replay([ROI, LINES, OTHER_ROI], some.history, validate=accept)
    assert again.history == some.history
    for event in range(some.history[0].from_event, 60):
        assert again.at(event) == some.at(event)


@given(CHANGES)
def test_every_event_sees_the_last_change_before_it(changes: list[tuple[int, dict[str, int]]]) -> None:
    some = parameters()
    for number, (event, values) in enumerate(changes):
        some.set(values, from_event=event, who="ana", when=Timestamp(number))
    for event in range(60):
        expected = {p.address: p.default for p in (ROI, LINES, OTHER_ROI)}
        for change in some.history[1:]:
            if change.from_event <= event:
                expected |= change.values
        assert dict(some.at(event)) == expected


def test_what_is_followed_ahead_of_its_events_is_not_forgotten() -> None:
    some = parameters(keep=10)
    for k in range(1, 101):
        some.follow(k, 10 * k, {"fit.FitSpectrum.roi": float(k), "elsewhere.step.x": 1})
    assert [some.at(number).revision for number in (0, 9, 10, 999, 1000)] == [0, 0, 1, 99, 100]
    for k in range(101, 121):
        some.follow(k, 10 * k, {"fit.FitSpectrum.roi": float(k)})
    assert len(some.history) == 10 + 1 + 20  # those before that of event 1000, that one, and all behind it
    assert some.at(1205)["fit.FitSpectrum.roi"] == 120.0
    with pytest.raises(ParameterError, match="parameters for event 0 are forgotten"):
        some.at(0)


def test_a_parameter_whose_default_is_a_list_can_be_a_key() -> None:
    mask = Parameter(name="mask", type=list[int], default=[1, 2], annotation=list[int])
    assert {mask: 1}[Parameter(name="mask", type=list[int], default=[1, 2], annotation=list[int])] == 1
