"""How far long work has come: a bar in the terminal, on standard error, and nothing anywhere else."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["progress_bar"]


@contextmanager
def progress_bar(what: str, total: int, *, hidden: bool, unit: str = "") -> Iterator[Callable[[int], None]]:
    """Show a bar while it is entered; what is yielded is called with how much more was done.

    Parameters
    ----------
    total
        All there is to do; 0 if that is not known.
    hidden
        Whether to show nothing in a terminal either.
    unit
        Of what is counted: ``bytes`` are written as MB.
    """
    if hidden or not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    counted = DownloadColumn() if unit == "bytes" else MofNCompleteColumn()
    columns = (TextColumn("{task.description}"), BarColumn(), counted, TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(what, total=total or None)
        yield lambda done: progress.advance(task, done)
