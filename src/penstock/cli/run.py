"""``penstock run``: run a pipeline to its end, with progress, and print its ledger."""

import sys
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from penstock.monitor.report import RunReport

__all__ = ["run"]

FAILED = 1
STOPPED = 130
WIDE = 250
"""Columns of what is not read in a terminal: there nothing needs folding."""
HEARD = "bringing out what has arrived; Ctrl-C again stops at once"


def run(
    file: Annotated[Path, typer.Argument(help="The pipeline file.")],
    trigger_map: Annotated[
        list[str] | None, typer.Option("--map", help="Trigger map of the scan: FILE, or JOIN=FILE.", metavar="FILE")
    ] = None,
    values: Annotated[
        list[str] | None, typer.Option("--set", help="Start value of a parameter.", metavar="STAGE.NAME=VALUE")
    ] = None,
    report_to: Annotated[
        Path | None, typer.Option("--report", help="Write ledger, rates and latencies as JSON.", metavar="FILE")
    ] = None,
    event_log: Annotated[
        Path | None, typer.Option("--event-log", help="Write what each event was made of.", metavar="FILE")
    ] = None,
    silent_s: Annotated[
        float, typer.Option("--silent-s", min=0, help="End when nothing has arrived for so long; 0: never.")
    ] = 0.0,
    run_id: Annotated[str, typer.Option("--run", help="Name of the run; by default made of the time.")] = "",
    engine: Annotated[
        str, typer.Option(help="What executes the pipeline: inline, in one thread, or local, in processes.")
    ] = "local",
    serve: Annotated[
        str | None,
        typer.Option("--serve", help="Show views and status at this address; off: nowhere.", metavar="[HOST:]PORT"),
    ] = None,
    stay: Annotated[bool, typer.Option("--stay", help="Show the views until Ctrl-C, also after the end.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report for machines.")] = False,
) -> None:
    """Run a pipeline and print its ledger.

    Ctrl-C reads nothing more and brings out what has arrived; a second one stops at once.

    Exit code 0 finished, 1 failed, 2 wrong as written, 3 incomplete or with dead letters, 130 stopped on request.
    """
    from penstock.errors import CheckError, ParameterError, Problem
    from penstock.pipeline.pipeline import Pipeline
    from penstock.services.interrupt import Interrupt

    pipeline = Pipeline.load(file)
    options: dict[str, Any] = {
        "run_id": run_id,
        "event_log": event_log,
        "silent_s": silent_s,
        "trigger_maps": _maps(pipeline, trigger_map or []),
        "values": dict(_value(text) for text in values or []),
    }
    _must_be_writable(report_to)
    is_hidden = quiet or as_json or not sys.stderr.isatty()
    # Within the progress there must be no new line: it goes up as many as it has written.
    answer = f"{HEARD}\n" if is_hidden else f"\r{HEARD}\x1b[K"
    with _serving(pipeline, serve, engine, stay=stay) as web:
        if web is not None:
            options["web"] = web
            print(f"views: {web.address}", file=sys.stderr)
            if stay and _begin_without_run(web, pipeline, options["trigger_maps"]):
                wanted = stay_until_asked(web, _Following(pipeline))
                if wanted is None:
                    raise typer.Exit(STOPPED)
                options.update(wanted)
        while True:
            with Interrupt(answer) as interrupt:  # also while the end is told: Ctrl-C may come as a run ends by itself
                with _Progress(hidden=is_hidden) as progress:
                    try:
                        report: RunReport = pipeline.run(engine, interrupt=interrupt, progress=progress, **options)
                    except ParameterError as error:
                        raise CheckError([Problem(where="--set", text=str(error))]) from error
                is_written = report_to is None or _write(report, report_to)
                if as_json:
                    print(_json(report).decode(), flush=True)
                else:
                    _print(report)
            if web is None or not stay or interrupt.is_asked:
                break
            following = stay_until_asked(web, None if event_log else _Following(pipeline))
            if following is None:
                break
            options.update(following)
    raise typer.Exit(report.exit_code if is_written else report.exit_code or FAILED)


class _Following:
    """Options of another run, from what somebody wants; refused before anything starts."""

    def __init__(self, pipeline: Any) -> None:
        self._pipeline = pipeline
        self.options: dict[str, Any] = {}

    def __call__(self, wish: Any) -> None:  # a StartWish
        """Take a wish, or raise what is wrong with it."""
        import time

        from penstock.core import Timestamp
        from penstock.errors import CheckError, Problem
        from penstock.pipeline.map_check import read_map_for
        from penstock.services.build import trigger_maps_of
        from penstock.services.declared import declared_parameters

        plan = self._pipeline.plan()
        joins = {join.name: join for join in plan.joins.values() if join.by == "trigger-map"}
        maps = {}
        for name, document in wish.trigger_maps.items():
            if name not in joins:
                remedy = f"those that are: {', '.join(joins) or 'none'}"
                raise CheckError([Problem(where=name, text="is no join by trigger map", remedy=remedy)])
            maps[name] = read_map_for(joins[name], bytes(document))
        trigger_maps_of(plan, maps)
        declared_parameters(plan, wish.values, Timestamp(time.time_ns()))
        self.options = {"run_id": wish.run, "trigger_maps": maps, "values": wish.values}


def _serving(pipeline: Any, written: str | None, engine: str, *, stay: bool) -> AbstractContextManager[Any]:
    """Return the service that the options or the file ask for, or nothing."""
    from penstock.errors import CheckError, Problem, ServiceError
    from penstock.services.web_address import web_service

    where = pipeline.plan().serve if written is None else None if written == "off" else written
    if where is not None and engine != "local":
        if written is None:
            return nullcontext()
        problem = Problem(where="--serve", text=f"the engine {engine} serves no views", remedy="use --engine local")
        raise CheckError([problem])
    if where is None:
        if stay:
            raise CheckError([Problem(where="--stay", text="there is nothing to be seen", remedy="add --serve 8400")])
        return nullcontext()
    try:
        return web_service(where)
    except ServiceError as error:
        raise CheckError([Problem(where="serve" if written is None else "--serve", text=str(error))]) from error


def _begin_without_run(web: Any, pipeline: Any, maps: dict[str, Any]) -> bool:  # a WebService, a Pipeline
    """Serve nothing but the wish for a run, if a map is lacking that comes with it; return whether that is so."""
    from penstock.pipeline.graph_svg import draw_svg
    from penstock.pipeline.map_check import waits_for_map
    from penstock.services.run_names import own_version

    plan = pipeline.plan()
    lacking = [name for name, join in plan.joins.items() if name not in maps and waits_for_map(join)]
    if lacking:
        web.begin(None, pipeline=plan.name, version=own_version(), graph=draw_svg(plan))
        print(f"{', '.join(lacking)}: a run begins when its trigger map is given over HTTP", file=sys.stderr)
    return bool(lacking)


def stay_until_asked(web: Any, following: _Following | None = None) -> dict[str, Any] | None:  # a WebService
    """Show the views of a run that has ended until Ctrl-C, or until another is wanted; return its options then."""
    from penstock.services.interrupt import Interrupt

    with Interrupt() as interrupt:
        print(f"the views stay at {web.address} until Ctrl-C", file=sys.stderr)
        wish = web.stay(interrupt.pollable, following)
    if web.trouble:
        print(f"penstock: {web.trouble}", file=sys.stderr)
    return None if wish is None or following is None else following.options


def _maps(pipeline: Any, given: list[str]) -> dict[str, Any]:
    from penstock.errors import CheckError, MapError, Problem
    from penstock.pipeline.map_check import read_map_for

    if not given:
        return {}
    plan = pipeline.plan()
    joins = [join.name for join in plan.joins.values() if join.by == "trigger-map"]
    maps = {}
    for text in given:
        name, equals, path = text.rpartition("=")
        if not joins:
            remedy = "leave it out, or write by: trigger-map in events"
            raise CheckError([Problem(where="--map", text="no join of this pipeline is by trigger map", remedy=remedy)])
        if not equals and len(joins) != 1:
            text = f"the joins by trigger map are {', '.join(joins)}"
            raise CheckError([Problem(where="--map", text=text, remedy="write JOIN=FILE")])
        join = name or joins[0]
        if join not in joins:
            problem = Problem(where="--map", text=f"no join by trigger map is called {join}", remedy=", ".join(joins))
            raise CheckError([problem])
        try:
            maps[join] = read_map_for(plan.joins[join], Path(path).read_bytes())
        except OSError as error:
            problem = Problem(where="--map", text=f"{path} cannot be read: {error.strerror}", remedy="name a JSON file")
            raise CheckError([problem]) from error
        except MapError as error:
            problems = [Problem(where=f"--map {path} {p.where}", text=p.text, remedy=p.remedy) for p in error.problems]
            raise CheckError(problems) from error
    return maps


def _value(text: str) -> tuple[str, Any]:
    import json

    from penstock.errors import CheckError, Problem

    name, equals, value = text.partition("=")
    if not equals:
        raise CheckError([Problem(where="--set", text=f"no value in {text!r}", remedy="write STAGE.NAME=VALUE")])
    try:
        return name, json.loads(value)
    except json.JSONDecodeError:
        return name, value


def _must_be_writable(path: Path | None) -> None:
    """Find out now that a report cannot be written, not after hours of measuring."""
    from penstock.errors import CheckError, Problem

    if path is None:
        return
    try:
        is_new = not path.exists()
        path.open("ab").close()
        if is_new:
            path.unlink()
    except OSError as error:
        remedy = "name a file in a folder that you may write"
        raise CheckError([Problem(where="--report", text=f"{path}: {error.strerror}", remedy=remedy)]) from error


def _write(report: "RunReport", path: Path) -> bool:
    try:
        path.write_bytes(_json(report))
    except OSError as error:
        if path.is_file():  # half of it would be taken for all
            path.unlink()
        print(f"penstock: --report: {path} was not written: {error.strerror}", file=sys.stderr)
        return False
    return True


def _json(report: "RunReport") -> bytes:
    import msgspec

    return msgspec.json.format(msgspec.json.encode(report), indent=2)


def _print(report: "RunReport") -> None:
    from rich.console import Console

    from penstock.monitor.ledger_table import ledger_table, remarks, summary

    console = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else WIDE)
    if report.outcome != "failed" or any(edge.arrived for edge in report.edges):
        console.print(ledger_table(report, console.width))
    for line in remarks(report):
        console.print(line, markup=False)
    for latency_of, latency in report.latencies.items():
        figures = f"p50 {latency.p50_s * 1e3:.1f} ms, p99 {latency.p99_s * 1e3:.1f} ms"
        console.print(f"{latency_of}: from arrival to result {figures}", markup=False)
    for sink, path in report.outputs.items():
        console.print(f"{sink}: {path}", markup=False)
    for failure in report.failures[-1:]:
        console.print(str(failure["traceback"]).rstrip(), markup=False)
    console.print(summary(report), markup=False)


class _Progress:
    """The ledger in the terminal, updating in place while the run goes on."""

    def __init__(self, *, hidden: bool) -> None:
        self._hidden = hidden
        self._live: Any = None

    def __enter__(self) -> "_Progress":
        if not self._hidden:
            from rich.console import Console
            from rich.live import Live

            self._live = Live(
                console=Console(stderr=True),
                transient=True,
                auto_refresh=False,
                redirect_stdout=sys.stdout.isatty(),  # what goes into a file or a pipe must stay there
            )
            self._live.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._live is not None:
            self._live.stop()

    def __call__(self, report: "RunReport") -> None:
        if self._live is None:
            return
        from rich.console import Group
        from rich.text import Text

        from penstock.monitor.ledger_table import ledger_table, summary

        self._live.update(Group(ledger_table(report, self._live.console.width), Text(summary(report))), refresh=True)
