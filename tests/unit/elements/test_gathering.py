"""A storm of texts becomes few messages, and nothing is forgotten in them."""

import threading
from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.elements.gathered_sending import GatheredSending
from penstock.elements.gathering import Gathered, Gathering
from penstock.errors import SinkError


@given(st.lists(st.floats(0, 100), max_size=30), st.floats(0, 50), st.integers(1, 5))
def test_every_text_is_in_a_message_or_counted_and_messages_keep_their_distance(
    pauses: list[float], every_s: float, most: int
) -> None:
    gathering, now_s, sent = Gathering(every_s, most), 0.0, []
    for number, pause_s in enumerate(pauses):
        now_s += pause_s
        gathering.add(str(number))
        if (found := gathering.take(now_s)) is not None:
            sent.append((now_s, found))
    times = [time_s for time_s, _ in sent]
    assert all(later - earlier >= every_s - 1e-9 for earlier, later in pairwise(times))
    if (found := gathering.take(now_s, is_last=True)) is not None:
        sent.append((now_s, found))
    assert sum(found.count for _, found in sent) == len(pauses)
    assert all(len(found.texts) <= most for _, found in sent)
    texts = [int(text) for _, found in sent for text in found.texts]
    assert texts == sorted(texts)


def test_without_texts_nothing_is_due() -> None:
    gathering = Gathering(10, 3)
    assert gathering.due_s is None
    assert gathering.take(0) is None
    assert gathering.take(0, is_last=True) is None


def test_lines_say_what_they_leave_out() -> None:
    assert Gathered(texts=("a", "b")).lines() == "a\nb"
    assert Gathered(texts=("a",), more=7).lines() == "a\n… and 7 more"


@pytest.mark.parametrize(("every_s", "most", "says"), [(-1, 1, "every_s is -1"), (1, 0, "0 texts in a message")])
def test_bounds(every_s: float, most: int, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Gathering(every_s, most)


def test_whoever_gives_texts_does_not_wait_and_the_rest_goes_at_the_end() -> None:
    sent: list[Gathered] = []
    first, go_on = threading.Event(), threading.Event()

    def send(gathered: Gathered) -> None:
        sent.append(gathered)
        first.set()
        assert go_on.wait(30)

    sending = GatheredSending(Gathering(1000, 2), send)
    sending.start()
    sending.add("0")
    assert first.wait(30)
    for number in range(1, 5):
        sending.add(str(number))
    go_on.set()
    sending.close()
    assert [(each.texts, each.more) for each in sent] == [(("0",), 0), (("1", "2"), 2)]


def test_what_is_due_goes_without_another_text() -> None:
    second = threading.Event()
    sent: list[Gathered] = []

    def send(gathered: Gathered) -> None:
        sent.append(gathered)
        if len(sent) == 2:
            second.set()

    sending = GatheredSending(Gathering(0.05, 2), send)
    sending.start()
    sending.add("a")
    while not sent:
        second.wait(0.001)
    sending.add("b")
    assert second.wait(30)
    sending.close()


def test_what_goes_wrong_is_told_to_who_gives_the_next_text_or_at_the_end() -> None:
    refused: list[str] = []

    def send(gathered: Gathered) -> None:
        refused.append(gathered.texts[0])
        raise SinkError(f"refused {gathered.texts[0]}")

    def add_for_ever(sending: GatheredSending) -> None:
        while True:
            sending.add("a")

    def is_taken(sending: GatheredSending, text: str) -> bool:
        with suppress(SinkError):  # of one that was given before
            sending.add(text)
            return True
        return False

    sending = GatheredSending(Gathering(0, 1), send)
    sending.start()
    sending.add("a")
    while not refused:
        threading.Event().wait(0.001)
    with pytest.raises(SinkError, match="refused a"):
        add_for_ever(sending)
    while not is_taken(sending, "b"):
        pass
    with pytest.raises(SinkError, match="refused"):
        sending.close()
