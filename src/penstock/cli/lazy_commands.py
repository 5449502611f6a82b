"""A table of commands, each imported only when it is called, because help must be quick."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any, ClassVar

import typer
from typer.core import TyperGroup

__all__ = ["CommandTable", "LazyCommands"]

CommandTable = Mapping[str, tuple[str, str]]
"""Name → (``module:function``, or ``module:app`` of a table of its own; one line)."""


class LazyCommands(TyperGroup):
    """Imports a command when it is called; lists all of them without importing any."""

    table: ClassVar[CommandTable] = {}

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = dict.fromkeys(self.table)  # type: ignore[assignment]  # names for suggestions; see get_command

    def get_command(self, _ctx: typer.Context, cmd_name: str) -> Any:  # type: ignore[override]  # a click command
        """Return a command, imported; ``None`` if there is no such."""
        if cmd_name not in self.table:
            return None
        module, _, name = self.table[cmd_name][0].partition(":")
        found = getattr(import_module(module), name)
        if isinstance(found, typer.Typer):
            return typer.main.get_command(found)
        single = typer.Typer(add_completion=False, rich_markup_mode=None)
        single.command(cmd_name)(found)
        return typer.main.get_command(single)

    def format_commands(self, _ctx: typer.Context, formatter: Any) -> None:  # type: ignore[override]  # click's formatter
        """Write the table into a help text."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in self.table.items()])
