"""What ``penstock streams import --asapo`` does once its command line is read: a beamtime's folder, into a store."""

import sys
from pathlib import Path

import msgspec

from penstock.cli.streams.options import STOPPED, opened, wrong
from penstock.cli.streams.progress import progress_bar
from penstock.cli.streams.shown import printed_json, shown_count, shown_size
from penstock.core.beamtime_file import BeamtimeFile
from penstock.core.stream_address import StreamAddress
from penstock.errors import StreamError
from penstock.services.interrupt import Interrupt
from penstock.services.tree_import import ImportCounts, ImportOptions, TreeImport, beamtime_in
from penstock.streams.tree_layout import TreeLayout

__all__ = ["import_beamtime"]

FAILED, INCOMPLETE = 1, 3
HEARD = "\nstopping behind the next files; the same command goes on there\n"
MOST_TOLD = 20
"""Lines about files; of more, it is said how many there are."""


def import_beamtime(
    folder: Path,
    store: str,
    options: ImportOptions,
    *,
    beamtime: str,
    layout: str,
    source: str,
    finish: bool,
    quiet: bool,
    as_json: bool,
) -> int:
    """Import, and return the exit code; see the command."""
    folder = _folder(folder)
    said = _said(folder, needed=not beamtime)
    name = beamtime or (said.id if said is not None else folder.name)
    try:
        tree_layout = TreeLayout(layout, source)
        address = StreamAddress(name)
    except StreamError as error:
        raise wrong("--layout" if layout else "--beamtime", str(error)) from error
    told: list[str] = []
    with (
        opened(store, make=True) as opened_store,
        Interrupt(HEARD) as interrupt,
        progress_bar(str(folder), 0, hidden=quiet or as_json, unit="file") as progress,
    ):
        if said is not None:
            opened_store.set_metadata(address, {"beamtime": dict(said.metadata)}, "update")
        work = TreeImport(
            folder, opened_store, name, tree_layout, options,
            tell=told.append, progress=progress, is_stopped=lambda: interrupt.is_asked,
        )  # fmt: skip
        work.run(finish=finish)
    for line in told[:MOST_TOLD]:
        print(f"penstock: {line}", file=sys.stderr)
    if len(told) > MOST_TOLD:
        print(f"penstock: and {len(told) - MOST_TOLD:,} lines more", file=sys.stderr)
    if as_json:
        streams = {str(one): count for one, count in work.streams.items()}
        about = {"beamtime": name, "folder": str(folder), **msgspec.structs.asdict(work.counts)}
        print(printed_json({**about, "into": streams}))
    elif not quiet:
        print(f"{name}: {_shown(work.counts)}")
    if interrupt.is_asked:
        return STOPPED
    if work.counts.failed:
        return FAILED
    return INCOMPLETE if work.counts.young or work.counts.changed else 0


def _folder(folder: Path) -> Path:
    if not folder.is_dir():
        raise wrong("--asapo", f"{folder} is no folder" if folder.exists() else f"{folder} is not there")
    return folder.resolve()


def _said(folder: Path, *, needed: bool) -> BeamtimeFile | None:
    """Return what the folder says of itself; nothing where that is wrong, and somebody has said it better."""
    try:
        return beamtime_in(folder)
    except StreamError as error:
        if needed:
            raise wrong("--asapo", str(error), "say which it is with --beamtime") from error
        print(f"penstock: {error}; it is not imported", file=sys.stderr)
        return None


def _shown(counts: ImportCounts) -> str:
    files = f"{shown_count(counts.imported, 'file')} of {shown_size(counts.nbytes)}"
    parts = [f"{files} imported, {shown_count(counts.streams, 'stream')}"]
    for count, what in [
        (counts.before, "were there"),
        (counts.passed_over, "passed over"),
        (counts.young, "being written"),
        (counts.changed, "changed since"),
        (counts.failed, "failed"),
    ]:
        if count:
            parts.append(f"{count:,} {what}")
    return "; ".join(parts)
