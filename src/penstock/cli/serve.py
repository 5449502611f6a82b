"""``penstock serve``: durable streams for producers and consumers on other machines."""

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["serve"]


def serve(
    store: Annotated[
        str, typer.Option(metavar="WHERE", help='The store: a folder, or "memory" for one that ends with the server.')
    ],
    listen: Annotated[
        str, typer.Option(metavar="[HOST:]PORT", help="Port 0 takes any. HOST is 127.0.0.1 unless given.")
    ] = "8410",
    asapo: Annotated[
        str, typer.Option(metavar="[HOST:]PORT", help="Serve the store to ASAPO's own clients, too, at this address.")
    ] = "",
    asapo_offline: Annotated[
        str,
        typer.Option(
            metavar="PATTERN", help="With --asapo: where beamtimes have their folders; files are written there."
        ),
    ] = "",
    asapo_online: Annotated[
        str, typer.Option(metavar="PATTERN", help="With --asapo-offline: where beamlines have theirs, for raw data.")
    ] = "",
    secret_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="What tokens are signed with; default: PENSTOCK_STREAMS_SECRET[_FILE]."),
    ] = None,
    revoked: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Ids of tokens that are taken back; read again on change.")
    ] = None,
    certificate: Annotated[
        Path | None, typer.Option(metavar="FILE", help="PEM; with it, clients must speak TLS.")
    ] = None,
    key: Annotated[Path | None, typer.Option(metavar="FILE", help="PEM, the certificate's key.")] = None,
    most_clients: Annotated[int, typer.Option(min=1, help="Connections at a time.")] = 512,
    idle_s: Annotated[float, typer.Option(min=0.1, help="After what silence a client is taken for gone.")] = 30.0,
    retain_s: Annotated[
        float, typer.Option(min=0.1, help="How often streams are looked at for what is too much to be kept.")
    ] = 60.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")] = False,
) -> None:
    """Serve durable streams over TCP until Ctrl-C.

    Beyond 127.0.0.1 a secret is needed, and clients need tokens: see penstock token.
    """
    from penstock.cli.serving import serve_store

    raise typer.Exit(
        serve_store(
            store,
            listen,
            asapo=asapo,
            asapo_offline=asapo_offline,
            asapo_online=asapo_online,
            secret_file=secret_file,
            revoked=revoked,
            certificate=certificate,
            key=key,
            most_clients=most_clients,
            idle_s=idle_s,
            retain_s=retain_s,
            as_json=as_json,
        )
    )
