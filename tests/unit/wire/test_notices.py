"""Notices and feedback on their way: they come back as they were, and nothing else is taken for one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.core.feedback import Said
from penstock.core.notice import Level, Notice
from penstock.errors import RemoteProtocolError
from penstock.wire.notices import Unkept, decode_notice, encode_notice

values = st.dictionaries(st.text(), st.one_of(st.integers(-(1 << 63), (1 << 63) - 1), st.booleans(), st.text()))


@given(st.text(), st.sampled_from(list(Level)), st.text(), st.integers(-9, 9), values, st.integers(1, 1 << 40))
def test_a_notice_comes_back_as_it_was(
    text: str, level: Level, source: str, code: int, said: dict[str, object], times: int
) -> None:
    notice = Notice(text=text, level=level, source=source, code=code, time_ns=7, values=said, times=times)
    assert decode_notice(encode_notice(notice)) == notice


def test_what_was_not_kept_comes_back_as_it_was() -> None:
    assert decode_notice(encode_notice(Unkept("fit-0", 312))) == Unkept("fit-0", 312)


@given(st.text(), st.text(), st.one_of(st.none(), st.integers(0, (1 << 64) - 1)), st.text())
def test_feedback_comes_back_as_it_was(action: str, reason: str, event: int | None, source: str) -> None:
    said = Said(action, reason, event, 7, source)
    assert decode_notice(encode_notice(said)) == said


def test_feedback_about_what_is_no_event_is_refused() -> None:
    with pytest.raises(RemoteProtocolError, match="no notice"):
        decode_notice(encode_notice(Said("stop", "", -1, 7, "fit-0")))


@given(st.binary())
def test_other_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(RemoteProtocolError, match="no notice"):
        decode_notice(data)
