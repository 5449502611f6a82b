"""A process that follows: of the revisions another one decides it takes over what concerns it, with their numbers."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.core.parameter import Parameter
from penstock.core.parameters import Parameters
from penstock.core.timestamp import Timestamp
from penstock.errors import ParameterError

ROI = Parameter(name="roi", type=int, default=5, stage="fit")
LINES = Parameter(name="lines", type=int, default=1, stage="fit")
OTHER_ROI = Parameter(name="roi", type=int, default=0, stage="watch", step="threshold")
ALL = [ROI, LINES, OTHER_ROI]


def accept(parameter: Parameter, value: Any) -> Any:
    if value == "bad":
        raise ParameterError(f"{parameter.address}: {value!r} is refused")
    return value


def parameters(declared: list[Parameter], **more: Any) -> Parameters:
    return Parameters(declared, validate=accept, **more)


def test_what_is_of_other_processes_is_passed_over_and_the_revision_is_theirs() -> None:
    mine = parameters([ROI])
    mine.follow(4, 10, {"fit.roi": 7, "fit.lines": 2, "watch.threshold.roi": "bad"})
    assert (dict(mine.at(9)), mine.at(9).revision) == ({"fit.roi": 5}, 0)
    assert (dict(mine.at(10)), mine.at(10).revision) == ({"fit.roi": 7}, 4)


def test_a_revision_that_concerns_nothing_here_still_has_its_number() -> None:
    mine = parameters([ROI])
    mine.follow(1, 3, {"fit.lines": 2})
    assert (dict(mine.at(3)), mine.at(3).revision) == ({"fit.roi": 5}, 1)


def test_a_refused_value_changes_nothing() -> None:
    mine = parameters([ROI, LINES])
    with pytest.raises(ParameterError, match=r"fit\.roi: 'bad' is refused"):
        mine.follow(1, 3, {"fit.lines": 2, "fit.roi": "bad"})
    assert (len(mine.history), mine.latest.revision, mine.latest["fit.lines"]) == (1, 0, 1)


def test_values_are_used_as_they_are_validated() -> None:
    mine = Parameters([ROI], validate=lambda parameter, value: int(value))
    mine.follow(1, 0, {"fit.roi": "8"})
    assert mine.latest["fit.roi"] == 8


def test_old_revisions_are_forgotten_as_where_they_were_decided() -> None:
    mine = parameters([ROI], keep=2)
    for revision in range(1, 5):
        mine.follow(revision, 10 * revision, {"fit.roi": revision})
    assert mine.at(40).revision == 4
    mine.follow(5, 50, {"fit.roi": 5})
    assert [change.revision for change in mine.history] == [2, 3, 4, 5]
    with pytest.raises(ParameterError, match="event 19 are forgotten"):
        mine.at(19)


CHANGES = st.lists(
    st.tuples(
        st.integers(0, 50),
        st.dictionaries(
            st.sampled_from([parameter.address for parameter in ALL]), st.integers(0, 9), min_size=1, max_size=3
        ),
    ),
    max_size=12,
)


@given(CHANGES, st.sets(st.sampled_from(range(3))), st.integers(1, 6))
def test_who_follows_sees_what_is_in_force(
    changes: list[tuple[int, dict[str, int]]], declared: set[int], keep: int
) -> None:
    deciding = parameters(ALL, keep=keep)
    following = parameters([ALL[k] for k in sorted(declared)], keep=keep)
    for number, (event, values) in enumerate(changes):
        change = deciding.set(values, from_event=event, who="ana", when=Timestamp(number))
        following.follow(change.revision, change.from_event, change.values)
    for event in range(deciding.history[0].from_event, 60):
        there, here = deciding.at(event), following.at(event)
        assert here.revision == there.revision
        assert dict(here) == {parameter.address: there[parameter.address] for parameter in following}
