"""``penstock streams rebuild``: the index of a stream, made again from what is stored."""

import typer

from penstock.cli.streams.options import (
    DEFAULT_STORE,
    AddressArgument,
    JsonOption,
    StoreOption,
    existing,
    opened,
    stream_of,
)

__all__ = ["rebuild"]

DAMAGED = 1


def rebuild(address: AddressArgument, store: StoreOption = DEFAULT_STORE, as_json: JsonOption = False) -> None:
    """Make the index of a stream, and its state if that is damaged, again from its segments.

    What can be read of damaged segments is found again; segments are not changed. Nobody may write the stream
    meanwhile. If its state was damaged it is open afterwards: whether it had ended is not known.

    Exit code 0 nothing is wrong now; 1 damage is left, somebody writes it, or it is not there; 2 wrong as written.
    """
    from penstock.cli.streams.in_folder import in_folder
    from penstock.cli.streams.shown import printed_json
    from penstock.cli.streams.verify import print_found

    where = stream_of(address)
    with opened(store) as opened_store:
        folder = in_folder(opened_store, store)
        existing(folder, where)
        found = folder.rebuild(where)
    if as_json:
        print(printed_json({str(where): found}, indent=2))
    else:
        print_found({str(where): found})
    raise typer.Exit(DAMAGED if found.problems else 0)
