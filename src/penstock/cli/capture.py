"""``penstock capture``: write what an instrument sends to a file, as it came."""

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["capture"]


def capture(
    source: Annotated[
        str,
        typer.Argument(help="A protocol, such as pandabox or stins, or module:class of a decoder of your own."),
    ],
    file: Annotated[Path, typer.Argument(help="Where to write; with the ending .gz it is compressed.")],
    connect: Annotated[str, typer.Option(metavar="ADDRESS", help="Of the instrument, such as tcp://detector:5556.")],
    scans: Annotated[int, typer.Option(min=0, help="Stop after so many scans; 0 means never.")] = 0,
    records: Annotated[int, typer.Option(min=0, help="Stop after so many messages; 0 means never.")] = 0,
    seconds: Annotated[float, typer.Option(min=0.0, help="Stop after so long; 0 means never.")] = 0.0,
    connect_s: Annotated[float, typer.Option(min=0.0, help="How long to wait for the instrument; 0 is for ever.")] = 30,
    force: Annotated[bool, typer.Option("--force", help="Write over a file that exists.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")] = False,
) -> None:
    """Write what an instrument sends to a file, byte for byte, with the times of reception.

    Ctrl-C ends it and leaves a complete file. `penstock play` sends such a file back; a pipeline reads it as a source
    (`use: recording`).
    """
    from penstock.cli.capturing import capture_file

    raise typer.Exit(
        capture_file(
            source,
            connect,
            file,
            connect_s=connect_s,
            force=force,
            as_json=as_json,
            scans=scans,
            records=records,
            seconds=seconds,
        )
    )
