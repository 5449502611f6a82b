"""The books of a run as a sink that tells all gets them when it is closed."""

from collections.abc import Iterable, Mapping
from typing import Any

from penstock.core import Account
from penstock.core.ledger import LedgerRow
from penstock.core.parameters import Change
from penstock.core.timestamp import Timestamp
from penstock.services.element_orders import plain

__all__ = ["as_ledger", "change_told", "ledger_told"]


def ledger_told(rows: Iterable[LedgerRow]) -> list[dict[str, Any]]:
    """Return the books as a sink gets them: one mapping an edge."""
    return [
        {"producer": producer, "consumer": consumer, "arrived": arrived}
        | {account.label: count for account, count in zip(Account, accounts, strict=True)}
        for producer, consumer, arrived, accounts in rows
    ]


def as_ledger(edges: Iterable[Any]) -> list[dict[str, Any]]:
    """Return the books of a report's edges, `monitor.report.EdgeReport`, as a sink gets them."""
    return [
        {"producer": edge.producer, "consumer": edge.consumer, "arrived": edge.arrived}
        | {account.label: edge.accounts.get(account.label, 0) for account in Account}
        for edge in edges
    ]


def change_told(
    change: Change | None = None,
    *,
    revision: int = 0,
    from_event: int = 0,
    values: Mapping[str, Any] | None = None,
    when: Timestamp | None = None,
) -> dict[str, Any]:
    """Return one revision of the parameters as a sink gets it."""
    if change is not None:
        revision, from_event, values, when = change.revision, change.from_event, change.values, change.when
    told = {"revision": revision, "from_event": from_event, "values": plain(dict(values or {}))}
    return (
        told
        | ({"who": change.who} if change is not None else {})
        | ({"when": when.isoformat()} if when is not None and when != Timestamp(0) else {})
    )
