"""``./dev bench``: measure, and print a table for people or JSON for machines."""

import argparse
import json
import sys
from collections.abc import Iterator
from importlib import import_module

from rich.console import Console
from rich.table import Table

from bench.row import Row

SUITES = {"core": ["core_start", "core_join", "core_mechanisms", "core_inline"]}
"""The files of each suite; each has ``rows()``."""


def main() -> int:
    """Measure what was asked; 1 if a target was missed."""
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__)
    parser.add_argument("suite", nargs="?", default="core", choices=sorted(SUITES))
    parser.add_argument("--json", action="store_true", help="a list of rows, for machines")
    parser.add_argument("--only", default="", help="rows of the files whose name has this text in it")
    asked = parser.parse_args()
    rows = list(_measured(asked.suite, asked.only))
    if asked.json:
        print(json.dumps([row.as_json() for row in rows], indent=1))
    else:
        # A file or a pipe has no width; names are not to be folded for its sake.
        Console(width=None if sys.stdout.isatty() else 160).print(_table(rows))
    return 0 if all(row.met for row in rows) else 1


def _measured(suite: str, only: str) -> Iterator[Row]:
    for name in SUITES[suite]:
        if only in name:
            print(f"measuring {name}", file=sys.stderr)
            yield from import_module(f"bench.{name}").rows()


def _table(rows: list[Row]) -> Table:
    table = Table(title="medians; the reference was measured in the same run")
    for heading in ("name", "value", "unit", "reference", "of", "ratio", "target", "met"):
        table.add_column(heading, justify="left" if heading in ("name", "unit", "of", "met") else "right")
    for row in rows:
        asked = f"{'≥' if row.asks == 'at least' else '≤'} {row.target:.3g}"
        met = "[green]yes[/]" if row.met else "[red]no[/]"
        value, reference, ratio = (f"{number:.3g}" for number in (row.value, row.reference, row.ratio))
        table.add_row(row.name, value, row.unit, reference, row.of, ratio, asked, met)
    return table


if __name__ == "__main__":
    sys.exit(main())
