"""``penstock streams query``: messages by what is known of them."""

from typing import Annotated

import typer

from penstock.cli.streams.options import (
    DEFAULT_STORE,
    STOPPED,
    AddressArgument,
    StoreOption,
    existing,
    opened,
    stream_of,
    wrong,
)

__all__ = ["query"]

INCOMPLETE = 3


def query(
    address: AddressArgument,
    text: Annotated[str, typer.Argument(metavar="QUERY", help="Such as 'meta.energy_keV > 5 ORDER BY _id LIMIT 10'.")],
    store: StoreOption = DEFAULT_STORE,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")] = False,
) -> None:
    """Print the messages of a stream that a query asks for, one a line.

    The language is that of docs/reference/query.md. Without ORDER BY they are in their order of arrival.

    Exit code 0, also if there is none; 1 if there is no such stream; 2 wrong as written; 3 if a part of the stream is
    damaged, so that messages may be lacking; 130 stopped.
    """
    from penstock.cli.streams.querying import print_found
    from penstock.core.query import MESSAGE_FIELDS, Query
    from penstock.errors import QueryError
    from penstock.services.interrupt import Interrupt

    where = stream_of(address)
    try:
        wanted = Query.parse(text, MESSAGE_FIELDS)
    except QueryError as error:
        raise wrong("QUERY", str(error)) from error
    with opened(store) as opened_store, Interrupt() as interrupt:
        existing(opened_store, where)
        with opened_store.read(where) as reader:
            damaged = print_found(reader, wanted, interrupt, as_json=as_json)
    if interrupt.is_asked:
        raise typer.Exit(STOPPED)
    raise typer.Exit(INCOMPLETE if damaged else 0)
