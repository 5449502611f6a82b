"""``penstock replay``: run a recorded run again, out of its streams and its event log."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from penstock.cli.recordings import existing_store, pipeline_of, recorded_run, serving
from penstock.cli.run_report import Progress, must_be_writable, print_report, report_as_json, value_of, write_report

if TYPE_CHECKING:
    from penstock.streams.store import Store

__all__ = ["replay"]

FAILED = 1


def replay(
    run: Annotated[str, typer.Argument(help="The recorded run.", show_default=False)] = "",
    store: Annotated[
        str, typer.Option("--store", help="The folder it is kept in, or tcp://HOST:PORT.")
    ] = "penstock-data",
    beamtime: Annotated[str, typer.Option(help="Of the run, if several have one of this name.")] = "",
    is_list: Annotated[bool, typer.Option("--list", help="List the recorded runs instead.")] = False,
    file: Annotated[
        Path | None, typer.Option("--pipeline", help="Another pipeline; by default the one that ran.", metavar="FILE")
    ] = None,
    values: Annotated[
        list[str] | None,
        typer.Option("--set", help="A parameter that is to be otherwise all the time.", metavar="STAGE.NAME=VALUE"),
    ] = None,
    first: Annotated[int, typer.Option("--from", min=0, help="Leave out the events before this one.")] = 0,
    speed: Annotated[
        float, typer.Option("--speed", min=0, help="1: in its own time, 2: twice as fast; 0: as fast as it goes.")
    ] = 0.0,
    new_name: Annotated[str, typer.Option("--run", help="Name of the replay; by default made of the time.")] = "",
    engine: Annotated[str, typer.Option(help="inline, in one thread, or local, in processes.")] = "local",
    serve: Annotated[
        str | None, typer.Option("--serve", help="Show views and status at this address.", metavar="[HOST:]PORT")
    ] = None,
    stay: Annotated[bool, typer.Option("--stay", help="Show the views until Ctrl-C, also after the end.")] = False,
    report_to: Annotated[
        Path | None, typer.Option("--report", help="Write ledger, rates and latencies as JSON.", metavar="FILE")
    ] = None,
    beside: Annotated[
        bool, typer.Option("--beside", help="Beside a run that goes on: write and send nothing, open no other address.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print for machines.")] = False,
) -> None:
    """Run a recorded run again: the same events, out of what was recorded, through the same code or another one.

    Exit code as of `penstock run`; 3 also if the recording was cut off.
    """
    from dataclasses import replace

    from penstock.cli.run import stay_until_asked
    from penstock.errors import CheckError, ParameterError, Problem
    from penstock.services.interrupt import Interrupt
    from penstock.services.own_process import end_with_parent

    end_with_parent()
    if stay and serve is None:
        raise CheckError([Problem(where="--stay", text="there is nothing to be seen", remedy="add --serve 8400")])
    must_be_writable(report_to)
    with existing_store(store) as opened:
        if is_list:
            _list(opened, as_json=as_json)
            return
        found = recorded_run(opened, store, run, beamtime, "penstock replay --list")
        recorded = replace(found, first=first, speed=speed, is_beside=beside)
        pipeline = pipeline_of(recorded, file)
        for line in recorded.warnings(pipeline.plan()):
            print(f"penstock: {line}", file=sys.stderr)
        options: dict[str, Any] = {
            "replay": recorded, "run_id": new_name, "values": dict(value_of(text) for text in values or []),
        }  # fmt: skip
        is_hidden = quiet or as_json or not sys.stderr.isatty()
        with serving(serve, engine) as web:
            if web is not None:
                options["web"] = web
                print(f"views: {web.address}", file=sys.stderr)
            with Interrupt() as interrupt, Progress(hidden=is_hidden) as progress:
                try:
                    report = pipeline.run(engine, interrupt=interrupt, progress=progress, **options)
                except ParameterError as error:
                    raise CheckError([Problem(where="--set", text=str(error))]) from error
            is_written = report_to is None or write_report(report, report_to)
            if as_json:
                print(report_as_json(report).decode(), flush=True)
            else:
                print_report(report)
            if stay and not interrupt.is_asked:
                stay_until_asked(web)
    raise typer.Exit(report.exit_code if is_written else report.exit_code or FAILED)


def _list(store: "Store", *, as_json: bool) -> None:
    import msgspec

    from penstock.services.recorded_run import run_lines

    lines = run_lines(store)
    if as_json:
        print(msgspec.json.encode(lines).decode())
        return
    if not lines:
        print("no run is recorded here")
    for line in lines:
        streams, started = ", ".join(line["sources"]), line["started"][:19]
        print(f"{line['beamtime']}  {line['run']}  {started}  {line['outcome']}  {line['pipeline']}: {streams}")
