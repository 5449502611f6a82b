"""``penstock run``: run a pipeline to its end, with progress, and print its ledger."""

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from penstock.cli.following import Following, name_of_run
from penstock.cli.run_report import Progress, must_be_writable, print_report, report_as_json, value_of, write_report

if TYPE_CHECKING:
    from penstock.monitor.report import RunReport

__all__ = ["fitting_engine", "run"]

FAILED = 1
STOPPED = 130
HEARD = "bringing out what has arrived; Ctrl-C again stops at once"


def run(
    file: Annotated[Path, typer.Argument(help="The pipeline file.")],
    node: Annotated[
        str, typer.Option("--node", "-n", help="Of a file of SNAP or rta-dp: which node, or which process.")
    ] = "",
    use: Annotated[
        str, typer.Option("--use", help="Of a file of rta-dp: the class that it does not name.", metavar="MODULE:CLASS")
    ] = "",
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
        str,
        typer.Option(
            help="What executes the pipeline: local, in processes; inline, in one thread; chains, fused, for what is "
            "nothing but steps. By default chains where it can, else local."
        ),
    ] = "",
    serve: Annotated[
        str | None,
        typer.Option("--serve", help="Show views and status at this address; off: nowhere.", metavar="[HOST:]PORT"),
    ] = None,
    control: Annotated[
        str | None,
        typer.Option("--control", help="Take commands over ZeroMQ at this address; off: nowhere.", metavar="ADDRESS"),
    ] = None,
    held: Annotated[bool, typer.Option("--held", help="Begin with everything held, until penstock ctl start.")] = False,
    stay: Annotated[bool, typer.Option("--stay", help="Show the views until Ctrl-C, also after the end.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report for machines.")] = False,
) -> None:
    """Run a pipeline and print its ledger.

    Ctrl-C reads nothing more and brings out what has arrived; a second one stops at once.

    Exit code 0 finished, 1 failed, 2 wrong as written, 3 incomplete or with dead letters, 130 stopped on request.
    """
    from penstock.errors import CheckError, ParameterError, Problem
    from penstock.pipeline.front_door import Asked
    from penstock.pipeline.pipeline import Pipeline
    from penstock.services.interrupt import Interrupt
    from penstock.services.notify import Notifier
    from penstock.services.own_process import end_with_parent

    end_with_parent()
    pipeline = Pipeline.load(file, asked=Asked(node=node, use=use, runs=True))
    for problem in pipeline.problems:  # those of a file of another system; what runs otherwise is to be known
        if problem.level == "warning":
            print(f"warning: {problem}", file=sys.stderr)
    engine = engine or fitting_engine(pipeline, event_log)
    options: dict[str, Any] = {
        "run_id": run_id,
        "event_log": event_log,
        "silent_s": silent_s,
        "trigger_maps": _maps(pipeline, trigger_map or []),
        "values": dict(value_of(text) for text in values or []),
    }
    must_be_writable(report_to)
    _must_be_free(pipeline, run_id)
    is_hidden = quiet or as_json or not sys.stderr.isatty()
    # Within the progress there must be no new line: it goes up as many as it has written.
    answer = f"{HEARD}\n" if is_hidden else f"\r{HEARD}\x1b[K"
    with _serving(pipeline, serve, engine, stay=stay) as web, _commanded(pipeline, control, engine, web) as desk:
        options |= _of_outside(engine, web, desk, is_held=held)
        if web is not None:
            print(f"views: {web.address}", file=sys.stderr)
            Notifier().tell(PENSTOCK_ADDRESS=web.address)
            if stay and _begin_without_run(web, pipeline, options["trigger_maps"]):
                wanted = stay_until_asked(web, Following(pipeline, web, name=run_id))
                if wanted is None:
                    raise typer.Exit(STOPPED)
                options.update(wanted)
        while True:
            with Interrupt(answer) as interrupt:  # also while the end is told: Ctrl-C may come as a run ends by itself
                with Progress(hidden=is_hidden) as progress:
                    try:
                        report: RunReport = pipeline.run(engine, interrupt=interrupt, progress=progress, **options)
                    except ParameterError as error:
                        raise CheckError([Problem(where="--set", text=str(error))]) from error
                is_written = report_to is None or write_report(report, report_to)
                if as_json:
                    print(report_as_json(report).decode(), flush=True)
                else:
                    print_report(report)
            if web is None or not stay or interrupt.is_asked or web.desk.is_shut_down:
                break
            following = stay_until_asked(web, None if event_log else Following(pipeline, web))
            if following is None:
                break
            options.update(following)
    raise typer.Exit(report.exit_code if is_written else report.exit_code or FAILED)


def fitting_engine(pipeline: Any, event_log: Path | None = None) -> str:
    """Return the engine for a pipeline, if none is asked for."""
    from penstock.pipeline.chains import chains_trouble

    return "local" if chains_trouble(pipeline.plan()) or event_log else "chains"


def _must_be_free(pipeline: Any, run_id: str) -> None:
    """Refuse the name of a run that another one has which is recorded, before anything starts."""
    from penstock.errors import CheckError, Problem, StateError

    try:
        name_of_run(pipeline.plan(), run_id)
    except StateError as error:
        raise CheckError([Problem(where="--run", text=str(error))]) from error


def _serving(pipeline: Any, written: str | None, engine: str, *, stay: bool) -> AbstractContextManager[Any]:
    """Return the service that the options or the file ask for, or nothing."""
    from penstock.errors import CheckError, Problem, ServiceError
    from penstock.services.web_address import web_service

    where = pipeline.plan().serve if written is None else None if written == "off" else written
    if where is not None and engine == "inline":
        if written is None:
            return nullcontext()
        problem = Problem(where="--serve", text=f"the engine {engine} serves no views", remedy="leave --engine out")
        raise CheckError([problem])
    if where is None:
        if stay:
            raise CheckError([Problem(where="--stay", text="there is nothing to be seen", remedy="add --serve 8400")])
        return nullcontext()
    try:
        return web_service(where)
    except ServiceError as error:
        raise CheckError([Problem(where="serve" if written is None else "--serve", text=str(error))]) from error


@contextmanager
def _commanded(pipeline: Any, written: str | None, engine: str, web: Any) -> Iterator[Any]:  # a ControlDesk, or None
    """Give the desk with the door that the option or the file asks for; ``None`` if neither says anything of it."""
    from penstock.errors import CheckError, Problem, ServiceError

    where = pipeline.plan().control if written is None else written
    if where is None or (engine == "inline" and written in (None, "off")):
        yield None
        return
    if engine == "inline":
        remedy = "leave --engine out"
        raise CheckError([Problem(where="--control", text="the engine inline takes no commands", remedy=remedy)])
    from penstock.services.control_desk import ControlDesk
    from penstock.services.control_door import control_door

    desk = ControlDesk() if web is None else web.desk
    if where == "off":
        yield desk
        return
    try:
        door = control_door(where, desk)
    except ServiceError as error:
        raise CheckError([Problem(where="control" if written is None else "--control", text=str(error))]) from error
    print(f"commands: {door.address}", file=sys.stderr)
    with door:
        yield desk


def _of_outside(engine: str, web: Any, desk: Any, *, is_held: bool) -> dict[str, Any]:
    """Return the options of a run that is seen, commanded or held from outside; nothing is held for ever."""
    from penstock.errors import CheckError, Problem

    given = {"web": web, "desk": desk, "is_held": is_held or None}
    if is_held and engine == "inline":
        problem = Problem(where="--held", text="the engine inline takes no commands", remedy="leave --engine out")
        raise CheckError([problem])
    if is_held and web is None and (desk is None or desk.door is None):
        remedy = "add --serve 8400, or --control tcp://127.0.0.1:8420"
        raise CheckError([Problem(where="--held", text="nobody could start it", remedy=remedy)])
    return {name: value for name, value in given.items() if value is not None}


def _begin_without_run(web: Any, pipeline: Any, maps: dict[str, Any]) -> bool:  # a WebService, a Pipeline
    """Serve nothing but the wish for a run, if a map is lacking that comes with it; return whether that is so."""
    from penstock.pipeline.flow_plan import flow_plan
    from penstock.pipeline.graph_svg import draw_svg
    from penstock.pipeline.map_check import waits_for_map
    from penstock.services.run_names import own_version
    from penstock.streams.opened import named_from_anywhere

    plan = pipeline.plan()
    lacking = [name for name, join in plan.joins.items() if name not in maps and waits_for_map(join)]
    if lacking:
        web.desk.introduce(plan)
        web.begin(
            None, pipeline=plan.name, version=own_version(), graph=draw_svg(plan), flow=flow_plan(plan),
            store=named_from_anywhere(plan.store, plan.folder),
        )  # fmt: skip
        print(f"{', '.join(lacking)}: a run begins when its trigger map is given over HTTP", file=sys.stderr)
    return bool(lacking)


def stay_until_asked(web: Any, following: Following | None = None) -> dict[str, Any] | None:  # a WebService
    """Show the views of a run that has ended until Ctrl-C, or until another is wanted; return its options then."""
    from penstock.services.interrupt import Interrupt
    from penstock.services.notify import Notifier

    with Interrupt() as interrupt, Notifier().resting():
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
