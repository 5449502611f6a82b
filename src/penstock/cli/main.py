"""The command ``penstock``: its table of commands, and the outermost handler.

Nothing is imported here but the command line itself, because ``penstock --help`` must be quick.
"""

import sys
from typing import Any, Final

from penstock.errors import CheckError, NotBuiltYetError, ParameterError, PenstockError
from penstock.extra import extra

with extra("cli"):
    import typer

    from penstock.cli.lazy_commands import CommandTable, LazyCommands

__all__ = ["COMMANDS", "app", "main"]

COMMANDS: Final[CommandTable] = {
    "new": ("penstock.cli.new:new", "Make a small project that works, to start from."),
    "run": ("penstock.cli.run:run", "Run a pipeline and print its ledger."),
    "up": ("penstock.cli.up:up", "Keep the pipelines of a folder running."),
    "replay": ("penstock.cli.replay:replay", "Run a recorded run again."),
    "resume": ("penstock.cli.resume:resume", "Go on with a recorded run that was cut off."),
    "top": ("penstock.cli.top:top", "Watch a running pipeline in the terminal."),
    "events": ("penstock.cli.events:events", "Show the last events that a running pipeline keeps."),
    "ctl": ("penstock.cli.ctl:ctl", "Command a running pipeline: start, stop, drain, set, scale, …"),
    "check": ("penstock.cli.check:check", "Report every mistake of a pipeline file at once."),
    "convert": ("penstock.cli.convert:convert", "Make a pipeline file of a node of a SNAP file."),
    "graph": ("penstock.cli.graph:graph", "Draw a pipeline, as text or SVG."),
    "list": ("penstock.cli.list:list_names", "List the sources, steps and sinks there are."),
    "describe": ("penstock.cli.describe:describe", "Say what something does and which arguments it takes."),
    "play": ("penstock.cli.play:play", "Play a recording onto real sockets."),
    "sim": ("penstock.cli.sim:sim", "Be an instrument that does not exist, on a real socket."),
    "capture": ("penstock.cli.capture:capture", "Write what an instrument sends into a file."),
    "serve": ("penstock.cli.serve:serve", "Serve durable streams to other machines."),
    "token": ("penstock.cli.token:token", "Issue, show and take back tokens of penstock serve."),
    "streams": ("penstock.cli.streams:app", "Look into a store of durable streams, and change it."),
    "files": ("penstock.cli.files:files", "Show what became of files that were opened into items."),
    "watch": ("penstock.cli.watch:watch", "Make messages of files that appear in folders."),
    "dranspose": ("penstock.compat.dranspose.command:app", "Replay and run classes of dranspose, with its REST paths."),
    "epics": ("penstock.compat.epics.command:epics", "Serve a running pipeline over EPICS PVAccess."),
    "tango": ("penstock.compat.tango.command:serve_device", "Serve a Tango device for a running pipeline."),
    "demo": ("penstock.cli.demo:demo", "Analyse a made-up scan, to see what it looks like."),
}

USAGE: Final = 2
FAILED: Final = 1


class _Commands(LazyCommands):
    table = COMMANDS

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        # --debug is understood wherever it stands, because one adds it to the end of the line that failed.
        ctx.obj = {"debug": "--debug" in args}
        return super().parse_args(ctx, [arg for arg in args if arg != "--debug"])

    def invoke(self, ctx: typer.Context) -> Any:  # type: ignore[override]
        try:
            return super().invoke(ctx)
        except PenstockError as error:
            if ctx.obj["debug"]:
                raise
            print(f"penstock: {error}", file=sys.stderr)
            raise typer.Exit(
                USAGE if isinstance(error, CheckError | NotBuiltYetError | ParameterError) else FAILED
            ) from None


app = typer.Typer(
    cls=_Commands, add_completion=False, rich_markup_mode=None, no_args_is_help=True, pretty_exceptions_enable=False
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"penstock {version('penstock')}")
        raise typer.Exit


@app.callback()
def penstock(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),
    debug: bool = typer.Option(False, "--debug", help="Show the whole traceback of an error."),
) -> None:
    """Live data of several instruments: events, results, views, and a ledger that adds up."""
    del version, debug  # both are seen before: one by its callback, one wherever it stands


def main() -> None:
    """Run the command line; the exit code says how it went."""
    app()
