"""``penstock resume``: go on with a recorded run that was cut off."""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from penstock.cli.recordings import existing_store, pipeline_of, recorded_run, serving
from penstock.cli.run_report import Progress, must_be_writable, print_report, report_as_json, write_report

if TYPE_CHECKING:
    from penstock.services.recorded_run import RecordedRun
    from penstock.streams.store import Store

__all__ = ["resume"]

FAILED = 1
OF_NO_RESULT = ("serve", "logs", "name")
"""Keys of a pipeline on which no view depends."""


def resume(
    run: Annotated[str, typer.Argument(help="The run that was cut off.", show_default=False)] = "",
    store: Annotated[
        str, typer.Option("--store", help="The folder it is kept in, or tcp://HOST:PORT.")
    ] = "penstock-data",
    beamtime: Annotated[str, typer.Option(help="Of the run, if several have one of this name.")] = "",
    is_list: Annotated[bool, typer.Option("--list", help="List the runs that were cut off instead.")] = False,
    file: Annotated[
        Path | None, typer.Option("--pipeline", help="Its pipeline; by default as it was kept.", metavar="FILE")
    ] = None,
    anyway: Annotated[bool, typer.Option("--anyway", help="Also with a pipeline that says something else.")] = False,
    silent_s: Annotated[
        float, typer.Option("--silent-s", min=0, help="End when nothing has arrived for so long; 0: never.")
    ] = 0.0,
    engine: Annotated[str, typer.Option(help="inline, in one thread, or local, in processes.")] = "local",
    serve: Annotated[
        str | None, typer.Option("--serve", help="Show views and status at this address.", metavar="[HOST:]PORT")
    ] = None,
    report_to: Annotated[
        Path | None, typer.Option("--report", help="Write ledger, rates and latencies as JSON.", metavar="FILE")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print for machines.")] = False,
) -> None:
    """Go on with a recorded run that was cut off: its program was killed, or the machine went down.

    What was recorded is run again as fast as it goes, so that views are as they were; then the instruments are read on,
    into the same run. Exit code as of `penstock run`; 3 also if an instrument sent something in between.
    """
    from penstock.errors import CheckError, Problem, StateError
    from penstock.services.interrupt import Interrupt
    from penstock.services.own_process import end_with_parent

    end_with_parent()
    must_be_writable(report_to)
    with existing_store(store) as opened:
        if is_list:
            _list(opened, as_json=as_json)
            return
        recorded = recorded_run(opened, store, run, beamtime, "penstock resume --list")
        pipeline = pipeline_of(recorded, file)
        if file is not None and not anyway:
            _must_be_same(recorded, pipeline)
        is_hidden = quiet or as_json or not sys.stderr.isatty()
        with serving(serve, engine) as web, Interrupt() as interrupt, Progress(hidden=is_hidden) as progress:
            options: dict[str, Any] = {} if web is None else {"web": web}
            if web is not None:
                print(f"views: {web.address}", file=sys.stderr)
            try:
                report = pipeline.run(
                    engine, resume=recorded, silent_s=silent_s, interrupt=interrupt, progress=progress, **options
                )
            except StateError as error:
                raise CheckError([Problem(where="RUN", text=str(error))]) from error
    is_written = report_to is None or write_report(report, report_to)
    if as_json:
        print(report_as_json(report).decode(), flush=True)
    else:
        print_report(report)
    raise typer.Exit(report.exit_code if is_written else report.exit_code or FAILED)


def _must_be_same(recorded: "RecordedRun", pipeline: Any) -> None:  # a Pipeline
    from penstock.errors import CheckError, Problem
    from penstock.pipeline.pipeline import Pipeline

    text, folder = recorded.pipeline_text()
    then, now = Pipeline.recorded(text, folder), Pipeline.recorded(pipeline.to_yaml(), folder)
    different = sorted(set(_differences(then.tree, now.tree)))
    if different:
        remedy = "leave out --pipeline, or add --anyway: then all of the run is worked on as the file says"
        problems = [Problem(where=where, text="is not as it was when the run began") for where in different]
        raise CheckError(
            [
                *problems,
                Problem(where="--pipeline", text=f"is another pipeline than that of run {recorded.run}", remedy=remedy),
            ]
        )


def _differences(then: Any, now: Any, where: str = "") -> Iterator[str]:  # as written
    """Yield the paths of all keys of which two pipelines say something else."""
    if not isinstance(then, Mapping) or not isinstance(now, Mapping):
        if then != now:
            yield where
        return
    for key in {**then, **now}:
        if where or key not in OF_NO_RESULT:
            yield from _differences(then.get(key), now.get(key), f"{where}.{key}" if where else str(key))


def _list(store: "Store", *, as_json: bool) -> None:
    import msgspec

    from penstock.services.recorded_run import CUT, run_lines

    lines = [line for line in run_lines(store) if line["outcome"] == CUT]
    if as_json:
        print(msgspec.json.encode(lines).decode())
        return
    if not lines:
        print("no run that is recorded here was cut off")
    for line in lines:
        streams, started = ", ".join(line["sources"]), line["started"][:19]
        print(f"{line['beamtime']}  {line['run']}  {started}  {line['pipeline']}: {streams}")
