"""What ``penstock capture`` does once its command line is read: the capturer, told to people or as JSON."""

import json
import sys
import time
from pathlib import Path
from typing import Any

from penstock.errors import PenstockError
from penstock.services.capturer import Capturer

__all__ = ["capture_file"]

PERIOD_S = 0.5


def capture_file(
    protocol: str, address: str, path: Path, *, connect_s: float, force: bool, as_json: bool, **limits: Any
) -> int:
    """Capture and return the exit code; ``limits`` are those of `Capturer.run`."""
    begun = time.monotonic()
    try:
        capturer = Capturer(protocol, address, path, force=force, connect_s=connect_s)
    except PenstockError as error:
        print(f"penstock capture: {error}", file=sys.stderr)
        return 2
    progress = _Progress(capturer, is_shown=not as_json and sys.stderr.isatty())
    text, code = "", 0
    try:
        if not as_json:
            print(f"{address} ({protocol}) → {path}; Ctrl-C ends it", flush=True)
        capturer.run(progress=progress, **limits)
    except KeyboardInterrupt:
        text = ""  # the ordinary way to end
    except PenstockError as error:
        text, code = str(error), 1
    progress.end()
    text = text or capturer.mistake
    _report(capturer, time.monotonic() - begun, text, code, as_json=as_json)
    return code


class _Progress:
    def __init__(self, capturer: Capturer, *, is_shown: bool) -> None:
        self._capturer = capturer
        self._is_shown = is_shown
        self._told = 0.0

    def __call__(self) -> None:
        now = time.monotonic()
        if self._is_shown and now - self._told >= PERIOD_S:
            self._told = now
            size = self._capturer.bytes / 1e6
            print(f"\r{self._capturer.records} records, {size:.1f} MB ", end="", file=sys.stderr, flush=True)

    def end(self) -> None:
        if self._told:
            print(file=sys.stderr)


def _report(capturer: Capturer, seconds: float, text: str, code: int, *, as_json: bool) -> None:
    facts = {
        "file": str(capturer.path),
        "address": capturer.address,
        "protocol": capturer.protocol,
        "records": capturer.records,
        "bytes": capturer.bytes,
        "messages": capturer.messages,
        "unparsable": capturer.unparsable,
        "scans": capturer.scans,
        "seconds": round(seconds, 3),
    }
    if as_json:
        print(json.dumps({"state": "failed" if code else "finished", **facts, "text": text}), flush=True)
        return
    if not code:
        print(
            f"{capturer.path}: {capturer.records} records, {capturer.bytes / 1e6:.3f} MB in {seconds:.1f} s; "
            f"{capturer.messages} messages of {capturer.scans} scans, {capturer.unparsable} unparsable"
        )
    if text:
        print(f"penstock capture: {text}", file=sys.stderr)
