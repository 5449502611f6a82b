"""``penstock streams import`` and ``export``: recordings of what instruments sent, into a store and out of it."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from penstock.cli.streams.options import (
    DEFAULT_STORE,
    STOPPED,
    AddressArgument,
    ForceOption,
    JsonOption,
    QuietOption,
    StoreOption,
    existing,
    must_be_free,
    opened,
    stream_of,
    wrong,
)

__all__ = ["export_recording", "import_recording"]

INCOMPLETE = 3
HEARD_IMPORT = "\nstopping behind the next packets; the same command goes on there\n"
HEARD_EXPORT = "\nstopping; no file is left\n"


def import_recording(
    file: Annotated[
        Path | None,
        typer.Argument(help="A recording, such as penstock capture writes; .gz is read too.", show_default=False),
    ] = None,
    address: Annotated[
        str, typer.Argument(metavar="[ADDRESS]", help="The stream: beamtime/source/stream.", show_default=False)
    ] = "",
    asapo: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Instead: the folder of a beamtime, with raw/ and processed/ in it."),
    ] = None,
    beamtime: Annotated[
        str, typer.Option(metavar="ID", help="What it is called; else as its metadata file says, or its folder.")
    ] = "",
    layout: Annotated[
        str,
        typer.Option(
            metavar="PATTERN",
            help="What paths tell, as raw/{source}/{stream}_{id}.cbf; else raw or processed is the source, "
            "the folder below it the stream.",
        ),
    ] = "",
    source: Annotated[str, typer.Option(metavar="NAME", help="What the source is called.")] = "",
    pattern: Annotated[
        list[str] | None, typer.Option(metavar="GLOB", help="Which files, such as '*.cbf'; may be repeated.")
    ] = None,
    payload: Annotated[
        bool, typer.Option("--payload", help="Take the files' bytes, too; else the files are spoken of.")
    ] = False,
    settle_s: Annotated[
        float, typer.Option(min=0, metavar="S", help="How long a file must not have changed.", show_default=True)
    ] = 2.0,
    finish: Annotated[bool, typer.Option("--finish", help="Say of streams that are whole that this was all.")] = False,
    store: StoreOption = DEFAULT_STORE,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Make a stream of a recording: each packet a message, its parts the buffers, as bytes, and its time of reception.

    The stream is finished then, or aborted if the recording is cut off. After an interruption the same command goes on
    behind what is there.

    With --asapo, make streams of the files of a beamtime: each file a message with its path, size and time. The same
    command once more takes what has come since.

    Exit code 0 done; 1 something else is in the place of the stream, or files could not be read; 2 wrong as written;
    3 the recording is cut off, or files are being written, or have changed; 130 stopped.
    """
    from penstock.services.tree_import import ImportOptions
    from penstock.streams.file_choice import FileChoice

    if asapo is not None:
        from penstock.cli.streams.importing import import_beamtime

        if file is not None:
            raise wrong("--asapo", f"{file} and a beamtime's folder cannot be imported at once", "leave one out")
        options = ImportOptions(choice=FileChoice(pattern or ()), payload=payload, settle_s=settle_s)
        raise typer.Exit(
            import_beamtime(
                asapo, store, options,
                beamtime=beamtime, layout=layout, source=source, finish=finish, quiet=quiet, as_json=as_json,
            )
        )  # fmt: skip
    if file is None or not address:
        raise wrong("FILE", "a recording and the stream it becomes are missing", "write FILE ADDRESS, or --asapo DIR")
    _import_recording(file, address, store, quiet=quiet, as_json=as_json)


def _import_recording(file: Path, address: str, store: str, *, quiet: bool, as_json: bool) -> None:
    from penstock.cli.streams.progress import progress_bar
    from penstock.cli.streams.shown import printed_json, shown_count
    from penstock.elements.recording_file import RecordingFile
    from penstock.errors import SourceError
    from penstock.services.interrupt import Interrupt
    from penstock.services.recording_import import import_packets

    where = stream_of(address)
    try:
        recording = RecordingFile(file)
    except SourceError as error:
        raise wrong("FILE", str(error)) from error
    with (
        opened(store, make=True) as opened_store,
        Interrupt(HEARD_IMPORT) as interrupt,
        progress_bar(str(where), 0, hidden=quiet or as_json) as progress,
    ):
        done = import_packets(recording, opened_store, where, progress, lambda: interrupt.is_asked)
    if as_json:
        print(printed_json({"address": str(where), "file": str(file), **done}))
    elif not quiet:
        before = f", {done['before']:,} were there" if done["before"] else ""
        print(f"{where}: {shown_count(done['messages'], 'packet')} of {file}{before}; {done['state']}")
    if done["trouble"]:
        print(f"penstock: {file}: {done['trouble']}", file=sys.stderr)
    if interrupt.is_asked:
        raise typer.Exit(STOPPED)
    raise typer.Exit(INCOMPLETE if done["trouble"] else 0)


def export_recording(
    address: AddressArgument,
    file: Annotated[Path, typer.Argument(help="Where to write; with the ending .gz it is compressed.")],
    plain: Annotated[
        bool | None,
        typer.Option("--plain/--timed", help="Packets alone, or with their times; by default as it was imported."),
    ] = None,
    force: ForceOption = False,
    store: StoreOption = DEFAULT_STORE,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Make a recording of a stream: each message a packet, each buffer a part, as bytes.

    What was imported comes out byte for byte. Keys, metadata, and the dtype and shape of arrays have no place in a
    recording; it is said if there are any.

    Exit code 0 done; 1 not there, damaged, or a message has no buffer; 2 wrong as written; 130 stopped.
    """
    from penstock.cli.streams.progress import progress_bar
    from penstock.cli.streams.shown import printed_json, shown_count
    from penstock.services.interrupt import Interrupt
    from penstock.services.recording_export import export_packets

    where = stream_of(address)
    must_be_free(file, "FILE", force=force)
    with opened(store) as opened_store, Interrupt(HEARD_EXPORT) as interrupt:
        info = existing(opened_store, where)
        with progress_bar(str(file), info.count, hidden=quiet or as_json) as progress:
            done = export_packets(opened_store, where, file, plain, progress, lambda: interrupt.is_asked)
    if interrupt.is_asked:
        raise typer.Exit(STOPPED)
    if as_json:
        print(printed_json({"address": str(where), "file": str(file), **done}))
    elif not quiet:
        print(f"{file}: {shown_count(done['packets'], 'packet')} of {where}")
    if done["lost"]:
        print(f"penstock: {', '.join(done['lost'])} of {where} have no place in a recording", file=sys.stderr)
