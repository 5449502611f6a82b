"""``penstock ctl``: command a running pipeline, and say in one line what was done or why not."""

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from penstock.cli.ctl_words import Words
    from penstock.core.command import Command, Reply

__all__ = ["ctl"]

FAILED = 1
HTTP = "http://127.0.0.1:8400"


def ctl(
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="[ADDRESS] COMMAND [TARGET] [ARGUMENTS]",
            help="ADDRESS as penstock run prints it, http:// or tcp://; the commands are listed below.",
        ),
    ],
    reason: Annotated[str, typer.Option("--reason", help="Why a run is to end; kept with it.")] = "",
    run: Annotated[str, typer.Option("--run", help="Of arm: the name of the run.")] = "",
    maps: Annotated[
        list[str] | None, typer.Option("--map", metavar="JOIN=FILE", help="Of arm: a trigger map. Repeatable.")
    ] = None,
    who: Annotated[
        str | None, typer.Option("--who", help="Kept with the command; by default the user and the machine.")
    ] = None,
    command_id: Annotated[
        str, typer.Option("--id", help="The same again is answered alike, and does nothing twice.")
    ] = "",
    timeout_s: Annotated[float, typer.Option("--timeout-s", min=0.1, help="How long to wait for an answer.")] = 10.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the reply for machines.")] = False,
) -> None:
    """Command a running pipeline.

    start, stop; start-data, stop-data [SOURCE]; start-processing, stop-processing [STAGE]; reset; status;
    set [STAGE] NAME=VALUE…; scale STAGE N; restart WORKER; finish, drain, abort; shutdown, clean-shutdown;
    arm [NAME=VALUE…]; feedback [after=N] [wait_s=S]; alarms; acknowledge ALARM, mute ALARM SECONDS, unmute ALARM;
    rotate-logs.

    A token is taken from PENSTOCK_OPERATOR_TOKEN or PENSTOCK_VIEWER_TOKEN. Exit code 0 done; 1 refused, failed, or
    nobody answers; 2 not written as a command.
    """
    from penstock.cli.ctl_words import read_words
    from penstock.errors import CommandError, ParameterError

    try:
        read = read_words(words, reason=reason, run=run, maps=maps or [], default=HTTP)
    except CommandError as error:
        raise ParameterError(str(error)) from error
    reply = _sent(read, read.command(command_id, _me() if who is None else who), timeout_s)
    _show(reply, as_json=as_json)
    raise typer.Exit(0 if reply.is_done else FAILED)


def _sent(read: "Words", command: "Command", timeout_s: float) -> "Reply":
    from penstock.client import TOKENS, connect

    if read.address.startswith(("tcp://", "ipc://")):
        import os

        from penstock.services.control_call import call

        token = next((os.environ[name] for name in TOKENS if os.environ.get(name)), "")
        waiting_s = float(command.arguments.get("wait_s", 0)) if command.name == "feedback" else 0.0
        return call(read.address, command, token, patience_s=timeout_s + waiting_s)
    with connect(read.address, timeout_s=timeout_s) as connection:
        return connection.command(command.name, command.target, id=command.id, who=command.who, **command.arguments)


def _show(reply: "Reply", *, as_json: bool) -> None:
    if as_json:
        import msgspec

        print(msgspec.json.encode(reply).decode(), flush=True)
    elif reply.is_done and reply.name == "status":
        from penstock.cli.ctl_status import status_text

        print(status_text(reply.body), flush=True)
    elif reply.is_done and reply.name == "alarms":
        from penstock.cli.ctl_status import alarms_text

        print(alarms_text(reply.body), flush=True)
    elif reply.is_done and reply.name == "feedback" and reply.body:
        from penstock.cli.ctl_status import feedback_text

        print(feedback_text(reply.body), flush=True)
    elif reply.is_done:
        print(reply.text, flush=True)
    else:
        print(f"penstock ctl: {reply.text}", file=sys.stderr, flush=True)


def _me() -> str:
    """Return user and machine, as far as they are known."""
    import getpass
    import socket

    user: Any
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # no name for this number
        user = "somebody"
    return f"{user}@{socket.gethostname()}"
