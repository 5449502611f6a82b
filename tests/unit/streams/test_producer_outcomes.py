"""Whatever is sent in whatever order, and whatever fails: each receipt ends once, and the stream has what they say."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.core.block import Block
from penstock.core.stream_address import StreamAddress
from penstock.errors import StoreFullError, StreamError
from penstock.streams.producer import Producer
from penstock.streams.receipts import OutcomeKind, Receipt
from tests.unit.streams.failing_store import FailingStore

RUN = StreamAddress("c", "e", "r")
IDS = st.none() | st.integers(1, 12)
SENT = st.lists(st.tuples(IDS, st.sampled_from([b"a", b"b", b"", None]), st.none() | st.integers(0, 2), st.booleans()))
FAILS = st.lists(st.sampled_from(["", "", "before", "after"]), max_size=8)


class _Failing(FailingStore):
    """Fails as told, block by block; then no more."""

    def __init__(self, fails: list[str]) -> None:
        super().__init__(before=lambda block: self._at("before", block), after=lambda block: self._at("after", block))
        self._fails = iter(fails)
        self._now = ""

    def _at(self, moment: str, block: Block) -> Exception | None:
        if moment == "before":
            self._now = next(self._fails, "")
        return StoreFullError(f"{moment}, {len(block)} messages") if self._now == moment else None


def _settled(receipt: Receipt) -> OutcomeKind:
    assert receipt.done
    first, second = receipt.outcome, receipt.outcome
    assert first is not None
    assert first == second
    assert (first.error is None) == (first.kind in (OutcomeKind.STORED, OutcomeKind.DUPLICATE))
    assert bool(first.reason) == (first.kind is not OutcomeKind.STORED)
    return first.kind


def _content(store: FailingStore) -> dict[int, Any]:
    with store.read(RUN) as reader:
        messages = [message for stored in reader.blocks() for message in stored.messages()]
    assert len({message.id for message in messages}) == len(messages)
    return {m.id: (None if m.array is None else bytes(m.array), m.key) for m in messages}


@given(SENT, FAILS)
def test_every_receipt_ends_in_one_outcome_and_the_stream_has_what_they_say(
    sent: list[tuple[int | None, bytes | None, int | None, bool]], fails: list[str]
) -> None:
    with _Failing(fails) as store:
        out = Producer(store, RUN)
        receipts: list[tuple[Receipt, Any]] = []
        for number, data, key, is_waited in sent:
            receipt = out.send(data, id=number, key=key)
            assert number is None or receipt.id == number
            receipts.append((receipt, (data, key)))
            if is_waited:
                said = ""
                try:
                    receipt.wait(20)
                except StreamError as error:
                    said = str(error)
                assert receipt.outcome is not None
                assert said == str(receipt.outcome.error or "")
        try:
            out.close()
        except StreamError:
            assert any(receipt.outcome and receipt.outcome.error for receipt, _ in receipts)
        kinds = [_settled(receipt) for receipt, _ in receipts]
        content = _content(store)
        counts = out.counts
        assert counts.open == 0
        assert counts.stored == kinds.count(OutcomeKind.STORED)
        assert counts.duplicates == kinds.count(OutcomeKind.DUPLICATE)
        assert counts.conflicts == kinds.count(OutcomeKind.CONFLICT)
        assert counts.failed == kinds.count(OutcomeKind.FAILED)
        stored = [receipt.id for (receipt, _), kind in zip(receipts, kinds, strict=True) if kind is OutcomeKind.STORED]
        assert len(set(stored)) == len(stored)
        for (receipt, what), kind in zip(receipts, kinds, strict=True):
            if kind in (OutcomeKind.STORED, OutcomeKind.DUPLICATE):
                assert content[receipt.id] == what
            if kind is OutcomeKind.CONFLICT:
                assert content[receipt.id] != what
        if "after" not in fails:
            assert set(stored) == set(content)


@settings(max_examples=50)
@given(st.integers(1, 30), FAILS, st.data())
def test_sending_what_failed_again_neither_loses_nor_doubles(n: int, fails: list[str], data: st.DataObject) -> None:
    with _Failing(fails) as store:
        left = {number: b"%d" % number for number in data.draw(st.permutations(range(1, n + 1)))}
        wanted = {number: (content, None) for number, content in left.items()}
        out = Producer(store, RUN)
        while left:
            receipts = {number: out.send(content, id=number) for number, content in left.items()}
            for number, receipt in receipts.items():
                try:
                    receipt.wait(20)
                except StoreFullError:
                    continue
                del left[number]
        out.close()
        assert _content(store) == wanted
        assert out.counts.conflicts == 0
