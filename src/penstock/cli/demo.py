"""``penstock demo``: a made-up scan with two instruments, through the same machinery as a real one."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from penstock.monitor.report import RunReport

__all__ = ["demo"]


def demo(
    points: Annotated[str, typer.Option(metavar="ROWSxCOLUMNS", help="Points of the scan.")] = "41x51",
    rate: Annotated[float, typer.Option(min=0, metavar="HZ", help="Points per second; 0 is flat out.")] = 0,
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Where the map is written.")] = Path("penstock-out"),
) -> None:
    """Analyse a made-up scan: a detector and two motors, a map of iron and nickel, and a ledger that adds up.

    The map is written as HDF5 and, where matplotlib is installed, as PNG. The same points give the same counts,
    every time.
    """
    from importlib.util import find_spec

    from penstock.cli.demo_scan import demo_pipeline
    from penstock.cli.mesh import read_mesh
    from penstock.services.interrupt import Interrupt

    rows, columns = read_mesh(points)
    has_matplotlib = find_spec("matplotlib") is not None
    pipeline = demo_pipeline(rows, columns, rate_hz=rate, out=out.absolute(), picture=has_matplotlib)
    if not has_matplotlib:
        print('no picture: that needs matplotlib, pip install "penstock[png]"')
    print(f"a made-up scan of {rows} × {columns} points: spectra from a detector, positions from two motors")
    with Interrupt() as interrupt:
        report: RunReport = pipeline.run(interrupt=interrupt, progress=_show if sys.stdout.isatty() else None)
    if sys.stdout.isatty():
        print()
    _print(report)
    raise typer.Exit(report.exit_code)


def _show(report: "RunReport") -> None:
    join = report.joins["point"]
    print(f"\r{join.formed:,} of {join.planned:,} points", end="", flush=True)


def _print(report: "RunReport") -> None:
    from rich.console import Console

    from penstock.monitor.ledger_table import ledger_table, remarks, summary

    console = Console(highlight=False, soft_wrap=True)
    console.print(ledger_table(report))
    for line in [*remarks(report), *report.outputs.values(), summary(report)]:
        console.print(line, markup=False)
