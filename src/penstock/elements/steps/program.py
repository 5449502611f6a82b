"""An external program that stays: a worker in any language. No shell is involved."""

from collections.abc import Sequence
from typing import Annotated

from penstock.core.parameter import Section
from penstock.elements.external_program import ExternalProgram
from penstock.extra import extra

with extra("run"):
    from pydantic import FilePath

__all__ = ["ProgramStep"]

_HERE = Section("Program")


class ProgramStep(ExternalProgram):
    """Give each item to a program that stays, over its standard input, and give on what it answers.

    A worker in any language: ``map: program`` has one process for each worker. Unlike ``command``, which is begun for
    each item, it is begun once a run, and gets arrays as bytes. It must speak as *Use a program as a worker* says: one
    line of JSON, and the bytes of arrays behind it.

    ::

        stages:
          peaks: {from: images, map: {program: {command: [./find-peaks]}}, workers: 4, on_error: retry}

    Parameters
    ----------
    command
        The program, on ``PATH`` or by its path from the pipeline's folder, in which it runs, and its arguments.
        ``{python}`` is the Python that runs the pipeline.
    timeout_s
        How long it may take for one item, in s; then it is killed, with what it has started. Less than ``deadline_s``.
    start_s
        How long it may take for its first item, in s, if that is more; for programs that read tables or models first.
    close_s
        How long it may take to end, in s, once its standard input has been closed.
    file
        A file that the program is told of, such as a geometry.
    settings
        A text that the program is told, whatever it makes of it.

    Raises
    ------
    ValueError
        If an argument is wrong.
    """

    def __init__(
        self,
        command: Sequence[str | int | float],
        timeout_s: float = 30.0,
        start_s: float = 30.0,
        close_s: float = 5.0,
        *,
        file: Annotated[FilePath | None, _HERE, "a file that the program is told of"] = None,
        settings: Annotated[str, _HERE, "whatever the program makes of it"] = "",
    ) -> None:
        super().__init__(command, timeout_s, start_s, close_s)
        self.file, self.settings = file, settings
