"""The ledger: in = sum of accounts + in flight, whatever is posted in whatever order."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.core.ledger import Account, Counter, Entry, Ledger

steps = st.lists(st.tuples(st.sampled_from([None, *Account]), st.integers(0, 5)), max_size=60)


@given(steps)
def test_everything_is_in_one_account_or_in_flight(steps: list[tuple[Account | None, int]]) -> None:
    ledger = Ledger()
    entry = ledger.entry("scan", "fit")
    posted = dict.fromkeys(Account, 0)
    arrived = 0
    for account, count in steps:
        if account is None:
            entry.arrive(count)
            arrived += count
        elif count <= arrived - sum(posted.values()):
            entry.post(account, count)
            posted[account] += count
        else:
            with pytest.raises(ValueError, match=f"scan → fit: {count} {account.label}, but only"):
                entry.post(account, count)
        assert entry.arrived == arrived == sum(entry[a] for a in Account) + entry.in_flight
        assert entry.in_flight >= 0
    assert {account: entry[account] for account in Account} == posted
    assert all(ledger.total(account) == posted[account] for account in Account)


def test_an_edge_has_one_entry_and_entries_keep_their_order() -> None:
    ledger = Ledger()
    first, second = ledger.entry("b", "x"), ledger.entry("a", "x")
    assert ledger.entry("b", "x") is first
    assert list(ledger) == [first, second]
    first.arrive(2)
    second.arrive(1)
    assert ledger.in_flight == 3


def test_counters_are_beside_the_accounts() -> None:
    entry = Entry("xspress3", "scan")
    entry.note(Counter.GAPS, 3, "frames 5 to 7 never came")
    assert (entry.counter(Counter.GAPS), entry.counter(Counter.REORDERED), entry.arrived) == (3, 0, 0)
    assert [(r.what, r.count, r.detail) for r in entry.remarks] == [("gaps", 3, "frames 5 to 7 never came")]


def test_only_what_happened_and_has_a_detail_is_remarked_and_only_the_last_are_kept() -> None:
    entry = Entry("xspress3", "scan")
    entry.arrive(100)
    entry.post(Account.LATE, 1)
    entry.post(Account.LATE, 0, "nothing")
    for k in range(30):
        entry.post(Account.DEAD_LETTERED, 1, f"event {k}")
    assert len(entry.remarks) == 20
    assert entry.remarks[-1].detail == "event 29"
    assert entry.remarks[-1].what == "dead-lettered"
