"""A run in the caller's own thread, to its end: with progress, Ctrl-C, and whatever goes wrong."""

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from penstock.core.run import RunState
from penstock.errors import CheckError, ParameterError, PenstockError
from penstock.monitor.report import RunReport
from penstock.pipeline.plan import Plan
from penstock.services.interrupt import Interrupt
from penstock.services.notify import Notifier

__all__ = ["AT_ONCE", "Progress", "Stepped", "run_to_the_end"]

PROGRESS_S = 0.25
LONGEST_WAIT_S = 1.0
AT_ONCE = "stopped at once on request"

Progress = Callable[[RunReport], None]


class Stepped(Protocol):
    """What of a run is used here."""

    plan: Plan
    state: RunState

    def open(self) -> None:
        """Start everybody."""

    def step(self, longest_s: float = ...) -> bool:
        """Wait for something to do, and do it; return whether there will be more."""

    def finish(self) -> RunReport:
        """Close everything, and say how it ended."""

    @property
    def is_open(self) -> bool:
        """Whether there is anybody to wait for."""

    def fail(self, error: PenstockError) -> None:
        """Say that the run has failed."""

    def wake_on(self, pollable: int) -> None:
        """Stop waiting when this can be read."""

    def sleep_on(self, pollable: int) -> None:
        """Look at this no more."""

    def ask(self, then: Callable[[RunReport], None]) -> None:
        """Have a fresh report brought."""

    def drain(self, reason: str = ...) -> None:
        """Read nothing more."""

    def abort(self, reason: str) -> None:
        """Give everything up."""


def run_to_the_end(run: Stepped, progress: Progress | None, interrupt: Interrupt | None) -> RunReport:
    """Open a run, work until it has ended, and close it.

    Parameters
    ----------
    progress
        Called with the report so far, four times a second at most.
    interrupt
        Says when somebody wants the run to end; the first time it is drained, the second time it stops at once.

    Returns
    -------
    RunReport
        Also of a run that failed; ``reasons`` says why.

    Raises
    ------
    CheckError, ParameterError
        If it cannot begin as it is written, or with the start values given.
    """
    notifier = Notifier()
    try:
        run.open()
        store = Path(run.plan.folder, run.plan.store).absolute() if run.plan.is_recorded else ""
        notifier.tell(READY=1, STATUS=f"run {run.state.id}", PENSTOCK_RUN=run.state.id, PENSTOCK_STORE=store)
        _work(run, progress, interrupt, notifier)
    except (CheckError, ParameterError):
        run.finish()
        raise
    except PenstockError as error:
        run.fail(error)
        _wait_for_end(run)
    except KeyboardInterrupt:
        run.abort(AT_ONCE)
        _wait_for_end(run)
    notifier.tell(STATUS=f"run {run.state.id} ends")
    return run.finish()


def _work(run: Stepped, progress: Progress | None, interrupt: Interrupt | None, notifier: Notifier) -> None:
    if interrupt is not None:
        run.wake_on(interrupt.pollable)
    shown_s = -PROGRESS_S
    is_draining = False
    while run.step(LONGEST_WAIT_S if progress is None else PROGRESS_S):
        notifier.live()
        if progress is not None and time.monotonic() - shown_s >= PROGRESS_S:
            shown_s = time.monotonic()
            run.ask(progress)
        if interrupt is not None and interrupt.is_asked and not is_draining:
            is_draining = True
            notifier.tell(STOPPING=1)
            run.sleep_on(interrupt.pollable)  # it stays readable
            run.drain()


def _wait_for_end(run: Stepped) -> None:
    with suppress(PenstockError):
        while run.is_open and run.step():
            pass
