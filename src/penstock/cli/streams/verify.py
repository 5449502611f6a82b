"""``penstock streams verify``: whether what is stored is what was written."""

from typing import Annotated, Any

import typer

from penstock.cli.streams.options import (
    DEFAULT_STORE,
    STOPPED,
    JsonOption,
    QuietOption,
    StoreOption,
    address_of,
    existing,
    opened,
)

__all__ = ["print_found", "verify"]

DAMAGED = 1


def verify(
    address: Annotated[
        str, typer.Argument(metavar="[ADDRESS]", help="Only this stream, or those of a beamtime or source.")
    ] = "",
    store: StoreOption = DEFAULT_STORE,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Read all that is stored, compare it with its check sums, and name file and place of each damage.

    Streams may be written meanwhile. Exit code 0 nothing is wrong; 1 damaged, or no such stream; 2 wrong as written;
    130 stopped.
    """
    from penstock.cli.streams.in_folder import in_folder
    from penstock.cli.streams.progress import progress_bar
    from penstock.cli.streams.shown import printed_json
    from penstock.services.interrupt import Interrupt

    within = address_of(address) if address else None
    results: dict[str, Any] = {}
    with opened(store) as opened_store, Interrupt() as interrupt:
        folder = in_folder(opened_store, store)
        if within is not None and within.is_stream:
            existing(folder, within)
        addresses = [info.address for info in folder.streams(within)]
        with progress_bar("verifying", len(addresses), hidden=quiet or as_json) as progress:
            for each in addresses:
                if interrupt.is_asked:
                    break
                results[str(each)] = folder.verify(each)
                progress(1)
    if as_json:
        print(printed_json(results, indent=2))
    else:
        print_found(results, quiet=quiet)
    if interrupt.is_asked:
        raise typer.Exit(STOPPED)
    raise typer.Exit(DAMAGED if any(found.problems for found in results.values()) else 0)


def print_found(results: dict[str, Any], *, quiet: bool = False) -> None:  # by address a Found
    """Print what looking through streams has shown: a line a damage, and a sum."""
    from penstock.cli.streams.shown import shown_count, shown_size

    for address, found in results.items():
        for problem in found.problems:
            print(f"{address}: {problem}")
    problems = sum(len(found.problems) for found in results.values())
    if problems or not quiet:
        messages = shown_count(sum(found.messages for found in results.values()), "message")
        size = shown_size(sum(found.nbytes for found in results.values()))
        damage = shown_count(problems, "damage") if problems else "nothing is wrong"
        print(f"{shown_count(len(results), 'stream')}, {messages}, {size}: {damage}")
