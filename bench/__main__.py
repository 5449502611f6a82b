"""``./dev bench``: measure, and print a table for people or JSON for machines."""

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module

from rich.console import Console
from rich.table import Table

from bench.effort import Effort
from bench.row import Failed, Row

SUITES: Mapping[str, Mapping[str, str]] = {
    "core": {name: f"bench.{name}:rows" for name in ("core_start", "core_join", "core_mechanisms", "core_inline")},
    "local": {
        "limits": "bench.local_limits:rows",
        "start": "bench.local_start:start_rows",
        "memory": "bench.local_start:memory_rows",
        "frames_copy": "bench.local_frames:copied_rows",
        "frames_inplace": "bench.local_frames:in_place_rows",
        "events_batch": "bench.local_events:batch_rows",
        "events_call": "bench.local_events:call_rows",
        "events_gaps": "bench.local_events:gaps_rows",
        "stins_small": "bench.local_stins:small_rows",
        "stins_large": "bench.local_stins:large_rows",
        "workers_slow": "bench.local_workers:slow_rows",
        "results": "bench.local_workers:results_rows",
        "staffing": "bench.local_staffing:rows",
        "kept": "bench.local_kept:kept_rows",
        "latency_small": "bench.local_latency:rows",
        "idle": "bench.local_idle:rows",
        "hops": "bench.local_hops:rows",
        "counters": "bench.local_counters:rows",
        "camera": "bench.local_camera:rows",
    },
    "web": {
        "web_small": "bench.web:small_rows",
        "web_large": "bench.web:large_rows",
        "web_viewers": "bench.web:viewers_rows",
        "simulators": "bench.simulators:rows",
        "demo": "bench.demo:rows",
    },
    "chains": {
        "chains_fused": "bench.chains:fused_rows",
        "chains_blocks": "bench.chains:block_rows",
        "chains_hops": "bench.chains:hop_rows",
        "chains_counters": "bench.chains_counters:rows",
        "chains_zmq": "bench.zmq_items:rows",
        "chains_parallel": "bench.parallel:rows",
        "chains_memory": "bench.chains:memory_rows",
    },
    "instruments": {
        "frames": "bench.instruments_frames:rows",
        "files": "bench.instruments_files:rows",
        "decoding": "bench.instruments_decoding:rows",
        "eiger": "bench.instruments_eiger:rows",
        "program": "bench.instruments_workers:program_rows",
        "model": "bench.instruments_workers:model_rows",
    },
    "asapo": {
        "asapo_send": "bench.asapo:send_rows",
        "asapo_frames": "bench.asapo:frame_rows",
        "asapo_read": "bench.asapo:read_rows",
        "asapo_latency": "bench.asapo:latency_rows",
    },
    "control": {
        "control_lanes": "bench.control:lane_rows",
        "control_small": "bench.control_echo:small_rows",
        "control_large": "bench.control_echo:large_rows",
        "control_idle": "bench.control_ends:idle_rows",
        "control_shutdown": "bench.control_ends:shutdown_rows",
    },
    "monitoring": {
        "monitoring_busy": "bench.monitoring:busy_rows",
        "monitoring_idle": "bench.monitoring:idle_rows",
    },
    "page": {
        "page_bundle": "bench.page:bundle_rows",
        "page_first": "bench.page:first_rows",
        "page_follow": "bench.page:follow_rows",
        "page_death": "bench.page:death_rows",
        "page_hidden": "bench.page:hidden_rows",
        "page_viewers": "bench.page:viewers_rows",
    },
    "streams": {
        "streams_frames": "bench.streams_blocks:frame_rows",
        "streams_records": "bench.streams_blocks:record_rows",
        "streams_read": "bench.streams_blocks:read_rows",
        "streams_send": "bench.streams_send:rows",
        "streams_group": "bench.streams_groups:rows",
        "streams_tcp_send": "bench.streams_tcp:send_rows",
        "streams_tcp_group": "bench.streams_tcp:group_rows",
        "streams_tcp_latency": "bench.streams_tcp:latency_rows",
        "streams_latency": "bench.streams_camera:latency_rows",
        "streams_camera": "bench.streams_camera:camera_rows",
        "streams_many": "bench.streams_many:rows",
        "streams_flat": "bench.streams_send:flat_rows",
    },
}
"""By suite and subject the function that yields its rows; but for ``core``, they are told how much effort to make."""
CORES = 2
"""What the targets of ``local`` are for; a larger machine lends it so many."""

BUSY = 0.5
"""Processes that want a processor before anything is measured, from which on figures are not to be trusted."""


def main() -> int:
    """Measure what was asked; 1 if a target was missed, or something could not be measured."""
    asked = _arguments()
    effort = Effort.long(asked.engine) if asked.long else Effort(engine=asked.engine)
    effort = Effort.quick(asked.engine) if asked.quick else effort
    _say_load()
    found = list(_measured([asked.suite] if asked.suite else list(SUITES), asked.only, effort))
    if asked.json:
        print(json.dumps([each.as_json() for each in found], indent=1))
    else:
        # A file or a pipe has no width; names are not to be folded for its sake.
        Console(width=None if sys.stdout.isatty() else 180).print(
            _table([row for row in found if isinstance(row, Row)])
        )
        for each in found:
            if isinstance(each, Failed):
                print(f"{each.name} could not be measured: {each.why}")
    return 0 if all(each.met for each in found) else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__)
    parser.add_argument("suite", nargs="?", choices=sorted(SUITES), help="all of them by default")
    parser.add_argument("--json", action="store_true", help="a list of rows, for machines")
    parser.add_argument("--only", default="", help="subjects that have this text in their name")
    length = parser.add_mutually_exclusive_group()
    length.add_argument(
        "--long", action="store_true", help="more and longer runs, the cameras for minutes, a fresh clone"
    )
    length.add_argument("--quick", action="store_true", help="one short run each, to see that all of it works")
    parser.add_argument(
        "--engine", default="local", help="for the suite local; inline shows that its pipelines are right"
    )
    return parser.parse_args()


def _say_load() -> None:
    """Warn who measures beside others: figures of the whole machine, and of the disk, are theirs, too."""
    load = os.getloadavg()[0]
    if load > BUSY:
        print(f"others use this machine: {load:.1f} processes wanted a processor in the last minute", file=sys.stderr)


def _measured(suites: Sequence[str], only: str, effort: Effort) -> Iterator[Row | Failed]:
    for suite in suites:
        for name, reference in SUITES[suite].items():
            if only in name:
                print(f"measuring {name}", file=sys.stderr)
                yield from _subject(suite, name, reference, effort)


def _subject(suite: str, name: str, reference: str, effort: Effort) -> Iterator[Row | Failed]:
    """Yield the rows of a subject; what goes wrong in one costs no other's."""
    processors = os.sched_getaffinity(0)
    try:
        if suite == "core":
            yield from _found(reference)()
            return
        os.sched_setaffinity(0, sorted(processors)[:CORES])
        yield from _found(reference)(effort)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is said, and the others are measured
        yield Failed(name=name, why=f"{type(error).__name__}: {error}")
    finally:
        os.sched_setaffinity(0, processors)


def _found(reference: str) -> Callable[..., Iterator[Row]]:
    module, _, name = reference.partition(":")
    found: Callable[..., Iterator[Row]] = getattr(import_module(module), name)
    return found


def _table(rows: list[Row]) -> Table:
    table = Table(title="medians; the reference was measured in the same run, unless it is called recorded")
    for heading in ("name", "value", "unit", "reference", "of", "ratio", "target", "met"):
        table.add_column(heading, justify="left" if heading in ("name", "unit", "of", "met") else "right")
    for row in rows:
        reference, ratio = (_figure(row.reference), _figure(row.ratio)) if row.reference else ("", "")
        met = ("[green]yes[/]" if row.met else "[red]no[/]") if row.is_asked else ""
        table.add_row(row.name, _figure(row.value), row.unit, reference, row.of, ratio, _asked(row), met)
    return table


def _asked(row: Row) -> str:
    sign = "≥" if row.asks == "at least" else "≤"
    asked = [] if row.target is None else [f"{sign} {_figure(row.target)}"]
    if row.target_ratio is not None:
        asked.append(f"ratio {sign} {_figure(row.target_ratio)}")
    return ", ".join(asked)


def _figure(number: float) -> str:
    return f"{number:,.0f}" if abs(number) >= 1000 else f"{number:.3g}"


if __name__ == "__main__":
    sys.exit(main())
