"""``penstock epics``: a running pipeline as process variables over PVAccess."""

from typing import Annotated

from penstock.extra import extra

with extra("cli"):
    import typer

__all__ = ["epics"]

HEARD = "\nending; Ctrl-C again stops at once\n"


def epics(
    address: Annotated[
        str, typer.Argument(metavar="[ADDRESS]", help="Of the pipeline, as penstock run prints it.")
    ] = "http://127.0.0.1:8400",
    prefix: Annotated[
        str, typer.Option("--prefix", metavar="P:", help="How all names begin, such as BL01:LIVE:.")
    ] = "PENSTOCK:",
    bind: Annotated[
        str,
        typer.Option(
            "--bind",
            metavar="HOST:PORT",
            help="Where it is looked for, as clients have it in EPICS_PVA_ADDR_LIST; port 0 takes any that is free.",
        ),
    ] = "127.0.0.1:5076",
    read_only: Annotated[bool, typer.Option("--read-only", help="Nobody can write parameters and commands.")] = False,
    open_to_network: Annotated[
        bool,
        typer.Option("--open-to-network", help="Others than this machine may come in; nobody is asked for a password."),
    ] = False,
    every_s: Annotated[float, typer.Option("--every-s", min=0.05, help="How often the pipeline is asked.")] = 0.5,
    most_MB: Annotated[float, typer.Option("--most-MB", min=0.001, max=500, help="How large a view may be.")] = 64.0,
) -> None:
    """Serve a running pipeline over EPICS PVAccess: status, books, load and views; parameters and commands to write.

    It goes on while the pipeline is away, and is INVALID then. A token is taken from PENSTOCK_OPERATOR_TOKEN or
    PENSTOCK_VIEWER_TOKEN. It ends with Ctrl-C, and the pipeline does not notice.

    Exit code 0 when it is ended; 1 if it cannot be served there.
    """
    from penstock.compat.epics.door import EpicsDoor, serve
    from penstock.elements.pva_server import PvaServer
    from penstock.errors import CheckError, Problem
    from penstock.services.interrupt import Interrupt

    try:
        server = PvaServer(bind)
    except ValueError as error:
        raise CheckError([Problem(where="--bind", text=str(error))]) from error
    if not server.is_local and not open_to_network:
        text = f"{bind} can be reached from other machines, and PVAccess asks for no password"
        remedy = "write 127.0.0.1, or add --open-to-network, with --read-only if others shall only look"
        raise CheckError([Problem(where="--bind", text=text, remedy=remedy)])
    door = EpicsDoor(address, prefix, server, read_only=read_only, most_MB=most_MB, tell=_told)
    with Interrupt(HEARD) as interrupt:
        try:
            door.open()
            typer.echo(f"PVAccess: EPICS_PVA_ADDR_LIST={server.address}, names begin with {prefix}")
            serve(door, every_s, lambda: interrupt.is_asked)
        except KeyboardInterrupt:
            raise typer.Exit(130) from None
        finally:
            door.close()


def _told(line: str) -> None:
    typer.echo(f"penstock epics: {line}", err=True)
