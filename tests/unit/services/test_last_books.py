"""The books as they were said last: how old, when to ask again, and what they are when the run has ended."""

import msgspec

from penstock.core import Account, Ledger
from penstock.monitor.edge_watch import Watches
from penstock.monitor.report import books_of_nothing, edges_of
from penstock.services.last_books import BOOKS_S, LastBooks


def test_they_are_asked_for_now_and_then() -> None:
    books = LastBooks("p", "r1")
    assert [books.is_due(at) for at in (5.0, 5.5, 5.0 + BOOKS_S, 5.5 + BOOKS_S)] == [True, False, True, False]


def test_what_is_known_is_said_with_its_age_and_what_was_under_way_is_aborted_at_the_end() -> None:
    books = LastBooks("p", "r1")
    assert books.age_text(9.0) == "its books are lost"
    assert (books.as_report(has_ended=True).pipeline, books.as_report(has_ended=True).edges) == ("p", [])
    ledger = Ledger()
    entry = ledger.entry("a", "scan")
    entry.arrive(5)
    entry.post(Account.DONE, 2)
    said = msgspec.structs.replace(books_of_nothing("p", "r1"), edges=edges_of(ledger, 1.0, Watches(ledger), 1))
    books.take(msgspec.Raw(msgspec.msgpack.encode(said)), 7.5)
    assert books.age_text(9.0) == "the books are those of 1.5 s before"
    (edge,) = books.as_report(has_ended=False).edges
    assert edge.in_flight == 3
    (edge,) = books.as_report(has_ended=True).edges
    assert (edge.in_flight, edge.accounts["aborted"]) == (0, 3)
