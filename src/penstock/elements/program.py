"""An external program that is started for each item. It involves no shell.

What an item holds never becomes anything but the text of one argument, or of the program's standard input.
"""

import re
import shutil
from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import Any, Final

import msgspec

from penstock.elements.plain_value import plain
from penstock.elements.program_call import ProgramCall
from penstock.elements.text_template import TextTemplate
from penstock.errors import ProcessError

__all__ = ["JSON", "Program"]

JSON: Final = "json"
"""The standard input that is the whole item as one line of JSON."""
_STARTERS: Final = frozenset(
    {
        "chroot",
        "docker",
        "doas",
        "env",
        "exec",
        "flock",
        "ionice",
        "nice",
        "nohup",
        "nsenter",
        "podman",
        "setsid",
        "ssh",
    }
    | {"stdbuf", "sudo", "taskset", "time", "timeout", "unshare", "xargs"}
)
_TAKES_COMMAND: Final = re.compile("-[a-zA-Z]*c[a-zA-Z]*|--command")
_SHELLS: Final = frozenset({"sh", "bash", "dash", "zsh", "ksh", "fish", "csh", "tcsh", "busybox"})


class Program:
    """What is started, with places for fields of items.

    Parameters
    ----------
    argv
        The program, and its arguments. In all but the first, ``{field}`` is filled in; each stays one argument.
    stdin
        Text for its standard input, with ``{field}``, or ``json``; by default it has none.
    timeout_s
        How long it may take, in s. Then it is killed, with what it has started.

    Raises
    ------
    ValueError
        If a value could become a program or a shell's command, or something is not written as it should be.
    """

    def __init__(self, argv: Sequence[str | int | float], stdin: str = "", timeout_s: float = 60.0) -> None:
        if isinstance(argv, str) or not argv:
            raise ValueError(f'argv is {argv!r}; write a list: [program, "{{field}}"]')
        if not 0 < timeout_s < float("inf"):
            raise ValueError(f"timeout_s is {timeout_s}; write seconds")
        words = [str(word) for word in argv]
        self.name = words[0]
        self._words = [TextTemplate(word) for word in words]
        if self._words[0].has_fields:
            raise ValueError(
                f"argv: which program is started cannot depend on the item; name it in place of {words[0]}"
            )
        _check_shells(words, self._words)
        self._behind = words.index("--", 1) if "--" in words[1:] else len(words)
        self._stdin = stdin if stdin == JSON else TextTemplate(stdin)
        self._timeout_s = timeout_s
        self._path = self.name
        self._folder = "."

    def find(self, folder: str) -> None:
        """Find the program: on ``PATH``, or relative to a folder if there is a ``/`` in its name.

        Raises
        ------
        ProcessError
            If there is none, or it cannot be executed.
        """
        is_path = "/" in self.name
        found = shutil.which(Path(folder, Path(self.name).expanduser()).absolute() if is_path else self.name)
        if found is None:
            raise ProcessError(f"there is no program {self.name} that could be executed; install it, or write its path")
        self._path = str(found)
        self._folder = folder

    def call(self, item: Any, *, wants_output: bool) -> "ProgramCall":
        """Return a call for an item, not started yet.

        Raises
        ------
        LookupError, ValueError, TypeError
            If the item lacks a field, or a value cannot be an argument.
        """
        arguments = [self._argument(at, word, item) for at, word in enumerate(self._words)]
        if isinstance(self._stdin, TextTemplate):
            stdin = self._stdin.fill(item).encode(errors="surrogateescape")
        else:
            stdin = msgspec.json.encode(plain(item)) + b"\n"
        return ProgramCall(self._path, arguments, stdin, self._folder, self._timeout_s, wants_output)

    def _argument(self, at: int, word: TextTemplate, item: Any) -> str:
        text = word.fill(item)
        if "\0" in text:
            raise ValueError(f"{self.name}, argument {at}: {text!r} has a zero byte, which no argument can have")
        if text.startswith("-") and word.begins_with_field and at < self._behind:
            raise ValueError(
                f'{self.name}, argument {at}: {text!r} would be taken for an option; write "--" before it, '
                "or the name of its option with it: --name={field}"
            )
        return text


def _check_shells(words: list[str], templates: list[TextTemplate]) -> None:
    """Refuse a field in what a shell is given to execute, be it the program itself or started by one that does so."""
    names = [PurePath(word).name for word in words]
    starters = len(words) if names[0] in _STARTERS else 1
    at = next((k for k in range(starters) if names[k] in _SHELLS), None)
    if at is None:
        return
    commands = [k for k in range(at + 1, len(words)) if _TAKES_COMMAND.fullmatch(words[k])]
    # What it executes is the text behind -c, else a script; all else is given to that as arguments.
    begin = commands[0] if commands else at
    executed = next((k for k in range(begin + 1, len(words)) if not words[k].startswith("-")), None)
    if executed is not None and templates[executed].has_fields:
        raise ValueError(
            f"argv: {words[at]} would execute what the item holds; leave the shell out, or give the value to its "
            f'command as an argument: [{words[at]}, -c, \'echo "$1"\', {words[at]}, "{{field}}"]; write '
            "{{ and }} for braces that are meant"
        )
