"""Files of other systems: who reads them is found by entry point, and makes the document of a pipeline of them.

It knows none of these systems; ``penstock.front_doors`` names them.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Final, Protocol

from penstock.errors import CheckError, Problem
from penstock.pipeline.document import Document
from penstock.pipeline.include import file_text, read_text

__all__ = ["Asked", "FrontDoor", "is_foreign", "marked", "marks_in", "read_any", "with_variables"]

_OURS: Final = re.compile(r"^(sources|include)[ \t]*:", re.MULTILINE)
"""What every pipeline file has at its top, and no file of another system."""
_MARK: Final = re.compile("\ue000(\\w+)\ue001")
_WRITTEN: Final = re.compile(r"\\U0000e000(\w+)\\U0000e001")
"""As `write_yaml` writes it."""
_ALONE: Final = re.compile(r'^(?P<head>(?: *- )* *(?:[^"\n]*: )?)"(?P<variable>\$\{\w+\})"$', re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What somebody says of a foreign file beside its name."""

    node: str = ""
    """Which of the several pipelines in it; by default the one that its system would take."""
    own_peers: bool = False
    """Whether sockets lead to programs of the other system, whose way of writing items is then read."""
    allow: tuple[str, ...] = ()
    """Dataclasses that such programs may send, as ``module:Class``."""
    status: str = ""
    """Where the run answers whoever asks whether it is there; empty: nowhere."""
    keeps_variables: bool = False
    """Whether variables among arguments are not filled in but marked, for a file that is written of the document."""
    use: str = ""
    """The code that a file does not name, as ``module:Class``."""
    runs: bool = False
    """Whether it is read to be run in this process, so that what it says of logging holds from now on."""


class FrontDoor(Protocol):
    """Reads the files of one other system."""

    def recognises(self, text: str) -> bool:
        """Whether a text is one of its files."""

    def read(self, text: str, path: Path, environ: Mapping[str, str], asked: Asked) -> tuple[Document, list[Problem]]:
        """Return the pipeline that a file stands for, and what is wrong with it.

        Raises
        ------
        CheckError
            If there is nothing that could be checked.
        """


def read_any(path: Path, environ: Mapping[str, str], asked: Asked | None = None) -> tuple[Document, list[Problem]]:
    """Read a pipeline file, or one of another system.

    Parameters
    ----------
    path
        The file.
    environ
        Variables that are filled in.
    asked
        What is said of a file of another system; a pipeline file has no nodes, and refuses it.

    Returns
    -------
    document
        The pipeline.
    problems
        Those of reading.

    Raises
    ------
    CheckError
        If it cannot be read at all.
    """
    text = file_text(path)
    asked = asked or Asked()
    door = _door_of(text)
    if door is not None:
        return door.read(text, path, environ, asked)
    if asked.node:
        reason = f"{path.name} is a pipeline file, which has no nodes"
        raise CheckError([Problem(where="--node", text=reason, remedy="leave --node out", file=str(path))])
    return read_text(text, path, environ)


def is_foreign(path: Path) -> bool:
    """Whether a file is one of another system.

    Raises
    ------
    CheckError
        If it cannot be read.
    """
    return _door_of(file_text(path)) is not None


def marked(name: str) -> str:
    """Return what stands in a document for a variable that is kept; no text of a file holds such characters."""
    return f"\ue000{name}\ue001"


def marks_in(text: str) -> set[str]:
    """Return the variables that are marked in a text."""
    return set(_MARK.findall(text))


def with_variables(written: str) -> str:
    """Return a written pipeline with its marks as variables, such that one that stands alone may be a number.

    >>> from penstock.pipeline.yaml_writer import write_yaml
    >>> print(with_variables(write_yaml({"n": marked("N"), "to": f"tcp://{marked('HOST')}:1"})), end="")
    n: ${N}
    to: "tcp://${HOST}:1"
    """
    return _ALONE.sub(r"\g<head>\g<variable>", _WRITTEN.sub(r"${\1}", written))


def _door_of(text: str) -> FrontDoor | None:
    if _OURS.search(text):
        return None
    for point in entry_points(group="penstock.front_doors"):
        door: FrontDoor = point.load()()
        if door.recognises(text):
            return door
    return None
