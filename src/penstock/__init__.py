"""The face of penstock: the names people use, each loaded when it is first asked for.

Nothing of ours is imported at start, so that ``import penstock`` stays quick; no other module imports this one.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from penstock.core.block import Block as Block
    from penstock.core.event import Event as Event
    from penstock.core.event import EventBatch as EventBatch
    from penstock.core.ledger import Account as Account
    from penstock.core.ledger import Ledger as Ledger
    from penstock.core.message import Kind as Kind
    from penstock.core.message import Message as Message
    from penstock.core.parameter import Unit as Unit
    from penstock.core.result import Result as Result
    from penstock.core.timestamp import Timestamp as Timestamp
    from penstock.errors import PenstockError as PenstockError
    from penstock.views import ArrayView as ArrayView
    from penstock.views import Axis as Axis

__version__ = "0.1.0.dev0"

_HOMES = {
    "Account": "penstock.core.ledger",
    "ArrayView": "penstock.views",
    "Axis": "penstock.views",
    "Block": "penstock.core.block",
    "Event": "penstock.core.event",
    "EventBatch": "penstock.core.event",
    "Kind": "penstock.core.message",
    "Ledger": "penstock.core.ledger",
    "Message": "penstock.core.message",
    "PenstockError": "penstock.errors",
    "Result": "penstock.core.result",
    "Timestamp": "penstock.core.timestamp",
    "Unit": "penstock.core.parameter",
}
"""Where each name lives."""

__all__ = [  # noqa: PLE0604  # every name is a text
    "__version__",
    *_HOMES,
]


def __getattr__(name: str) -> Any:  # Any: whatever the name stands for
    try:
        home = _HOMES[name]
    except KeyError:
        raise AttributeError(f"penstock has no {name!r}; it has {', '.join(sorted(_HOMES))}") from None
    found = getattr(import_module(home), name)
    globals()[name] = found  # the next look-up no longer comes here
    return found


def __dir__() -> list[str]:
    return sorted(__all__)
