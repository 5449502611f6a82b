"""``penstock play``: put recordings onto real sockets, as their instruments would."""

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["play"]


def play(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Recordings; .gz is read too.")],
    to: Annotated[
        list[str],
        typer.Option("--to", metavar="ADDRESS", help="Where to bind, one for each file, in order; port 0 takes any."),
    ],
    socket: Annotated[
        list[str] | None,
        typer.Option(metavar="KIND", help="push, pub or tcp; one for all or one each. Default: as the instrument."),
    ] = None,
    protocol: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="What was recorded; one for all or one each. Default: what the file shows."),
    ] = None,
    rate: Annotated[
        float | None, typer.Option(metavar="HZ", help="Records per second, of the longest file if there are several.")
    ] = None,
    own_pace: Annotated[bool, typer.Option("--own-pace", help="As they were received, if the file says when.")] = False,
    repeat: Annotated[int, typer.Option(min=0, help="How often; 0 means for ever.")] = 1,
    wait_s: Annotated[float, typer.Option(min=0.0, help="How long to wait for whoever receives.")] = 60.0,
    peers: Annotated[int, typer.Option(min=1, help="How many receivers each socket waits for.")] = 1,
    greeting: Annotated[
        str | None, typer.Option(help=r"What a TCP client must say first, \n for a new line. Default: the protocol's.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")] = False,
) -> None:
    """Put recordings onto real sockets, byte for byte.

    Waits until somebody receives, then sends as fast as it is taken (or at --rate or --own-pace); nothing is lost.
    Several files are played together, each on its own address.
    """
    from penstock.cli.playing import play_files

    raise typer.Exit(
        play_files(
            files,
            to,
            sockets=socket or [],
            protocols=protocol or [],
            greeting=greeting,
            rate_hz=rate,
            own_pace=own_pace,
            repeat=repeat,
            wait_s=wait_s,
            peers=peers,
            as_json=as_json,
        )
    )
