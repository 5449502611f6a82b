"""``penstock streams copy``: a stream with its ids, metadata and end, once more."""

import sys
from typing import Annotated

import typer

from penstock.cli.streams.options import (
    DEFAULT_STORE,
    STOPPED,
    JsonOption,
    QuietOption,
    StoreOption,
    existing,
    opened,
    stream_of,
    wrong,
)

__all__ = ["copy"]

INCOMPLETE = 3
HEARD = "\nstopping behind the next block; the same command goes on there\n"


def copy(
    address: Annotated[str, typer.Argument(metavar="FROM", help="The stream: beamtime/source/stream.")],
    to: Annotated[str, typer.Argument(metavar="TO", help="The copy: beamtime/source/stream.")],
    store: StoreOption = DEFAULT_STORE,
    to_store: Annotated[
        str, typer.Option("--to-store", metavar="WHERE", help="The store of the copy; by default the same.")
    ] = "",
    past_damage: Annotated[
        bool, typer.Option("--past-damage", help="Leave out what is damaged, and copy the rest.")
    ] = False,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Copy a stream within a store or to another one, which is made if it is not there.

    The same command once more goes on behind what is there, after an interruption or as a stream grows. Ids, metadata,
    the order of arrival and how the stream ended are kept.

    Exit code 0 done; 1 not there, damaged, or something else is in the place of the copy; 2 wrong as written; 3 damage
    was left out; 130 stopped.
    """
    from contextlib import ExitStack
    from pathlib import Path

    import msgspec

    from penstock.cli.streams.progress import progress_bar
    from penstock.cli.streams.shown import printed_json, shown_count
    from penstock.services.interrupt import Interrupt
    from penstock.streams.stream_copy import copy_stream

    source, target = stream_of(address, "FROM"), stream_of(to, "TO")
    is_within = not to_store or Path(to_store).resolve() == Path(store).resolve()
    if is_within and source == target:
        raise wrong("TO", f"{target} is the stream itself", "name another one, or another store with --to-store")
    with ExitStack() as stack:
        from_there = stack.enter_context(opened(store))
        info = existing(from_there, source)
        to_there = from_there if is_within else stack.enter_context(opened(to_store, make=True, option="--to-store"))
        interrupt = stack.enter_context(Interrupt(HEARD))
        with progress_bar(str(target), info.count, hidden=quiet or as_json, unit="message") as progress:
            copied = copy_stream(
                from_there,
                source,
                to_there,
                target,
                past_damage=past_damage,
                progress=progress,
                is_stopped=lambda: interrupt.is_asked,
            )
    if as_json:
        print(printed_json({"address": str(target), **msgspec.structs.asdict(copied)}))
    elif not quiet:
        before = f", {copied.before:,} were there" if copied.before else ""
        print(f"{target}: {shown_count(copied.messages, 'message')} copied{before}; {copied.state}")
    for damage in copied.damaged:
        print(f"penstock: {damage}", file=sys.stderr)
    if interrupt.is_asked:
        raise typer.Exit(STOPPED)
    raise typer.Exit(INCOMPLETE if copied.damaged else 0)
