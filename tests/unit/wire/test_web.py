"""What web process and supervisor say: whole again, however it was cut; anything else is refused."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import RemoteProtocolError
from penstock.wire.web import Answer, Pieces, Question, open_answer, open_question, pieces


@given(st.text(max_size=3000), st.integers(2, 300))
def test_a_word_is_whole_again(text: str, most: int) -> None:
    answer = Answer(7, "refused", msgspec.Raw(msgspec.json.encode(text)))
    cut = list(pieces(answer, most))
    assert all(len(piece) <= most for piece in cut)
    heap = Pieces()
    *others, last = [heap.take(piece) for piece in cut]
    assert others == [None] * (len(cut) - 1)
    assert last is not None
    found = open_answer(last)
    assert (found.number, found.problem, msgspec.json.decode(found.body)) == (7, "refused", text)


def test_a_question_without_a_body_has_null() -> None:
    (piece,) = pieces(Question(1, "status"), 1000)
    found = open_question(piece[1:])
    assert (found.number, found.what, msgspec.json.decode(found.body)) == (1, "status", None)


@given(st.binary(max_size=60))
def test_garbage_is_refused(data: bytes) -> None:
    for read in (open_question, open_answer):
        try:
            read(data)
        except RemoteProtocolError:
            continue


def test_a_piece_of_nothing_is_refused() -> None:
    with pytest.raises(RemoteProtocolError, match="no piece"):
        Pieces().take(b"?abc")
