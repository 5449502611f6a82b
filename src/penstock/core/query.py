"""A question to messages' metadata: which of them, in which order, how many. It knows nothing of where they are kept.

The language is described in ``docs/reference/query.md``.
"""

import sys
from collections.abc import Collection, Iterable, Iterator
from heapq import nlargest, nsmallest
from itertools import islice
from typing import Any, Final, Self, TypeVar

from penstock.core.message import Message
from penstock.core.query_order import sort_key
from penstock.core.query_parser import parse
from penstock.core.query_predicate import Record, predicate
from penstock.core.query_tree import Path, QueryTree, paths

__all__ = ["MESSAGE_FIELDS", "Query", "Record", "message_record"]

_R = TypeVar("_R", bound=Record)


class Query:
    """A query that was read; it never changes, and may be used from several threads.

    Examples
    --------
    >>> query = Query.parse("meta.energy_keV > 7 AND name REGEXP '^run' ORDER BY _id DESC LIMIT 1")
    >>> records = [{"_id": k, "name": f"run {k}", "meta": {"energy_keV": 6 + k}} for k in range(4)]
    >>> query.matches(records[1]), [record["_id"] for record in query.select(records)]
    (False, [3])
    """

    __slots__ = ("_fits", "text", "tree")

    def __init__(self, tree: QueryTree, text: str = "") -> None:
        self.tree = tree
        """What it says."""
        self.text = text
        """As it was written."""
        self._fits = None if tree.condition is None else predicate(tree.condition)

    @classmethod
    def parse(cls, text: str, fields: Collection[str] | None = None) -> Self:
        """Read a query; an empty one, which leaves out every clause, fits every record.

        The time grows with the length of the text, whatever is in it.

        Parameters
        ----------
        fields
            What records have, such as ``MESSAGE_FIELDS``, so that another is a mistake; ``None`` for anything.

        Raises
        ------
        QueryError
            If it is not written as it should be; ``at`` is the offending character, or the text's length if something
            is missing at its end.
        """
        return cls(parse(text, fields), text)

    @property
    def fields(self) -> tuple[Path, ...]:
        """The fields it looks at, each once, such as ``("meta", "roi", 0)``."""
        return tuple(dict.fromkeys(paths(self.tree)))

    def matches(self, record: Record) -> bool:
        """Tell whether a record fits the condition; of order, limit and offset it knows nothing. It raises nothing."""
        return self._fits is None or self._fits(record)

    def select(self, records: Iterable[_R]) -> Iterator[_R]:
        """Yield the records that fit, in order, without the first ``OFFSET`` ones, at most ``LIMIT``.

        Without ORDER BY each is yielded as it comes, and no more are taken than are needed. With ORDER BY all are taken
        first, of which at most ``OFFSET`` and ``LIMIT`` together are kept, if there is a limit; records that
        are equal in all fields stay in the order in which they came.
        """
        found = records if self._fits is None else filter(self._fits, records)
        offset = min(self.tree.offset, sys.maxsize)
        stop = None if self.tree.limit is None else min(offset + self.tree.limit, sys.maxsize)
        if self.tree.order:
            found = self._ordered(found, stop)
        yield from islice(found, offset, stop)

    def _ordered(self, found: Iterable[_R], most: int | None) -> list[_R]:
        key, reverse = sort_key(self.tree.order), self.tree.order[0].descending
        if most is None:
            return sorted(found, key=key, reverse=reverse)
        return (nlargest if reverse else nsmallest)(most, found, key=key)

    def __repr__(self) -> str:
        return f"Query({self.text!r})"


MESSAGE_FIELDS: Final = ("_id", "key", "timestamp", "size", "meta")
"""What ``message_record`` gives."""


def message_record(message: Message) -> dict[str, Any]:
    """Return what a query can ask of a message.

    ``_id``; ``key``, ``None`` if it has none; ``timestamp`` in ns UTC; ``size``, the bytes of its buffers; ``meta``.
    """
    return {
        "_id": message.id,
        "key": message.key,
        "timestamp": message.timestamp_ns,
        "size": sum(buffer.nbytes for buffer in message.buffers),
        "meta": message.metadata,
    }
