"""What is said of the numbers of a stream that no join looks at: exactly what was lost, doubled or overtaken."""

from collections import Counter as Count

from hypothesis import given
from hypothesis import strategies as st

from penstock.core import Account, Block, Counter, Kind, Ledger, Message
from penstock.core.decoder import Traits
from penstock.core.ledger import Entry
from penstock.core.number_watch import NumberWatch
from tests.unit.core.builder_cases import block, flag

FRAMES = Traits(number="frame", first=3)


def watched(traits: Traits = FRAMES) -> tuple[NumberWatch, Entry]:
    entry = Ledger().entry("instrument", "camera")
    return NumberWatch(entry, traits), entry


def counted(entry: Entry) -> dict[str, int]:
    return {counter.name.lower(): entry.counter(counter) for counter in Counter if entry.counter(counter)}


@given(st.lists(st.lists(st.integers(0, 40), min_size=1, max_size=9), max_size=9))
def test_every_number_is_counted_for_what_it_is(packets: list[list[int]]) -> None:
    watch, entry = watched(Traits(number="frame", first=0))
    sent = [number + 1 for packet in packets for number in packet]  # never the first, so that nothing begins again
    at = 0
    for packet in packets:
        watch.look(block("camera", [number + 1 for number in packet], at + 1))
        at += len(packet)
    top = max(sent, default=-1)
    overtaken = sum(number < max(sent[:k]) and number not in sent[:k] for k, number in enumerate(sent) if k)
    wanted = {
        "gaps": len(set(range(top + 1)) - set(sent)),
        "reordered": overtaken,
        "doubled": sum(times - 1 for times in Count(sent).values()),
    }
    assert counted(entry) == {name: n for name, n in wanted.items() if n}
    assert (entry.arrived, entry.ended) == (0, 0)


def test_what_is_wrong_is_named_as_the_instrument_says_it() -> None:
    watch, entry = watched()
    watch.look(block("camera", [3, 4, 6, 7, 7, 10], 1))
    assert counted(entry) == {"gaps": 3, "doubled": 1}
    details = [remark.detail for remark in entry.remarks]
    assert "message 5 with number 7 came before" in details
    assert entry[Account.DUPLICATE] == 0


def test_every_start_begins_a_new_count_and_an_end_is_no_number() -> None:
    watch, entry = watched()
    for _ in range(3):
        for each in (flag("camera", Kind.START), block("camera", [3, 4, 5], 1), flag("camera", Kind.END)):
            watch.look(each)
    assert counted(entry) == {}


def test_numbers_that_begin_again_without_a_start_are_a_restart() -> None:
    watch, entry = watched()
    watch.look(block("camera", [3, 4, 5, 3, 4], 1))
    assert counted(entry) == {"restarts": 1}


def test_without_a_known_beginning_the_first_number_is_it() -> None:
    watch, entry = watched(Traits(number="pulse"))
    watch.look(block("camera", [1000, 1001, 1003], 1))
    assert counted(entry) == {"gaps": 1}
    assert entry.remarks[-1].detail == "1 numbers missing, the first 1002"


def test_messages_without_numbers_are_not_judged() -> None:
    watch, entry = watched()
    watch.look(Block.of("camera", [Message(timestamp_ns=1), Message(timestamp_ns=1)], 1))
    assert counted(entry) == {}
