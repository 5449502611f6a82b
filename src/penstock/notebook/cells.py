"""Which figures belong to which cell of a notebook: when a cell is run again, what it showed before ends."""

import sys
from typing import Any, Protocol

__all__ = ["CELLS", "Cells", "kernel_shell"]


class Ending(Protocol):
    """What a cell shows."""

    def close(self) -> None:
        """End it, and take it away."""

    def stop(self) -> None:
        """End it, and leave it there."""


class Cells:
    """Ends what a cell shows when the cell begins anew.

    A cell is known by the identifier that the front end gives it; where it gives none, by its text. Another cell may
    have the same text, so what that one shows is stopped, and stays there.
    """

    def __init__(self) -> None:
        self._shown: dict[str, list[Ending]] = {}
        self._watched: Any = None  # IPython's shell
        self.is_busy = False
        """Whether a cell runs, as far as anything was shown before."""

    def note(self, ending: Ending) -> None:
        """Let something end with the cell that runs now; without a notebook, it ends when it is closed."""
        shell = kernel_shell()
        if shell is None:
            return
        if self._watched is not shell:
            shell.events.register("pre_run_cell", self._begin)
            shell.events.register("post_run_cell", self._end)
            self._watched, self.is_busy = shell, True
        message = shell.get_parent() or {}
        cell = message.get("metadata", {}).get("cellId") or message.get("content", {}).get("code", "")
        if cell:
            self._shown.setdefault(cell, []).append(ending)

    def _begin(self, info: Any) -> None:  # IPython's ExecutionInfo
        self.is_busy = True
        identifier = getattr(info, "cell_id", None)
        for ending in self._shown.pop(identifier or info.raw_cell, []):
            if identifier:
                ending.close()
            else:
                ending.stop()

    def _end(self, _: Any) -> None:  # IPython's ExecutionResult
        self.is_busy = False


def kernel_shell() -> Any:  # IPython's shell
    """Return the shell of the notebook this runs in, ``None`` if it is none; IPython is not imported for that."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return shell if getattr(shell, "kernel", None) is not None else None


CELLS = Cells()
"""Of this process: a kernel has one notebook."""
