"""``penstock streams``: look into a store of durable streams, and change it; its table of commands."""

from typing import Final

import typer

from penstock.cli.lazy_commands import CommandTable, LazyCommands

__all__ = ["COMMANDS", "app"]

COMMANDS: Final[CommandTable] = {
    "ls": ("penstock.cli.streams.ls:ls", "List the streams there are."),
    "info": ("penstock.cli.streams.info:info", "Say all that is known of a stream."),
    "tail": ("penstock.cli.streams.tail:tail", "Print the last messages of a stream, and those that come."),
    "get": ("penstock.cli.streams.get:get", "Take messages out, as files or bytes."),
    "put": ("penstock.cli.streams.put:put", "Append files to a stream as messages."),
    "query": ("penstock.cli.streams.query:query", "Find messages by what is known of them."),
    "groups": ("penstock.cli.streams.groups:groups", "Say how the groups of a stream are doing, and move them."),
    "copy": ("penstock.cli.streams.copy:copy", "Copy a stream, within a store or to another."),
    "retain": ("penstock.cli.streams.retain:retain", "Say what of a stream is kept, and remove the rest."),
    "verify": ("penstock.cli.streams.verify:verify", "Look whether what is stored is what was written."),
    "rebuild": ("penstock.cli.streams.rebuild:rebuild", "Make the index of a stream again."),
    "delete": ("penstock.cli.streams.delete:delete", "Remove one stream."),
    "import": ("penstock.cli.streams.recordings:import_recording", "Make a stream of a recording."),
    "export": ("penstock.cli.streams.recordings:export_recording", "Make a recording of a stream."),
}


class _Commands(LazyCommands):
    table = COMMANDS


app = typer.Typer(name="streams", cls=_Commands, add_completion=False, rich_markup_mode=None, no_args_is_help=True)


@app.callback()
def streams() -> None:
    """Look into a store of durable streams, and change it.

    The store is named by --store, or by PENSTOCK_STORE; without either it is ./penstock-data.

    Exit code 0 done, 1 not there, refused or damaged, 2 wrong as written, 3 incomplete, 130 stopped on request.
    """
