"""Notices are bounded, and what they say can always be written down."""

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.core.notice import LONGEST_TEXT, LONGEST_VALUE, MOST_VALUES, Level, Notice, cut, level_of, plain_values


class Sulks:
    def __str__(self) -> str:
        raise RuntimeError("not today")


@given(st.dictionaries(st.text(max_size=300), st.one_of(st.integers(), st.floats(), st.text(), st.binary(), st.none())))
def test_whatever_is_said_can_be_written_as_json_and_is_bounded(values: dict[str, object]) -> None:
    plain = plain_values(values)
    assert len(plain) == len({cut(name, LONGEST_VALUE) for name in list(values)[:MOST_VALUES]})
    assert len(msgspec.json.encode(plain)) < MOST_VALUES * 12 * (LONGEST_VALUE + 10)


def test_numbers_of_numpy_stay_numbers_and_all_else_becomes_text() -> None:
    said = {"rate": np.float32(2.5), "n": np.uint64(7), "ok": np.bool_(True), "at": (1, 2), "far": 1 << 70}
    assert plain_values(said) == {"rate": 2.5, "n": 7, "ok": True, "at": "(1, 2)", "far": str(1 << 70)}
    assert plain_values({"it": Sulks()}) == {"it": "<Sulks: RuntimeError>"}


def test_a_text_is_cut() -> None:
    assert cut("x" * LONGEST_TEXT) == "x" * LONGEST_TEXT
    assert cut("x" * (LONGEST_TEXT + 1)) == "x" * (LONGEST_TEXT - 1) + "…"


def test_a_level_has_a_rank_and_another_word_is_refused() -> None:
    assert sorted(Level, key=lambda level: level.rank) == [Level.LOG, Level.INFO, Level.ALARM]
    with pytest.raises(ValueError, match="'warning' is no level of a notice; write log, info, alarm"):
        level_of("warning")


def test_its_time_has_nanoseconds() -> None:
    assert Notice(text="now", time_ns=1_500_000_001).time == "1970-01-01T00:00:01.500000001Z"
