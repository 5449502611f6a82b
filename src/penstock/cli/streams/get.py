"""``penstock streams get``: messages of a stream by id, as files, bytes or JSON."""

from pathlib import Path
from typing import Annotated

import typer

from penstock.cli.streams.options import (
    DEFAULT_STORE,
    AddressArgument,
    ForceOption,
    StoreOption,
    existing,
    opened,
    stream_of,
    wrong,
)

__all__ = ["get", "ids_of"]

ENDINGS = (".npy", ".bin")


def get(
    address: AddressArgument,
    ids: Annotated[str, typer.Argument(metavar="ID[:ID]", help="One id, or the first and the last: 3:7, 3: or :7.")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Write buffers: arrays to .npy, their bytes to .bin."),
    ] = None,
    raw: Annotated[bool, typer.Option("--raw", help="Write the bytes of all buffers to standard output.")] = False,
    force: ForceOption = False,
    store: StoreOption = DEFAULT_STORE,
) -> None:
    """Take messages out of a stream by their ids.

    What is known of each is printed as one line of JSON, unless --raw asks for the bytes. With -o FILE.npy buffers are
    written as arrays, with -o FILE.bin as bytes; several become FILE-ID.npy, and FILE-ID-BUFFER.npy from the second
    buffer of a message on.

    Exit code 0 done; 1 if no such message is there or it is damaged; 2 wrong as written.
    """
    from penstock.cli.streams.getting import BufferFiles, get_messages

    where = stream_of(address)
    first, last = ids_of(ids)
    if output is not None and (raw or output.suffix not in ENDINGS):
        text = "and --raw are two ways to write the same" if raw else f'{output}: how to write "{output.suffix}"?'
        raise wrong("--output", text, "leave one out" if raw else "end the name in .npy or .bin")
    with opened(store) as opened_store:
        existing(opened_store, where)
        is_single = last == first
        files = None if output is None else BufferFiles(output, is_single=is_single, force=force)
        with opened_store.read(where) as reader:
            get_messages(reader, where, (first, last), files, raw=raw)


def ids_of(text: str) -> tuple[int, int]:
    """Read an id, or a first and a last one, both included.

    Raises
    ------
    CheckError
        If it is neither.

    Examples
    --------
    >>> ids_of("7"), ids_of("3:7"), ids_of(":7")
    ((7, 7), (3, 7), (1, 7))
    """
    begin, colon, end = text.partition(":")
    largest = 2**64 - 1
    try:
        first = int(begin) if begin or not colon else 1
        last = (int(end) if end else largest) if colon else first
    except ValueError:
        raise wrong("ID", f"{text!r} is no id", "write one such as 7, or a first and a last: 3:7") from None
    if not 1 <= first <= last <= largest:
        raise wrong("ID", f"{text!r} holds no id", "ids begin at 1, and the first comes before the last")
    return first, last
