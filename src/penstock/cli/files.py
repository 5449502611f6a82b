"""``penstock files``: show what became of files that were opened into items, from their state file."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

__all__ = ["files"]


def files(
    state: Annotated[Path, typer.Argument(help="The state file, as `state` of the source or step names it.")],
    only: Annotated[str, typer.Option("--only", help="waiting, reading, read, done or failed.", metavar="STATE")] = "",
    runs: Annotated[bool, typer.Option("--runs", help="Show the runs that have worked with it instead.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print what there is for machines.")] = False,
) -> None:
    """Show each file with its state, items, times and cause of failure; also while a run works with it.

    Exit code 0, or 3 if a file has failed.
    """
    from penstock.core.file_book import FileBook, FileState
    from penstock.errors import CheckError, Problem
    from penstock.formats.file_log import read_log

    if only and only not in set(FileState):
        raise CheckError([Problem(where="--only", text=f'there is no state "{only}"', remedy=", ".join(FileState))])
    try:
        log = read_log(state.read_bytes())
    except OSError as error:
        remedy = "name the file that `state` names"
        raise CheckError([Problem(where="STATE", text=f"{state}: {error.strerror}", remedy=remedy)]) from error
    book = FileBook(log.records)
    found = [entry for entry in book if only in ("", entry.state)]
    if as_json:
        import msgspec

        said = {"files": found, "runs": book.runs, "counts": dict(book.counts), "damaged": log.damaged}
        print(msgspec.json.format(msgspec.json.encode(said), indent=2).decode())
    elif runs:
        _print_table(("run", "pipeline", "source", "version", "time"), [
            (run.run, run.pipeline, run.source, run.version, run.time[:19]) for run in book.runs
        ])  # fmt: skip
    else:
        _print_table(("file", "state", "items", "size", "tries", "began", "ended", "run", "cause"), [
            (
                entry.path, str(entry.state), f"{entry.items:,}", f"{max(entry.size, 0):,}", str(entry.attempts),
                entry.began[:19], entry.ended[:19], entry.run, entry.cause,
            )
            for entry in found
        ])  # fmt: skip
        print(", ".join(f"{count:,} {kind}" for kind in FileState if (count := book.counts[kind])) or "no files")
    if book.counts[FileState.FAILED]:
        raise typer.Exit(3)


def _print_table(names: tuple[str, ...], rows: list[tuple[Any, ...]]) -> None:
    from rich.console import Console
    from rich.table import Table

    from penstock.cli.run_report import WIDE

    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in names:
        table.add_column(name, justify="right" if name in ("items", "size", "tries") else "left", overflow="fold")
    for row in rows:
        table.add_row(*row)
    Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else WIDE).print(table)
