"""``penstock tango``: a Tango device server for a running pipeline."""

from typing import Annotated

from penstock.extra import extra

with extra("cli"):
    import typer

__all__ = ["serve_device"]


def serve_device(
    address: Annotated[
        str, typer.Argument(metavar="[ADDRESS]", help="Of the pipeline, as penstock run prints it.")
    ] = "http://127.0.0.1:8400",
    device: Annotated[
        str, typer.Option("--device", metavar="DOMAIN/FAMILY/MEMBER", help="Its name in Tango.")
    ] = "penstock/pipeline/1",
    port: Annotated[
        int | None,
        typer.Option(
            "--port",
            min=0,
            max=65535,
            help="Serve it here without a database; 0 is any that is free. By default it is one of the database of "
            "TANGO_HOST.",
            show_default=False,
        ),
    ] = None,
    host: Annotated[str, typer.Option("--host", help="Where to listen without a database.")] = "127.0.0.1",
    instance: Annotated[
        str, typer.Option("--instance", help="Of the server, which the database knows as penstock/INSTANCE.")
    ] = "1",
    register: Annotated[bool, typer.Option("--register", help="Let the database know the device first.")] = False,
    uploads: Annotated[
        str,
        typer.Option(
            "--uploads",
            metavar="FOLDER",
            help="Keep files that clients send here; the pipeline must find them under the same path.",
            show_default=False,
        ),
    ] = "",
    every_s: Annotated[float, typer.Option("--every-s", min=0.05, help="How often to look at the pipeline.")] = 0.5,
) -> None:
    """Serve a Tango device for a running pipeline: its state and books, its parameters as attributes, its commands.

    The pipeline may go and come back; while it does not answer, the device is UNKNOWN. A token is taken from
    PENSTOCK_OPERATOR_TOKEN or PENSTOCK_VIEWER_TOKEN. It ends with SIGTERM or Ctrl-C.
    """
    from pathlib import Path

    from penstock.elements.tango_link import as_device
    from penstock.errors import CheckError, Problem

    problems = []
    try:
        as_device(device)
    except ValueError as error:
        problems.append(Problem(where="--device", text=str(error)))
    if uploads and not Path(uploads).is_dir():
        problems.append(Problem(where="--uploads", text=f"{uploads} is no folder", remedy="make it first"))
    if register and port is not None:
        text = "without a database there is none to know the device"
        problems.append(Problem(where="--register", text=text, remedy="leave out --port or --register"))
    if problems:
        raise CheckError(problems)

    from penstock.compat.tango.device import PenstockPipeline, Settings
    from penstock.elements import tango_device

    PenstockPipeline.settings = Settings(address=address, every_s=every_s, uploads=uploads)
    server = f"penstock/{instance}"
    if register:
        tango_device.register(device, server, PenstockPipeline.__name__)
    tango_device.serve(
        PenstockPipeline,
        device,
        server=server,
        port=port,
        host=host,
        on_ready=lambda served: typer.echo(f"tango: {served}"),
    )
