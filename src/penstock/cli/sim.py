"""``penstock sim``: an instrument that does not exist, on a real socket."""

from typing import Annotated

import typer

__all__ = ["sim"]


def sim(
    instrument: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="A simulator; --list shows those there are. Your own is module:class, from the current folder first.",
            show_default=False,
        ),
    ] = "",
    bind: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Where to bind; port 0 takes any that is free.")
    ] = "tcp://127.0.0.1:0",
    points: Annotated[str, typer.Option(metavar="ROWSxCOLUMNS", help="Points of the scan.")] = "41x51",
    rate: Annotated[float, typer.Option(metavar="HZ", help="Points per second; 0 is as fast as they are taken.")] = 0.0,
    seed: Annotated[
        int | None, typer.Option(help="Of all that is chance; the same seed gives the same bytes.", show_default=False)
    ] = None,
    faults: Annotated[
        str,
        typer.Option(
            metavar="FAULTS",
            help="What goes wrong on purpose, such as lost=0.01,silence=5@200; --list shows the faults there are.",
        ),
    ] = "",
    compression: Annotated[
        str,
        typer.Option(
            metavar="CODEC",
            help="How a camera compresses its frames, such as bslz4; by default not at all.",
            show_default=False,
        ),
    ] = "",
    series: Annotated[int, typer.Option(help="How many scans, one after the other.")] = 1,
    wait_s: Annotated[float, typer.Option(help="How long to wait for whoever receives.")] = 60.0,
    peers: Annotated[int, typer.Option(help="How many receivers a ZeroMQ socket waits for.")] = 1,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")] = False,
    only_list: Annotated[bool, typer.Option("--list", help="List the simulators and the faults there are.")] = False,
) -> None:
    """Be an instrument that does not exist: send a scan over a real socket, in the instrument's own protocol.

    Prints the address and waits until somebody receives; nothing is lost but what --faults says. At the end it prints
    what was sent and what went wrong on purpose, so that a ledger can be checked against it. Ctrl-C ends the scan
    early; a second one stops at once.

    Exit code 0 finished, 1 failed, 2 wrong as written, 130 stopped on request.
    """
    from penstock.cli.simulating import list_simulators, simulate

    if only_list:
        list_simulators(as_json=as_json)
        return
    code = simulate(
        points,
        as_json=as_json,
        is_quiet=quiet,
        instrument=instrument,
        address=bind,
        rate_hz=rate,
        **({} if seed is None else {"seed": seed}),
        faults=faults,
        compression=compression,
        series=series,
        wait_s=wait_s,
        peers=peers,
    )
    raise typer.Exit(code)
