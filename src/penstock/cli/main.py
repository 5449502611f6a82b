"""The command ``penstock``: a table of commands, each imported only when it is called, and the outermost handler.

Nothing is imported here but the command line itself, because ``penstock --help`` must be quick.
"""

import sys
from collections.abc import Mapping
from importlib import import_module
from typing import Any, Final

import typer
from typer.core import TyperGroup

from penstock.errors import CheckError, NotBuiltYetError, ParameterError, PenstockError

__all__ = ["COMMANDS", "app", "main"]

COMMANDS: Final[Mapping[str, tuple[str, str]]] = {
    "new": ("penstock.cli.new:new", "Make a small project that works, to start from."),
    "run": ("penstock.cli.run:run", "Run a pipeline and print its ledger."),
    "top": ("penstock.cli.top:top", "Watch a running pipeline in the terminal."),
    "check": ("penstock.cli.check:check", "Report every mistake of a pipeline file at once."),
    "graph": ("penstock.cli.graph:graph", "Draw a pipeline, as text or SVG."),
    "list": ("penstock.cli.list:list_names", "List the sources, steps and sinks there are."),
    "describe": ("penstock.cli.describe:describe", "Say what something does and which arguments it takes."),
    "play": ("penstock.cli.play:play", "Play a recording onto real sockets."),
    "sim": ("penstock.cli.sim:sim", "Be an instrument that does not exist, on a real socket."),
    "capture": ("penstock.cli.capture:capture", "Write what an instrument sends into a file."),
    "serve": ("penstock.cli.serve:serve", "Serve durable streams to other machines."),
    "token": ("penstock.cli.token:token", "Issue, show and take back tokens of penstock serve."),
    "demo": ("penstock.cli.demo:demo", "Analyse a made-up scan, to see what it looks like."),
}
"""Name → (function, one line)."""

USAGE: Final = 2
FAILED: Final = 1


class _Commands(TyperGroup):
    """Imports a command when it is called; lists all of them without importing any."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = dict.fromkeys(COMMANDS)  # type: ignore[assignment]  # names for suggestions; see get_command

    def get_command(self, _ctx: typer.Context, cmd_name: str) -> Any:  # type: ignore[override]  # a click command
        if cmd_name not in COMMANDS:
            return None
        module, _, function = COMMANDS[cmd_name][0].partition(":")
        single = typer.Typer(add_completion=False, rich_markup_mode=None)
        single.command(cmd_name)(getattr(import_module(module), function))
        return typer.main.get_command(single)

    def format_commands(self, _ctx: typer.Context, formatter: Any) -> None:  # type: ignore[override]  # click's formatter
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])

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
