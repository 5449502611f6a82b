"""What ``penstock sim`` does once its command line is read: a simulation, told to people or as JSON."""

import json
import sys
from typing import Any

import msgspec

from penstock.cli.mesh import read_mesh
from penstock.errors import CheckError, PenstockError, Problem
from penstock.services.interrupt import Interrupt
from penstock.services.simulation import Setup, Simulation, SimulationReport
from penstock.simulators import SERVED, SIMULATORS, simulator_named
from penstock.simulators.faults import FAULTS

__all__ = ["list_simulators", "simulate"]

HEARD = "\nending the scan; Ctrl-C again stops at once\n"
_OPTIONS = {"instrument": "NAME", "address": "--bind", "rate_hz": "--rate", "wait_s": "--wait-s"}
"""How what is wrong is called on the command line, where that is not its own name."""


def list_simulators(*, as_json: bool) -> None:
    """Print the simulators and the faults there are."""
    simulators = [_described(name) for name in sorted(SIMULATORS | SERVED)]
    faults = [_split(name + text) for name, text in FAULTS.items()]
    if as_json:
        print(json.dumps({"simulators": simulators, "faults": faults}, indent=2))
        return
    print("simulators:")
    for each in simulators:
        print(f"  {each['name']:10} {each['socket']:6} {each['line']}")
    print("faults, written one after the other with commas:")
    for each in faults:
        print(f"  {each['written']:16} {each['line']}")
    print(
        "P is the part of the frames, from 0 to 1; N a point, counted from 0. Code of your own is named module:class."
    )


def simulate(points: str, *, as_json: bool, is_quiet: bool, **setup: Any) -> int:
    """Simulate and return the exit code; see the command.

    Raises
    ------
    CheckError
        If the command line is wrong.
    """
    rows, columns = read_mesh(points)
    telling = _Telling(as_json=as_json, is_quiet=is_quiet)
    try:
        simulation = Simulation(
            Setup(rows=rows, columns=columns, **setup), progress=lambda: telling.progress(simulation)
        )
    except CheckError as error:
        raise CheckError([_as_option(problem) for problem in error.problems]) from error
    with Interrupt(HEARD) as interrupt:
        try:
            simulation.open()
        except PenstockError as error:
            failed = msgspec.structs.replace(simulation.report, state="failed", text=str(error))
            return telling.end(failed)
        telling.waiting(simulation)
        try:
            simulation.run(interrupt)
            interrupt.hear_no_more()
        except KeyboardInterrupt:
            interrupt.hear_no_more()
        report = simulation.report
        if report.state in ("waiting", "running"):  # it was stopped at once before it could say so itself
            report = msgspec.structs.replace(report, state="aborted", text="stopped at once")
        return telling.end(report)


class _Telling:
    """What is said of a simulation."""

    def __init__(self, *, as_json: bool, is_quiet: bool) -> None:
        self._as_json = as_json
        self._is_quiet = is_quiet or as_json or not sys.stderr.isatty()
        self._has_line = False

    def waiting(self, simulation: Simulation) -> None:
        """Say where it is reached."""
        if self._as_json:
            self._say(simulation.report)
        else:
            print(
                f"{simulation.setup.instrument} → {simulation.address} ({simulation.socket}), waiting for a receiver",
                flush=True,
            )

    def progress(self, simulation: Simulation) -> None:
        """Say how far it is, in a terminal."""
        if not self._is_quiet:
            report = simulation.report
            print(f"\r{report.triggered:,} of {report.points:,} points ", end="", file=sys.stderr, flush=True)
            self._has_line = True

    def end(self, report: SimulationReport) -> int:
        """Say what was sent and how it ended; return the exit code."""
        if self._has_line:
            print(file=sys.stderr)
        if self._as_json:
            self._say(report)
            return report.exit_code
        if report.packets:
            print(
                f"{report.instrument}: {report.triggered:,} of {report.points:,} points, {report.frames:,} frames in "
                f"{report.packets:,} packets, {report.bytes / 1e6:.3f} MB in {report.seconds:.2f} s",
                flush=True,  # before what may be said of it at the other way out
            )
        injected = ", ".join(f"{name} {count:,}" for name, count in report.injected.items() if count)
        if injected:
            print(f"injected: {injected}", flush=True)
        if report.text:
            print(f"penstock sim: {report.text}", file=sys.stderr)
        return report.exit_code

    @staticmethod
    def _say(report: SimulationReport) -> None:
        print(msgspec.json.encode(report).decode(), flush=True)


def _described(name: str) -> dict[str, str]:
    simulator = simulator_named(name)
    return {"name": name, "socket": simulator.socket, "line": (simulator.__doc__ or "").partition("\n")[0]}


def _split(fault: str) -> dict[str, str]:
    written, line = fault.split(maxsplit=1)
    return {"written": written, "line": line}


def _as_option(problem: Problem) -> Problem:
    name, dot, rest = problem.where.partition(".")
    return Problem(where=_OPTIONS.get(name, f"--{name}") + dot + rest, text=problem.text, remedy=problem.remedy)
