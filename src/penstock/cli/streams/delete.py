"""``penstock streams delete``: exactly one stream, removed after asking."""

import sys
from typing import Annotated

import typer

from penstock.cli.streams.options import (
    DEFAULT_STORE,
    STOPPED,
    AddressArgument,
    QuietOption,
    StoreOption,
    existing,
    opened,
    stream_of,
    wrong,
)

__all__ = ["delete"]


def delete(
    address: AddressArgument,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    store: StoreOption = DEFAULT_STORE,
    quiet: QuietOption = False,
) -> None:
    """Remove exactly one stream, with its groups and what was said of it; nothing brings it back.

    Exit code 0 done; 1 it is not there, or somebody writes it; 2 wrong as written, also if nobody can be asked; 130 the
    answer was no.
    """
    from penstock.cli.streams.shown import shown_count, shown_size

    where = stream_of(address)
    with opened(store) as opened_store:
        info = existing(opened_store, where)
        what = f"{where}, {info.state}, {shown_count(info.count, 'message')}, {shown_size(info.nbytes)}"
        if not yes and not sys.stdin.isatty():
            raise wrong("--yes", f"{what}: nobody can be asked whether to delete it", "add --yes")
        if not yes and not typer.confirm(f"delete {what}?", err=True):
            print("nothing was deleted", file=sys.stderr)
            raise typer.Exit(STOPPED)
        opened_store.delete(where)
    if not quiet:
        print(f"deleted: {what}")
