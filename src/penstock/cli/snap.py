"""The commands ``snap`` and ``snap_run``, with SNAP's own arguments, for scripts that call them."""

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path

from penstock.errors import CheckError, MissingExtraError, NotBuiltYetError, PenstockError
from penstock.extra import extra

__all__ = ["main"]

LEVELS = ("CRITICAL", "ERROR", "WARNING", "INFO", "DEBUG")
FAILED, USAGE = 1, 2


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a node of a SNAP file; the exit code is that of ``penstock run``.

    What the node prints goes to standard output, the ledger to standard error.
    """
    command = Path(sys.argv[0]).name
    asked = _parser().parse_args(arguments)
    logging.basicConfig(level=asked.verbose)
    try:
        sys.exit(_run(Path(asked.config), asked.node, asked.status))
    except MissingExtraError as error:
        print(f'{command}: {error.name} is not installed; pip install "penstock[snap]" brings it', file=sys.stderr)
        sys.exit(FAILED)
    except PenstockError as error:
        print(f"{command}: {error}", file=sys.stderr)
        sys.exit(USAGE if isinstance(error, CheckError | NotBuiltYetError) else FAILED)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description="Run a node of a SNAP file. `penstock run` does so too, and says more."
    )
    parser.add_argument("config", help="the file")
    parser.add_argument("-n", "--node", default="", metavar="NAME", help="which node (default: node)")
    parser.add_argument(
        "-S", "--status", default="", metavar="ADDRESS", help="answer questions for the status at this ZeroMQ address"
    )
    parser.add_argument(
        "-v", "--verbose", default="WARNING", type=str.upper, choices=LEVELS, metavar="LEVEL", help=", ".join(LEVELS)
    )
    return parser


def _run(file: Path, node: str, status: str) -> int:
    with extra("snap"):
        from penstock.cli.run import fitting_engine
        from penstock.cli.run_report import print_report
        from penstock.pipeline.front_door import Asked
        from penstock.pipeline.pipeline import Pipeline
        from penstock.services.interrupt import Interrupt

    pipeline = Pipeline.load(file, os.environ, Asked(node=node, status=status, runs=True))
    for problem in pipeline.problems:
        if problem.level == "warning":
            print(f"warning: {problem}", file=sys.stderr)
    with Interrupt("bringing out what has arrived; Ctrl-C again stops at once\n") as interrupt:
        report = pipeline.run(fitting_engine(pipeline), interrupt=interrupt)
        with redirect_stdout(sys.stderr):
            print_report(report)
    return int(report.exit_code)
