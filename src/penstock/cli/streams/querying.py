"""What ``penstock streams query`` does once its command line is read."""

import sys
from collections.abc import Iterator

from penstock.cli.streams.shown import message_line, message_tree, printed_json, stored_messages
from penstock.core.query import Query
from penstock.errors import IntegrityError
from penstock.services.interrupt import Interrupt
from penstock.streams.past_damage import blocks_past_damage
from penstock.streams.store import StreamReader
from penstock.streams.stored_record import StoredRecord, stored_records

__all__ = ["print_found"]


def print_found(reader: StreamReader, query: Query, interrupt: Interrupt, *, as_json: bool) -> bool:
    """Print what a query asks for until somebody asks for an end; return whether a part of the stream is damaged."""
    damaged: list[IntegrityError] = []

    def records() -> Iterator[StoredRecord]:
        for stored in blocks_past_damage(reader, damaged.append):
            if interrupt.is_asked:
                return
            yield from stored_records(stored)

    for record in query.select(records()):
        if interrupt.is_asked:
            break
        ((message, encodings),) = stored_messages(record.stored)
        print(printed_json(message_tree(message, encodings)) if as_json else message_line(message, encodings))
    sys.stdout.flush()
    for error in damaged:
        print(f"penstock: {error}", file=sys.stderr)
    return bool(damaged)
