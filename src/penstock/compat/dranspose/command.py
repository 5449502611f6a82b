"""``penstock dranspose``: replay dumps through users' classes, or run them live under dranspose's REST paths."""

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

from penstock.extra import extra

with extra("cli"):
    import typer

__all__ = ["app"]

app = typer.Typer(add_completion=False, rich_markup_mode=None, no_args_is_help=True)

STOPPED = 130
CONTROLLER, REDUCER = 5000, 5001

Host = Annotated[str, typer.Option("--host", help="Where to listen.")]
Tokenless = Annotated[
    bool, typer.Option("--tokenless", help="Let --host be one that others reach, who may then do everything.")
]
Worker = Annotated[str, typer.Option("-w", "--workerclass", help="The Worker.", metavar="MODULE:CLASS")]
Reducer = Annotated[str, typer.Option("-r", "--reducerclass", help="The Reducer.", metavar="MODULE:CLASS")]
Parameters = Annotated[
    Path | None, typer.Option("-p", "--parameters", help="Values of parameters: JSON or CBOR.", metavar="FILE")
]
NWorkers = Annotated[int, typer.Option("--nworkers", min=1, max=1024, help="How many workers.")]


@app.command()
def replay(
    worker: Worker,
    reducer: Reducer,
    files: Annotated[
        list[str] | None, typer.Option("-f", "--files", help="Dumps; again for each ingester's.", metavar="FILE")
    ] = None,
    more: Annotated[
        list[str] | None, typer.Argument(help="Further dumps.", metavar="[FILE]...", show_default=False)
    ] = None,
    source: Annotated[
        str, typer.Option("-s", "--source", help="What gives events instead of dumps.", metavar="MODULE:CLASS")
    ] = "",
    parameters: Parameters = None,
    port: Annotated[
        int | None, typer.Option("--port", min=0, max=65535, help="Show results here, and take parameters.")
    ] = None,
    keep_alive: Annotated[bool, typer.Option("--keep-alive", help="Show the results until Ctrl-C.")] = False,
    nworkers: NWorkers = 2,
    host: Host = "127.0.0.1",
    tokenless: Tokenless = False,
) -> None:
    """Send events of dumps, or of a class that generates them, through a Worker and a Reducer.

    Exit code as of `penstock run`.
    """
    from penstock.compat.dranspose.ensemble import Ensemble
    from penstock.compat.dranspose.pipelines import DUMP, Pool, replay_map
    from penstock.errors import CheckError, Problem
    from penstock.pipeline.entries import Source

    dumps = [*(files or []), *(more or [])]
    if bool(dumps) == bool(source):
        problem = Problem(where="-f, -s", text="events come from dumps or from a class", remedy="give one of the two")
        raise CheckError([problem])
    if missing := [each for each in dumps if not Path(each).is_file()]:
        remedy = "give the path of a dump"
        raise CheckError([Problem(where="-f", text=f"there is no file {each}", remedy=remedy) for each in missing])
    here = "penstock.compat.dranspose.sources"
    entry = Source(f"{here}:GeneratorSource", source=source) if source else Source(f"{here}:DumpSource", files=dumps)
    pools = [Pool(use=worker, workers=nworkers)]
    options: dict[str, Any] = {"parameters": _given(parameters), "worker_name": "replay-worker"}
    with ExitStack() as stack:
        web = stack.enter_context(_web()) if port is not None else None
        ensemble = Ensemble({DUMP: entry}, pools, reducer, folder=Path.cwd(), web=web, **options)
        stack.callback(ensemble.close)
        ensemble.start(replay_map(), {"parts": {}, "sequence": []})
        if web is not None and port is not None:
            _serve(stack, ensemble, web, host, port, tokenless=tokenless)
        raise typer.Exit(_to_the_end(ensemble, stays=keep_alive))


@app.command()
def run(
    worker: Worker = "",
    streams: Annotated[
        list[str] | None,
        typer.Option(
            "--stream", help="A stream: its name, what sends it, and where from.", metavar="NAME=KIND,ADDRESS"
        ),
    ] = None,
    values: Annotated[
        Path | None, typer.Option("--values", help="Of a helm chart: streams and classes.", metavar="FILE")
    ] = None,
    reducer: Reducer = "",
    parameters: Parameters = None,
    nworkers: NWorkers = 2,
    tags: Annotated[str, typer.Option("--tags", help="Of these workers, with commas.")] = "generic",
    pools: Annotated[
        list[str] | None,
        typer.Option(
            "--pool", help="Other workers: their class, tags, how many.", metavar="NAME=MODULE:CLASS,TAG[+TAG],N"
        ),
    ] = None,
    debug: Annotated[int, typer.Option("--debugworkers", min=0, max=64, help="Debug workers, with the tag debug.")] = 0,
    host: Host = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Of the controller.")] = CONTROLLER,
    reducer_port: Annotated[int, typer.Option("--reducer-port", min=0, max=65535, help="Of the reducer.")] = REDUCER,
    debug_port: Annotated[int, typer.Option("--debug-port", min=0, max=65535, help="Of the debug workers.")] = 5002,
    views_port: Annotated[
        int,
        typer.Option("--views-port", min=0, max=65535, help="Of the page and penstock's clients; this machine's."),
    ] = 0,
    dump_folder: Annotated[
        Path | None,
        typer.Option("--dump-folder", help="Below here the parameter dump_prefix may dump.", metavar="FOLDER"),
    ] = None,
    wait_s: Annotated[
        float, typer.Option("--wait-s", min=0.1, help="How long others wait for a stream that is silent, in s.")
    ] = 60.0,
    tokenless: Tokenless = False,
) -> None:
    """Be controller, ingesters, workers and reducer until Ctrl-C; each trigger map that is posted is a scan.

    Kinds of streams: stins, eiger-legacy, contrast, xspress3, pcap-zmq, pcap-tcp, albaem, lecroy, or MODULE:CLASS, an
    ingester of yours; software, whose address is the stream of such an ingester with which it is read; sardana, whose
    address is the port that its recorder posts to.
    """
    from penstock.compat.dranspose.debug_worker import debug_pool
    from penstock.compat.dranspose.door import controller_app, debug_app
    from penstock.compat.dranspose.ensemble import Ensemble
    from penstock.compat.dranspose.ingesters import sources_of
    from penstock.compat.dranspose.pipelines import Pool
    from penstock.compat.dranspose.serving import Port
    from penstock.errors import CheckError, Problem
    from penstock.services.interrupt import Interrupt

    found = _installation(values)
    sources = sources_of(streams or [], found.entries)
    served = {name: taken for name, entry in sources.items() if (taken := _own_port(entry)) is not None}
    own = [Pool(use=worker, workers=nworkers, tags=tuple(tags.split(",")))] if worker else found.pools[:1]
    all_pools = [*own, *found.pools[1:], *(_pool(text) for text in pools or [])]
    reducer = reducer or found.reducer
    if not own or not sources:
        text, remedy = "there is no stream, or no Worker", "write --stream and -w, or --values FILE"
        raise CheckError([Problem(where="--stream, -w", text=text, remedy=remedy)])
    with ExitStack() as stack:
        if debug:
            all_pools.append(debug_pool(debug))
        for name, own_port in served.items():
            sources[name] = _taking_records(stack, name, host, own_port, tokenless=tokenless)
        web = stack.enter_context(_web(views_port))
        options: dict[str, Any] = {
            "parameters": _given(parameters), "dump_folder": dump_folder, "wait_s": wait_s,
        }  # fmt: skip
        ensemble = Ensemble(sources, all_pools, reducer, folder=Path.cwd(), web=web, **options)
        stack.callback(ensemble.close)
        controller = stack.enter_context(Port(controller_app(ensemble), host, port, tokenless=tokenless))
        print(f"controller: http://{host}:{controller.number}", file=sys.stderr)  # noqa: T201
        if reducer:
            _serve(stack, ensemble, web, host, reducer_port, tokenless=tokenless)
        if debug:
            door = stack.enter_context(Port(debug_app(ensemble), host, debug_port, tokenless=tokenless))
            print(f"debug worker: http://{host}:{door.number}", file=sys.stderr)  # noqa: T201
        with Interrupt() as interrupt:
            _until_asked(interrupt)
    raise typer.Exit(STOPPED)


def _own_port(entry: Any) -> int | None:
    """Return the port at which a stream is to be taken, if it is posted."""
    from penstock.errors import CheckError, Problem

    thing = entry.tree["use"]
    if not thing.name.endswith(":SardanaFrames"):
        return None
    if not str(thing.arguments["connect"]).isdigit():
        text, remedy = f"{thing.arguments['connect']!r} is no port to listen on", "write sardana=sardana,5003"
        raise CheckError([Problem(where="--stream", text=text, remedy=remedy)])
    return int(thing.arguments["connect"])


def _taking_records(stack: ExitStack, name: str, host: str, port: int, *, tokenless: bool) -> Any:
    """Listen for the records of a stream, and return its source."""
    from penstock.compat.dranspose.ingesters import kind_of
    from penstock.compat.dranspose.sardana import SardanaQueue, sardana_app
    from penstock.compat.dranspose.serving import Port
    from penstock.pipeline.entries import Source

    queue = stack.enter_context(SardanaQueue())
    door = stack.enter_context(Port(sardana_app(queue), host, port, tokenless=tokenless))
    print(f"{name}: http://{host}:{door.number}", file=sys.stderr)  # noqa: T201
    return Source(kind_of("sardana"), connect=queue.address)


def _installation(path: Path | None) -> Any:
    """Return what a file of values says; nothing without one."""
    from penstock.compat.dranspose.values_file import Installation, read_values
    from penstock.errors import CheckError
    from penstock.pipeline.include import file_text

    if path is None:
        return Installation()
    found = read_values(file_text(path), path)
    if errors := [problem for problem in found.problems if problem.level == "error"]:
        raise CheckError(errors)
    for problem in found.problems:
        print(f"warning: {problem}", file=sys.stderr)  # noqa: T201
    return found


def _given(path: Path | None) -> dict[str, bytes]:
    from penstock.compat.dranspose.parameter_file import read_parameters

    return {} if path is None else read_parameters(path)


def _pool(text: str) -> Any:
    from penstock.compat.dranspose.pipelines import Pool
    from penstock.errors import CheckError, Problem

    name, equals, rest = text.partition("=")
    words = rest.split(",")
    if not (name and equals and len(words) == 3 and words[2].isdigit()):
        remedy = "write NAME=MODULE:CLASS,TAG,COUNT, such as repub=repub:Repub,repub,1"
        raise CheckError([Problem(where="--pool", text=f"{text!r} is not of that form", remedy=remedy)])
    return Pool(name=name, use=words[0], tags=tuple(words[1].split("+")), workers=int(words[2]))


def _web(port: int = 0) -> Any:  # a WebService
    from penstock.services.web_service import WebService

    return WebService("127.0.0.1", port)


def _serve(stack: ExitStack, ensemble: Any, web: Any, host: str, port: int, *, tokenless: bool) -> None:
    from penstock.compat.dranspose.door import reducer_app
    from penstock.compat.dranspose.serving import Port

    door = stack.enter_context(Port(reducer_app(ensemble, web.address), host, port, tokenless=tokenless))
    print(f"reducer: http://{host}:{door.number}", file=sys.stderr)  # noqa: T201
    print(f"views: {web.address}", file=sys.stderr)  # noqa: T201


def _until_asked(interrupt: Any) -> None:
    import select

    poller = select.poll()
    poller.register(interrupt.pollable, select.POLLIN)
    poller.poll()


def _to_the_end(ensemble: Any, *, stays: bool) -> int:
    """Wait for the end of a replay, or for Ctrl-C; say how it was."""
    import time

    from penstock.services.interrupt import HEARING_S, Interrupt

    with Interrupt("bringing out what has arrived; Ctrl-C again stops at once\n") as interrupt:
        asked_s = 0.0
        while True:
            try:
                report = ensemble.wait(HEARING_S)
                break
            except TimeoutError:
                if interrupt.is_asked and not asked_s:
                    asked_s = time.monotonic()
                    ensemble.stop()
            except KeyboardInterrupt:
                ensemble.stop(at_once=True)
        _tell(report)
        stays = stays and not interrupt.is_asked
    if stays:
        with Interrupt() as interrupt:
            print("the results stay until Ctrl-C", file=sys.stderr, flush=True)  # noqa: T201
            _until_asked(interrupt)
    return int(report.exit_code)


def _tell(report: Any) -> None:
    from rich.console import Console

    from penstock.monitor.ledger_table import ledger_table, remarks, summary

    console = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else 200)
    console.print(ledger_table(report, console.width))
    for line in remarks(report):
        console.print(line, markup=False)
    for failure in report.failures[-1:]:
        console.print(str(failure["traceback"]).rstrip(), markup=False)
    console.print(summary(report), markup=False)
    sys.stdout.flush()
