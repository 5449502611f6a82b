"""Run a supervisor that a program has made, as ``Supervisor.start`` does: users' programs stay as they are.

It is the same pipeline as ``penstock run`` makes of the configuration, on the same engine.
"""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any

from penstock.compat.rtadp.convert import convert
from penstock.compat.rtadp.crew import Process, enter
from penstock.compat.rtadp.namespace import serve_rtadp
from penstock.compat.rtadp.reader import read_config_file
from penstock.compat.rtadp.supervisor import Supervisor
from penstock.engines.chains import ChainsRun
from penstock.engines.to_the_end import run_to_the_end
from penstock.errors import CheckError, NotBuiltYetError
from penstock.monitor.report import RunReport
from penstock.pipeline.check import check, plan_of
from penstock.pipeline.document import Document, Place

__all__ = ["reference_of_class", "run_supervisor"]


def run_supervisor(supervisor: Supervisor) -> None:
    """Run until somebody shuts it down.

    Raises
    ------
    SystemExit
        If it did not end well, with the exit code of the run.
    CheckError, NotBuiltYetError, PenstockError
        If it cannot begin.
    """
    serve_rtadp()
    name, folder = reference_of_class(type(supervisor))
    arguments, named = supervisor.made_with
    process = Process(
        name=supervisor.name,
        config=str(Path(supervisor.config_file).resolve()),
        supervisor=name,
        arguments=arguments,
        named=named,
        folder=str(folder),
    )
    crew = enter(process, supervisor)
    crew.muster()
    file = read_config_file(Path(supervisor.config_file))
    block = file.read(supervisor.name)
    converted = convert(
        block, process.written, crew.managers, has_receivers=supervisor.has_own("start_service_threads")
    )
    places = {(): block.places.get((block.index,), Place(file.file)), **converted.places}
    document = Document(tree=converted.tree, places=places, folder=folder, name=block.name)
    checked = check(document, [*file.notices, *converted.problems])
    for problem in checked.of_level("warning"):
        print(f"warning: {problem}", file=sys.stderr)
    plan = plan_of(checked)
    if plan.planned:
        raise NotBuiltYetError("this process cannot run yet:\n" + "\n".join(plan.planned))
    run = ChainsRun(plan)
    with _signals(supervisor):
        report = run_to_the_end(run, None, None)
    _tell(report)
    if report.exit_code:
        sys.exit(report.exit_code)


def reference_of_class(kind: type[Supervisor]) -> tuple[str, Path]:
    """Return a class as ``module:Class``, by which another process can import it, and the folder of its module.

    A class of the program itself is in the module that the program's file is.

    Raises
    ------
    CheckError
        If it is defined within a function, or typed at a prompt.
    """
    module: Any = sys.modules[kind.__module__]
    file = getattr(module, "__file__", None)
    if file is None or "<locals>" in kind.__qualname__:
        raise CheckError(_no_name(kind))
    folder = Path(file).resolve().parent
    name = kind.__module__
    if name == "__main__":
        spec = getattr(module, "__spec__", None)
        name = spec.name if spec is not None else Path(file).stem
    for _ in range(name.count(".")):
        folder = folder.parent
    return f"{name}:{kind.__qualname__}", folder


def _no_name(kind: type) -> list[Any]:  # of Problem
    from penstock.errors import Problem

    text = f"{kind.__qualname__} has no name by which another process could import it"
    return [Problem(where="", text=text, remedy="define it in a file, outside of any function")]


@contextmanager
def _signals(supervisor: Supervisor) -> Iterator[None]:
    """Let SIGTERM and SIGINT shut down, and whichever comes second end at once."""
    asked = False

    def ask(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True
        supervisor.handle_signals(number, frame)

    before = {}
    with suppress(ValueError):  # another thread than the main one gets no signals
        before = {number: signal.signal(number, ask) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _tell(report: RunReport) -> None:
    """Say how it ended, and what was lost."""
    print(f"{report.pipeline}: {report.outcome}", *report.reasons, sep="; ", file=sys.stderr)
    for edge in report.edges:
        accounts = ", ".join(f"{label} {count}" for label, count in edge.accounts.items())
        print(f"  {edge.producer} → {edge.consumer}: {edge.arrived} = {accounts or 0}", file=sys.stderr)
