"""``penstock streams ls``: the streams there are, those first that were created first."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from penstock.cli.streams.options import DEFAULT_STORE, JsonOption, StoreOption, address_of, opened, wrong

if TYPE_CHECKING:
    from penstock.streams.store import StreamInfo

__all__ = ["ls"]


def ls(
    within: Annotated[
        str, typer.Argument(metavar="[BEAMTIME[/SOURCE]]", help="Only those of a beamtime or source.")
    ] = "",
    states: Annotated[
        list[str] | None,
        typer.Option("--state", metavar="STATE", help="Only those that are open, finished, aborted or stalled."),
    ] = None,
    match: Annotated[
        str, typer.Option(metavar="PATTERN", help="Only those whose own names match, as file names do: 'run *'.")
    ] = "*",
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
) -> None:
    """List the streams there are, those first that were created first; times are UTC.

    Exit code 0, also if there is none; 2 wrong as written.
    """
    from fnmatch import fnmatchcase

    from penstock.cli.streams.shown import info_tree, printed_json
    from penstock.streams.store import StreamState

    for state in states or []:
        if state not in [*StreamState]:
            raise wrong("--state", f'no stream is ever "{state}"', f"write one of {', '.join(StreamState)}")
    address = address_of(within, "BEAMTIME/SOURCE") if within else None
    with opened(store) as opened_store:
        found = [
            info
            for info in opened_store.streams(address)
            if info.state in (states or [*StreamState]) and fnmatchcase(info.address.stream, match)
        ]
    if as_json:
        print(printed_json([info_tree(info) for info in found], indent=2))
    elif found:
        _print(found)
    else:
        print("no streams", file=sys.stderr)


def _print(found: "Sequence[StreamInfo]") -> None:
    from rich.table import Table
    from rich.text import Text

    from penstock.cli.streams.shown import print_whole, shown_size, shown_time

    table = Table(box=None, pad_edge=False)
    for name in ("address", "state"):
        table.add_column(name, no_wrap=True)
    for name in ("messages", "ids", "size", "created", "last"):
        table.add_column(name, justify="right", no_wrap=True)
    for info in found:
        table.add_row(
            Text(str(info.address)),
            info.state,
            f"{info.count:,}",
            f"{info.first_id}–{info.last_id}" if info.count else "·",
            shown_size(info.nbytes),
            shown_time(info.created_ns),
            shown_time(info.last_ns),
        )
    print_whole(table)
