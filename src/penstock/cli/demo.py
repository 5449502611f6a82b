"""``penstock demo``: a scan with three instruments that do not exist, through the same machinery as a real one."""

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from penstock.monitor.report import RunReport

__all__ = ["demo"]

FAULTY = ("xspress3", "stins")
"""Where faults can be: over TCP, as PandABox speaks, nothing is lost or doubled in reality either."""


def demo(
    points: Annotated[str, typer.Option(metavar="ROWSxCOLUMNS", help="Points of the scan.")] = "41x51",
    rate: Annotated[float, typer.Option(min=0, metavar="HZ", help="Points per second; 0 is flat out.")] = 50,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Processes that fit spectra.")] = 2,
    faults: Annotated[
        str, typer.Option(metavar="FAULTS", help="What goes wrong on purpose in detector and camera: see penstock sim.")
    ] = "",
    serve: Annotated[
        str,
        typer.Option("--serve", metavar="[HOST:]PORT", help="Where the views are to be seen; or the next free port."),
    ] = "8400",
    ends: Annotated[bool, typer.Option("--exit", help="End with the scan, also on a terminal.")] = False,
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Where the map is written.")] = Path("penstock-out"),
) -> None:
    """Analyse a scan of X-ray fluorescence live: three simulated instruments, a map of iron and nickel, a ledger.

    A detector (Xspress3), a camera (STINS) and positions (PandABox) are sent over real sockets in the instruments'
    own protocols, joined point by point, fitted by workers, and mapped. The views are to be seen in a browser at the
    address that is printed; on a terminal they stay there until Ctrl-C. The map is written as HDF5 and, where
    matplotlib is installed, as PNG. The same points give the same counts, every time.
    """
    from importlib.util import find_spec

    from penstock.cli.demo_scan import INSTRUMENTS, demo_pipeline
    from penstock.cli.run import stay_until_asked
    from penstock.services.interrupt import Interrupt
    from penstock.services.simulated import Simulated
    from penstock.services.simulation import Setup

    rows, columns = _mesh(points)
    has_matplotlib = find_spec("matplotlib") is not None
    setups = {
        name: Setup(instrument=name, rows=rows, columns=columns, rate_hz=rate, faults=faults if name in FAULTY else "")
        for name in INSTRUMENTS
    }
    with ExitStack() as stack:
        web = stack.enter_context(_service(serve))
        simulated = {name: stack.enter_context(Simulated(setup)) for name, setup in setups.items()}
        addresses = {name: each.address for name, each in simulated.items()}
        _announce(rows, columns, addresses, web.address, has_matplotlib=has_matplotlib)
        pipeline = demo_pipeline(
            rows, columns, addresses=addresses, out=out.absolute(), workers=workers, picture=has_matplotlib
        )
        with Interrupt() as interrupt:  # also while the end is told
            with _Screen() as screen:
                report: RunReport = pipeline.run("local", web=web, interrupt=interrupt, progress=screen)
            _print(report)
            injected = {name: each.report for name, each in simulated.items() if each.wait(1.0) is not None}
            _print_injected(injected)
        if sys.stdout.isatty() and not ends and not interrupt.is_asked:
            stay_until_asked(web)
    raise typer.Exit(report.exit_code)


def _service(written: str) -> Any:  # a WebService
    from penstock.errors import CheckError, Problem, ServiceError
    from penstock.services.web_address import web_service

    try:
        return web_service(written)
    except ServiceError as error:
        raise CheckError([Problem(where="--serve", text=str(error))]) from error


def _mesh(text: str) -> tuple[int, int]:
    from penstock.errors import CheckError, Problem

    rows, _, columns = text.partition("x")
    if not (rows.isdecimal() and columns.isdecimal() and int(rows) and int(columns)):
        remedy = "write ROWSxCOLUMNS, both from 1, such as 41x51"
        raise CheckError([Problem(where="--points", text=f'"{text}" is no mesh', remedy=remedy)])
    return int(rows), int(columns)


def _announce(rows: int, columns: int, addresses: dict[str, str], views: str, *, has_matplotlib: bool) -> None:
    print(f"a scan of {rows} × {columns} points, measured by three instruments that do not exist:")
    for name, address in addresses.items():
        print(f"  {name:8} at {address}")
    print(f"views: {views}", flush=True)
    if not has_matplotlib:
        print('no picture: that needs matplotlib, pip install "penstock[png]"')


class _Screen:
    """Progress and every edge, updating in place on a terminal; nothing elsewhere."""

    def __init__(self) -> None:
        self._live: Any = None

    def __enter__(self) -> "_Screen":
        if sys.stdout.isatty():
            from rich.console import Console
            from rich.live import Live

            self._live = Live(console=Console(highlight=False), transient=True, auto_refresh=False)
            self._live.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._live is not None:
            self._live.stop()

    def __call__(self, report: "RunReport") -> None:
        if self._live is None:
            return
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.text import Text

        from penstock.monitor.edge_table import edge_table

        join = report.joins["point"]
        planned = join.planned or 1
        text = Text(f"{join.formed:,} of {planned:,} points, {report.duration_s:.0f} s")
        bar = ProgressBar(planned, join.formed, width=min(60, self._live.console.width))
        self._live.update(Group(text, bar, edge_table(report, self._live.console.width)), refresh=True)


def _print(report: "RunReport") -> None:
    from rich.console import Console

    from penstock.cli.run_report import WIDE
    from penstock.monitor.ledger_table import ledger_table, remarks, summary

    console = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else WIDE)
    console.print(ledger_table(report, console.width))
    for line in [*remarks(report), *report.outputs.values(), summary(report)]:
        console.print(line, markup=False)


def _print_injected(reports: dict[str, Any]) -> None:
    for name, report in reports.items():
        wrong = ", ".join(f"{count:,} {what}" for what, count in report.injected.items() if count)
        if wrong:
            print(f"{name}: went wrong on purpose: {wrong}")
