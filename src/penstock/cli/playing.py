"""What ``penstock play`` does once its command line is read: the player, told to people or as JSON."""

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from penstock.errors import PenstockError, SourceError
from penstock.services.outlets import SocketKind
from penstock.services.player import Player, Track

__all__ = ["play_files"]


def play_files(
    files: Sequence[Path],
    addresses: Sequence[str],
    *,
    sockets: Sequence[str],
    protocols: Sequence[str],
    greeting: str | None,
    as_json: bool,
    **pace: Any,  # what Player takes
) -> int:
    """Play and return the exit code; see the command."""
    try:
        tracks = _tracks(files, addresses, sockets, protocols, greeting)
    except SourceError as error:
        print(f"penstock play: {error}", file=sys.stderr)
        return 2
    return _Telling(tracks, as_json=as_json).run(pace)


class _Telling:
    """One run of the player and what is said of it."""

    def __init__(self, tracks: Sequence[Track], *, as_json: bool) -> None:
        self._tracks = tracks
        self._as_json = as_json
        self._begun = time.monotonic()
        self._has_line = False

    def run(self, pace: dict[str, Any]) -> int:
        player: Player | None = None
        try:
            player = Player(self._tracks, progress=self._progress, **pace)
            player.open()
            self._waiting()
            self._begun = time.monotonic()
            player.run()
            player.close()
        except KeyboardInterrupt:
            return self._end("aborted", 130, "stopped before the end", player)
        except PenstockError as error:
            return self._end("failed", 1, str(error), player)
        troubles = [f"{track.file}: {track.trouble}" for track in self._tracks if track.trouble]
        return self._end("incomplete" if troubles else "finished", 3 if troubles else 0, "; ".join(troubles), None)

    def _waiting(self) -> None:
        if self._as_json:
            self._say({"state": "waiting", "files": [_facts(track) for track in self._tracks]})
            return
        for track in self._tracks:
            what = track.protocol or "unknown protocol"
            print(f"{track.file.name} ({what}) → {track.address} ({track.socket}), waiting for a receiver", flush=True)

    def _progress(self) -> None:
        if not self._as_json and sys.stderr.isatty():
            done = ", ".join(f"{track.file.name} {track.records}" for track in self._tracks)
            print(f"\r{done} ", end="", file=sys.stderr, flush=True)
            self._has_line = True

    def _end(self, state: str, code: int, text: str, player: Player | None) -> int:
        if player is not None:
            player.close(0)
        seconds = time.monotonic() - self._begun
        if self._has_line:
            print(file=sys.stderr)
        if self._as_json:
            files = [_facts(track) for track in self._tracks]
            self._say({"state": state, "seconds": round(seconds, 3), "files": files, "text": text})
            return code
        if state != "failed" or any(track.records for track in self._tracks):
            for track in self._tracks:
                size = track.bytes / 1e6
                print(f"{track.file.name}: {track.records} records, {size:.3f} MB in {seconds:.2f} s", flush=True)
        if text:
            print(f"penstock play: {text}", file=sys.stderr)
        return code

    @staticmethod
    def _say(fact: dict[str, Any]) -> None:
        print(json.dumps(fact), flush=True)


def _tracks(
    files: Sequence[Path], addresses: Sequence[str], sockets: Sequence[str], protocols: Sequence[str], text: str | None
) -> list[Track]:
    if len(addresses) != len(files):
        raise SourceError(f"{len(files)} files and {len(addresses)} addresses; give one --to for each file, in order")
    kinds = _one_each("socket", sockets, len(files))
    for kind in kinds:
        if kind not in ("", "push", "pub", "tcp"):
            raise SourceError(f"--socket {kind}: write push, pub or tcp")
    names = _one_each("protocol", protocols, len(files))
    greeting = text.encode().decode("unicode_escape").encode("latin-1") if text is not None else None
    return [
        Track(
            file=file,
            address=address,
            socket=cast("SocketKind", kind) if kind else None,
            protocol=name,
            greeting=greeting,
        )
        for file, address, kind, name in zip(files, addresses, kinds, names, strict=True)
    ]


def _one_each(option: str, given: Sequence[str], count: int) -> list[str]:
    if len(given) <= 1:
        return [*given, ""][:1] * count
    if len(given) != count:
        raise SourceError(f"--{option} is given {len(given)} times for {count} files; give it once, or once for each")
    return list(given)


def _facts(track: Track) -> dict[str, Any]:
    return {
        "file": str(track.file),
        "address": track.address,
        "socket": track.socket,
        "protocol": track.protocol,
        "records": track.records,
        "bytes": track.bytes,
        "trouble": track.trouble,
    }
