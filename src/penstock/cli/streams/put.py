"""``penstock streams put``: files, or what comes on standard input, as messages of a stream."""

from typing import Annotated

import typer

from penstock.cli.streams.options import (
    DEFAULT_STORE,
    AddressArgument,
    JsonOption,
    QuietOption,
    StoreOption,
    opened,
    stream_of,
    wrong,
)

__all__ = ["put"]


def put(
    address: AddressArgument,
    files: Annotated[
        list[str] | None,
        typer.Argument(metavar="[FILE]...", help="Each is one message; - is standard input.", show_default=False),
    ] = None,
    metadata: Annotated[str, typer.Option(metavar="JSON", help="What is said of each message.")] = "",
    first_id: Annotated[
        int, typer.Option("--id", min=0, metavar="N", help="Of the first message; 0 is behind the largest.")
    ] = 0,
    finish: Annotated[bool, typer.Option("--finish", help="Say that this was all.")] = False,
    next_stream: Annotated[
        str, typer.Option("--next", metavar="STREAM", help="Say that this was all, and what follows.")
    ] = "",
    abort: Annotated[str, typer.Option("--abort", metavar="REASON", help="Say that the rest never comes.")] = "",
    store: StoreOption = DEFAULT_STORE,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Append files to a stream, which is made if it is not there, as is the store.

    A .npy becomes an array, any other file bytes, and the time of each message is now. Without files standard input is
    read, unless the stream is ended. Messages survive a loss of power when the command has ended.

    Exit code 0 done; 1 refused: somebody else writes it, it has ended, an id is there; 2 wrong as written.
    """
    from penstock.cli.streams.progress import progress_bar
    from penstock.cli.streams.putting import messages_of, read_metadata
    from penstock.cli.streams.shown import printed_json, shown_count
    from penstock.core.block import Block

    where = stream_of(address)
    if abort and (finish or next_stream):
        raise wrong("--abort", "a stream is finished or aborted, not both", "leave one out")
    names = files or ([] if finish or next_stream or abort else ["-"])
    said = read_metadata(metadata)
    ids = []
    with opened(store, make=True) as opened_store, opened_store.write(where) as writer:
        with progress_bar(str(where), len(names), hidden=quiet or as_json) as done:
            for message in messages_of(names, first_id or writer.last_id + 1, said):
                writer.append(Block.of(where.stream, [message]))
                ids.append(message.id)
                done(1)
        if finish or next_stream:
            writer.finish(next_stream)
        elif abort:
            writer.abort(abort)
    end = "aborted" if abort else "finished" if finish or next_stream else ""
    if as_json:
        print(printed_json({"address": str(where), "ids": ids, "ended": end or None}))
    elif not quiet:
        how = f", id {ids[0]}" + (f" to {ids[-1]}" if len(ids) > 1 else "") if ids else ""
        print(f"{where}: {shown_count(len(ids), 'message')}{how}" + (f"; {end}" if end else ""))
