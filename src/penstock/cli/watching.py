"""What ``penstock watch`` does once its command line is read: the watcher, told to people or as JSON."""

import json
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import msgspec

from penstock.core.stream_address import StreamAddress
from penstock.errors import PenstockError
from penstock.services.interrupt import Interrupt
from penstock.streams.file_journal import journal_path
from penstock.streams.folder_watcher import FolderWatcher
from penstock.streams.open_store import open_store
from penstock.streams.watch_options import WatchOptions

__all__ = ["watch_folders"]


def watch_folders(
    folders: Sequence[Path],
    where: str,
    to: str,
    options: WatchOptions,
    *,
    journal: Path | None,
    files: int,
    is_finished: bool,
    as_json: bool,
) -> int:
    """Watch, and return the exit code; see the command."""
    with ExitStack() as stack:
        # Before anything is opened, so that nobody's Ctrl-C meets half of it.
        interrupt = stack.enter_context(Interrupt("stopping\n"))
        try:
            store = stack.enter_context(open_store(where, make=True)).store
            address = StreamAddress.parse(to)
            journal = journal_path(store, address, options.numbering.part) if journal is None else journal
            watcher = FolderWatcher(store, folders, address, options=options, journal=journal, tell=_tell)
        except PenstockError as error:
            print(f"penstock watch: {error}", file=sys.stderr)
            return 2
        begun = time.monotonic()
        if not as_json:
            _introduce(watcher, folders, options)
        text = ""
        try:
            with watcher:
                watcher.run(interrupt.pollable, files=files, ready=lambda: _ready(as_json=as_json))
                if is_finished:
                    watcher.finish()
        except PenstockError as error:
            text = str(error)
        return _report(watcher, time.monotonic() - begun, text, as_json=as_json)


def _tell(line: str) -> None:
    print(f"penstock watch: {line}", file=sys.stderr, flush=True)


def _introduce(watcher: FolderWatcher, folders: Sequence[Path], options: WatchOptions) -> None:
    print(f"{', '.join(map(str, folders))} → {watcher.to}; Ctrl-C ends it", flush=True)
    if options.complete != "stable" and not watcher.is_seen_by_kernel:
        _tell(
            f"on a network file system it cannot be seen when a file is {options.complete}; "
            f"it counts as complete when it has not changed for {options.stable_s} s"
        )


def _ready(*, as_json: bool) -> None:
    print(json.dumps({"state": "watching"}) if as_json else "watching", flush=True)


def _report(watcher: FolderWatcher, seconds: float, text: str, *, as_json: bool) -> int:
    counts = watcher.counts
    code = 1 if text or counts.failed else 0
    if as_json:
        facts = msgspec.to_builtins(counts)
        print(
            json.dumps(
                {
                    "state": "failed" if code else "finished",
                    "to": str(watcher.to),
                    **facts,
                    "seconds": round(seconds, 3),
                    "text": text,
                }
            ),
            flush=True,
        )
        return code
    others = {
        name: getattr(counts, name) for name in ("removed", "vanished", "changed", "failed") if getattr(counts, name)
    }
    told = "".join(f", {number} {name}" for name, number in others.items())
    print(f"{counts.sent} files sent, {counts.nbytes} bytes{told}", flush=True)
    if text:
        print(f"penstock watch: {text}", file=sys.stderr)
    return code
