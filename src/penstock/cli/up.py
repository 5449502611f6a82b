"""``penstock up``: keep the pipelines of a folder running, until somebody asks for the end."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from penstock.services.upkeep import Upkeep, UpkeepPlan

__all__ = ["up"]

HEARD = "ending all pipelines; Ctrl-C again stops them at once"


def up(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="With pipeline files, or with an up.yaml.")],
    health: Annotated[
        str, typer.Option("--health", help="Answer GET /health here, for orchestrators.", metavar="[HOST:]PORT")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line for every change.")] = False,
) -> None:
    """Run every pipeline of a folder in a process of its own, and start it again when it fails.

    Who fails too often within some minutes is given up, and the others go on. SIGTERM and Ctrl-C bring out what has
    come; a second one stops at once. If this program itself is killed, the pipelines end, too, in good order.

    Exit code 0; 1 if a pipeline was given up, 2 wrong as written, 3 if one ended incomplete.
    """
    import os

    from penstock.pipeline.upkeep_file import read_upkeep
    from penstock.services.folder_lock import held
    from penstock.services.health import HealthDoor
    from penstock.services.interrupt import Interrupt
    from penstock.services.notify import Notifier
    from penstock.services.upkeep import Upkeep

    written, files = read_upkeep(folder, os.environ)
    plan = _plan(folder, written, files)
    notifier = Notifier()
    with held(plan.logs, lambda text: print(text, file=sys.stderr)) as lock, Upkeep(plan, [lock]) as upkeep:
        with HealthDoor(health) as door, Interrupt(HEARD + "\n") as interrupt:
            if door.address:
                print(f"health: {door.address}/health", file=sys.stderr)
            notifier.tell(READY=1)
            with _shown(upkeep, as_json=as_json) as show:
                _keep(upkeep, interrupt, door, notifier, show)
        code = upkeep.exit_code
    raise typer.Exit(code)


def _keep(upkeep: "Upkeep", interrupt: Any, door: Any, notifier: Any, show: Any) -> None:
    upkeep.wake_on(interrupt.pollable)
    is_ending = False
    try:
        while not upkeep.is_over:
            for news in upkeep.step():
                show(news)
            door.tell(str(upkeep.state), upkeep.describe())
            notifier.live()
            if interrupt.is_asked and not is_ending:
                is_ending = True
                upkeep.sleep_on(interrupt.pollable)
                notifier.tell(STOPPING=1)
                upkeep.stop()
    except KeyboardInterrupt:
        upkeep.abort()
        while not upkeep.is_over:
            for news in upkeep.step():
                show(news)


def _plan(folder: Path, written: Any, files: dict[str, Path]) -> "UpkeepPlan":  # written: an UpkeepFile
    from penstock.services.upkeep import KeptPipeline, UpkeepPlan

    pipelines = []
    for name, file in files.items():
        entry = written.pipelines.get(name)
        options = {} if entry is None else {
            "again": entry.again, "resumes": entry.resumes, "arguments": entry.arguments, "environ": entry.environ,
        }  # fmt: skip
        pipelines.append(KeptPipeline(name=name, file=file, **options))
    return UpkeepPlan(
        pipelines=tuple(pipelines), restarts=written.restarts.budget, stop_s=written.stop_s,
        watchdog_s=written.watchdog_s, logs=(folder / written.logs).absolute(),
    )  # fmt: skip


class _shown:  # noqa: N801 - used as a function
    """Show pipelines as they change: a table in place on a terminal, else a line for each change."""

    def __init__(self, upkeep: "Upkeep", *, as_json: bool) -> None:
        self._upkeep, self._as_json = upkeep, as_json
        self._live: Any = None

    def __enter__(self) -> "Any":
        if not self._as_json and sys.stdout.isatty():
            from rich.live import Live

            self._live = Live(auto_refresh=False)
            self._live.__enter__()
        for each in self._upkeep.describe():
            self._show(each)
        return self._show

    def __exit__(self, *raised: Any) -> None:
        if self._live is not None:
            self._live.__exit__(*raised)

    def _show(self, news: dict[str, Any]) -> None:
        if self._live is not None:
            self._live.update(table(self._upkeep.describe()), refresh=True)
        elif self._as_json:
            print(json.dumps(news), flush=True)
        else:
            print(line(news), flush=True)


def line(news: dict[str, Any]) -> str:
    """Return how a pipeline is, on one line."""
    words = [f"{news['pipeline']}: {news['state']}"]
    words += [f"run {news['run']}"] if news["run"] else []
    words += [news["address"]] if news["address"] else []
    words += [news["why"]] if news["why"] else []
    words += [f"see {news['log']}"] if news["state"] == "fault" else []
    return ", ".join(words)


def table(described: list[dict[str, Any]]) -> Any:  # a table of rich
    """Return how all pipelines are, for a terminal."""
    from rich.table import Table
    from rich.text import Text

    styles = {"fault": "bold red", "degraded": "yellow", "processing": "green"}
    found = Table("pipeline", "state", "run", "starts", "views", "why", box=None, pad_edge=False)
    for each in described:
        state = Text(each["state"], style=styles.get(each["state"], ""))
        found.add_row(each["pipeline"], state, each["run"], str(each["starts"]), each["address"], Text(each["why"]))
    return found
