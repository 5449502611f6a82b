"""The words of ``penstock ctl`` taken apart: address, command, target, arguments. Nothing is asked of anybody here."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from penstock.core.command import AUTO, Aim, Command, CommandKind, Problem, WorkerCount, check_command, check_name
from penstock.core.suggest import listed
from penstock.errors import CommandError

__all__ = ["Words", "read_words"]

_ADDRESS: Final = re.compile(r"\w+://.+|\[[0-9a-fA-F:.]+\](:\d+)?|[\w.-]+:\d+|localhost|\d+(\.\d+){3}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """What was written."""

    address: str
    name: str
    target: str = ""
    arguments: dict[str, Any] = field(default_factory=dict)

    def command(self, id: str, who: str) -> Command:  # noqa: A002 - the glossary's word
        """Return the command, with an id of its own if none is given.

        Raises
        ------
        CommandError
            If it cannot be one.
        """
        import uuid

        command = Command(
            name=self.name, target=self.target, arguments=self.arguments, id=id or uuid.uuid4().hex, who=who
        )
        check_command(command)
        return command


def read_words(
    words: Sequence[str], *, reason: str = "", run: str = "", maps: Sequence[str] = (), default: str = ""
) -> Words:
    """Read a command.

    Parameters
    ----------
    words
        ``[ADDRESS] COMMAND [TARGET] [NAME=VALUE…]``; of ``scale`` and ``mute``, the last word stands alone. Of
        ``feedback``, NAME is one of its arguments.
    reason, run, maps
        What options said.
    default
        The address if there is none.

    Raises
    ------
    CommandError
        If it is no command, lacks something, or has too much.
    """
    rest = list(words)
    address = rest.pop(0) if rest and _ADDRESS.fullmatch(rest[0]) else default
    if not rest:
        raise CommandError("no command; write one such as: penstock ctl status", problem=Problem.MALFORMED)
    name = rest.pop(0)
    kind = check_name(name)
    values = dict(_value_of(word) for word in rest if "=" in word)
    bare = [word for word in rest if "=" not in word]
    arguments = _of_options(reason=reason, run=run, maps=maps)
    if name == "scale":
        arguments["workers"] = _workers(bare)
        bare = bare[:-1]
    if name == "mute":
        arguments["for_s"] = _seconds(bare)
        bare = bare[:-1]
    if name == "feedback":
        arguments |= values
    elif values or name == "set":
        arguments["values"] = values
    _must_take(name, kind, arguments)
    if name == "set" and not values:
        raise CommandError("set lacks a value; write penstock ctl set NAME=VALUE", problem=Problem.ARGUMENT)
    return Words(address=address, name=name, target=_target(name, kind, bare), arguments=arguments)


def _target(name: str, kind: CommandKind, bare: Sequence[str]) -> str:
    if len(bare) > 1:
        raise CommandError(f"{name} has one target, and not {listed(bare, 'and')}", problem=Problem.MALFORMED)
    if not bare and Aim.PIPELINE not in kind.aims:
        wanted = listed(kind.aims).upper()
        raise CommandError(f"{name} needs a target; write penstock ctl {name} {wanted}", problem=Problem.ARGUMENT)
    return bare[0] if bare else ""


def _must_take(name: str, kind: CommandKind, arguments: dict[str, Any]) -> None:
    for given in arguments:
        if given not in kind.arguments:
            takes = f"it takes {listed(kind.arguments, 'and')}" if kind.arguments else "it takes no arguments"
            raise CommandError(f"{name} takes no {given}; {takes}", problem=Problem.ARGUMENT)


def _workers(bare: Sequence[str]) -> WorkerCount:
    if len(bare) > 1 and bare[-1] == AUTO:
        return "auto"
    if len(bare) < 2 or not bare[-1].isdecimal():
        text = "scale needs a stage and a number, or auto; write penstock ctl scale fit 3"
        raise CommandError(text, problem=Problem.ARGUMENT)
    return int(bare[-1])


def _seconds(bare: Sequence[str]) -> float:
    try:
        if len(bare) > 1:
            return float(bare[-1])
    except ValueError:
        pass
    text = "mute needs an alarm and for how many seconds; write penstock ctl mute no_beam 3600"
    raise CommandError(text, problem=Problem.ARGUMENT)


def _of_options(*, reason: str, run: str, maps: Sequence[str]) -> dict[str, Any]:
    arguments: dict[str, Any] = {}
    if reason:
        arguments["reason"] = reason
    if run:
        arguments["run"] = run
    if maps:
        arguments["trigger_maps"] = dict(_map_of(text) for text in maps)
    return arguments


def _value_of(text: str) -> tuple[str, Any]:
    """Read ``name=value``; what is no JSON is a text."""
    name, _, value = text.partition("=")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _map_of(text: str) -> tuple[str, Any]:
    join, _, path = text.partition("=")
    if not path:
        raise CommandError(f"--map {text}: write JOIN=FILE", problem=Problem.ARGUMENT)
    try:
        return join, json.loads(Path(path).read_bytes())
    except (OSError, ValueError) as error:
        raise CommandError(f"--map {text}: {error}", problem=Problem.ARGUMENT) from error
