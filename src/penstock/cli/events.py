"""``penstock events``: the last events that a running pipeline keeps, in text, as JSON, or in a file."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from penstock.core.event import Event

__all__ = ["events"]


def events(
    address: Annotated[
        str, typer.Argument(metavar="[ADDRESS]", help="As penstock run prints it.")
    ] = "http://127.0.0.1:8400",
    stage: Annotated[str, typer.Option("--stage", help="Which stage keeps them, if several do.")] = "",
    last: Annotated[int | None, typer.Option("--last", min=1, metavar="N", help="So many of the newest.")] = None,
    event: Annotated[int | None, typer.Option("--event", min=0, metavar="NUMBER", help="Only this one.")] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print an object a line: everything but the arrays, which are described.")
    ] = False,
    save: Annotated[
        Path | None, typer.Option("--save", metavar="FILE", help="Write them, arrays and all: .cbors or .h5.")
    ] = None,
) -> None:
    """Show the last events that a running pipeline keeps: numbers, keys, times, metadata, a small view of each array.

    A stage with `map: keep-events` keeps them. By default the newest one is shown, and --save writes all there are.

    A token is taken from PENSTOCK_VIEWER_TOKEN or PENSTOCK_OPERATOR_TOKEN. Exit code 0; 1 if nobody answers, no stage
    keeps events, or there is no such event; 2 if it is not written as it should be.
    """
    from penstock.client import connect
    from penstock.errors import SelectionError

    if save is not None:
        _check_ending(save)
    if last is None and event is None and save is None:
        last = 1
    with connect(address) as seen:
        found = seen.events(stage, last=last, number=event)
        if event is not None and not found:
            there = _there(seen.keepers, stage)
            raise SelectionError(f"event {event} is not kept{there}")
    if save is not None:
        from penstock.cli.saved_events import save_events

        save_events(found, save)
        print(f"{len(found)} events in {save}")
    else:
        _show(found, as_json=as_json)


def _check_ending(path: Path) -> None:
    from penstock.cli.saved_events import ENDINGS
    from penstock.errors import CheckError, Problem

    if path.suffix not in ENDINGS:
        text = f"nothing says how events are written to {path.name}"
        raise CheckError([Problem(where="--save", text=text, remedy=f"let it end with {' or '.join(ENDINGS)}")])


def _there(keepers: dict[str, dict[str, list[int]]], stage: str) -> str:
    """Say which events there are."""
    numbers = keepers[stage or next(iter(keepers))]["numbers"]
    return f"; there are {min(numbers)} to {max(numbers)}" if numbers else "; none is yet"


def _show(found: "list[Event]", *, as_json: bool) -> None:
    if as_json:
        from penstock.monitor.event_text import describe_event
        from penstock.wire.item_json import item_json

        for event in found:
            print(item_json(describe_event(event)).decode(), flush=True)
        return
    from shutil import get_terminal_size

    from penstock.monitor.event_text import event_lines

    width = get_terminal_size((100, 24)).columns
    for event in found:
        for line in event_lines(event, width):
            print(line)
    if not found:
        print("no event is kept yet")
