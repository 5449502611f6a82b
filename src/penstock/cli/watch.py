"""``penstock watch``: files that appear in folders become messages of a durable stream."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["watch"]


class When(StrEnum):
    """The names of the rules, as the command line knows them."""

    CLOSED = "closed"
    RENAMED = "renamed"
    STABLE = "stable"


def watch(
    folders: Annotated[list[Path], typer.Argument(metavar="FOLDER…", help="Which, with all folders in them.")],
    store: Annotated[str, typer.Option(metavar="WHERE", help="The store: a folder.")],
    to: Annotated[
        str,
        typer.Option(
            metavar="ADDRESS",
            help="beamtime/source/stream; or beamtime/source: then each folder has a stream of its name.",
        ),
    ],
    pattern: Annotated[
        list[str] | None,
        typer.Option(
            metavar="GLOB",
            help="Which files, such as '*.tif' for names or 'run*/**/*.h5' for whole paths; may be repeated.",
        ),
    ] = None,
    ignore: Annotated[
        list[str] | None,
        typer.Option(metavar="GLOB", help="Which files and folders not, beside .*, *~, *.tmp and *.part."),
    ] = None,
    complete: Annotated[
        When,
        typer.Option(
            help="When a file is complete: closed by who wrote it, renamed to its name, or unchanged for --stable-s."
        ),
    ] = When.CLOSED,
    stable_s: Annotated[
        float, typer.Option(min=0.01, metavar="S", help="For stable, and wherever closing cannot be seen.")
    ] = 2.0,
    existing: Annotated[
        bool, typer.Option("--existing", help="Send files, too, that are there when a folder is watched first.")
    ] = False,
    metadata_only: Annotated[
        bool, typer.Option("--metadata-only", help="Send only what the files are called, where, and their size.")
    ] = False,
    npy: Annotated[bool, typer.Option("--npy", help="Send .npy files as arrays.")] = False,
    dataset: Annotated[
        str,
        typer.Option(
            metavar="N",
            help="Make datasets: 16 for one of each sixteen files, or 3/16 if each file is the third part of sixteen.",
        ),
    ] = "",
    remove_after_send: Annotated[
        bool, typer.Option("--remove-after-send", help="Remove files once their messages would survive a power loss.")
    ] = False,
    resend_changed: Annotated[
        bool, typer.Option("--resend-changed", help="Send a file again, as another message, when it has changed.")
    ] = False,
    journal: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where to note what was sent; by default in the store.")
    ] = None,
    files: Annotated[int, typer.Option(min=0, metavar="N", help="Stop after so many; 0 means never.")] = 0,
    finish: Annotated[bool, typer.Option("--finish", help="End the stream when this ends.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")] = False,
) -> None:
    """Send files that appear in folders to a durable stream: each once, also when this is stopped, killed and started.

    Ctrl-C ends it when what was read is stored.
    """
    from penstock.cli.watching import watch_folders
    from penstock.streams.file_choice import IGNORED
    from penstock.streams.file_numbering import FileNumbering
    from penstock.streams.watch_options import WatchOptions

    options = WatchOptions(
        patterns=tuple(pattern or ()),
        ignore=(*IGNORED, *(ignore or ())),
        complete=complete.value,
        stable_s=stable_s,
        existing=existing,
        numbering=FileNumbering.parse(dataset),
        payload=not metadata_only,
        arrays=npy,
        remove=remove_after_send,
        resend_changed=resend_changed,
    )
    raise typer.Exit(
        watch_folders(folders, store, to, options, journal=journal, files=files, is_finished=finish, as_json=as_json)
    )
