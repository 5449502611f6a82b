"""``penstock streams tail``: the last messages of a stream, and those that come."""

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
)

__all__ = ["tail"]

INCOMPLETE = 3


def tail(
    address: AddressArgument,
    count: Annotated[int, typer.Option("-n", min=0, metavar="N", help="How many of the messages there are.")] = 10,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with those that come, until the stream ends or Ctrl-C.")
    ] = False,
    store: StoreOption = DEFAULT_STORE,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")] = False,
) -> None:
    """Print the last messages of a stream in their order of arrival, one a line, with what is known of each.

    With --follow the stream need not be there yet. Exit code 0 done, also by Ctrl-C while it waits; 1 if there is no
    such stream; 2 wrong as written; 3 if the stream was aborted or a part of it is damaged; 130 if Ctrl-C cut off what
    was there.
    """
    from penstock.cli.streams.tailing import Tail
    from penstock.services.interrupt import Interrupt

    where = stream_of(address)
    with opened(store) as opened_store, Interrupt() as interrupt:
        if not follow:
            existing(opened_store, where)
        with opened_store.read(where) as reader:
            tailed = Tail(reader, interrupt, as_json=as_json)
            tailed.print_last(count)
            if follow:
                tailed.follow()
    if interrupt.is_asked and not follow:
        raise typer.Exit(STOPPED)
    raise typer.Exit(INCOMPLETE if tailed.is_incomplete else 0)
