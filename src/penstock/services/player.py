"""The player: puts recordings onto real sockets, byte for byte, as their instruments would.

It decodes nothing but the first records of a recording that does not say what it is. It waits for whoever is to
receive before it begins, so that nothing is lost.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from penstock.elements.decoders import new_decoder
from penstock.elements.recording_file import RecordingFile
from penstock.errors import CheckError, RemoteProtocolError, SourceError
from penstock.protocols import DECODERS, decoder_named
from penstock.services.outlets import Outlet, SocketKind, outlet
from penstock.services.timetable import Entry, by_share, by_time

__all__ = ["Player", "Track", "guess_protocol"]

PATIENCE_S = 0.2
"""How long one attempt to send may take before progress is told again."""


@dataclass(slots=True, kw_only=True)
class Track:
    """One recording and where it is played."""

    file: Path
    address: str
    """Where to bind; with the port that was taken once the player is open."""
    socket: SocketKind | None = None
    """``push``, ``pub`` or ``tcp``; by default what the protocol's instrument has, else ``pub``."""
    protocol: str = ""
    """By default what the recording says, or looks like."""
    greeting: bytes | None = None
    """What a TCP client must say first; by default what the protocol's decoder says."""
    records: int = field(default=0, init=False)
    """Played so far."""
    bytes: int = field(default=0, init=False)
    """Of parts, played so far."""
    trouble: str = field(default="", init=False)
    """What is wrong with the file, such as a cut; empty if nothing is."""


class Player:
    """Play recordings together.

    Parameters
    ----------
    tracks
        What and where.
    rate_hz
        Records per second of the longest recording; a frame of the old Xspress3 framing is three records.
    own_pace
        As they were received, which only timed recordings say. Without this and ``rate_hz``: as fast as they are taken.
    repeat
        How often; 0 means for ever.
    wait_s
        How long to wait for whoever is to receive, and at the end for what is still to be sent, in s.
    peers
        How many must be there before it begins, of each ZeroMQ socket.
    progress
        Called now and then while it plays.

    Raises
    ------
    SourceError
        From any method: a file or an address that cannot be used, or nobody who receives.
    """

    def __init__(
        self,
        tracks: Sequence[Track],
        *,
        rate_hz: float | None = None,
        own_pace: bool = False,
        repeat: int = 1,
        wait_s: float = 60.0,
        peers: int = 1,
        progress: Callable[[], None] = lambda: None,
    ) -> None:
        if rate_hz is not None and not rate_hz > 0:
            raise SourceError(f"a rate of {rate_hz:g} per second; write one above 0")
        self.tracks = tracks
        self._rate_hz = rate_hz
        self._own_pace = own_pace
        self._repeat = repeat
        self._wait_s = wait_s
        self._peers = peers
        self._progress = progress
        self._told = 0.0
        self._lengths: list[int] = []
        self._outlets: list[Outlet] = []

    def open(self) -> None:
        """Look at the files and bind all addresses."""
        try:
            for track in self.tracks:
                self._prepare(track)
        except BaseException:
            self.close(0)
            raise

    def run(self) -> None:
        """Wait for those who receive, then play everything."""
        for track, target in zip(self.tracks, self._outlets, strict=True):
            if not target.wait(self._wait_s):
                raise SourceError(
                    f"{track.address}: nobody came to receive {track.file.name} within {self._wait_s:g} s; "
                    "start the other side, or wait longer"
                )
        rounds = 0
        while not self._repeat or rounds < self._repeat:
            rounds += 1
            self._play_once()

    def close(self, linger_s: float | None = None) -> None:
        """Close all addresses, by default when everything has been sent."""
        for target in self._outlets:
            target.close(self._wait_s if linger_s is None else linger_s)
        self._outlets = []

    def _prepare(self, track: Track) -> None:
        opened = RecordingFile(track.file)
        try:
            first = opened.traits
            track.protocol = track.protocol or first.protocol or guess_protocol(track.file)
            if self._own_pace and not opened.is_timed:
                raise SourceError(f"{track.file} has no times; leave out the own pace, or give a rate")
        finally:
            opened.close()
        kind, greeting = _manner(track.protocol)
        track.socket = track.socket or kind
        track.greeting = greeting if track.greeting is None else track.greeting
        target = outlet(track.socket, track.address, peers=self._peers, greeting=track.greeting)
        target.open()
        self._outlets.append(target)
        track.address = target.address
        self._lengths.append(_length(track.file) if len(self.tracks) > 1 else 0)

    def _play_once(self) -> None:
        files = [RecordingFile(track.file) for track in self.tracks]
        begun = time.monotonic()
        try:
            for due_s, which, record in self._timetable(files):
                self._sleep_until(begun + due_s)
                self._send(self.tracks[which], self._outlets[which], record.parts)
        finally:
            for track, opened in zip(self.tracks, files, strict=True):
                track.trouble = opened.trouble
                opened.close()

    def _timetable(self, files: list[RecordingFile]) -> Iterator[Entry]:
        is_timed = all(opened.is_timed for opened in files)
        if self._own_pace or (is_timed and self._rate_hz is None):
            entries = by_time(files)
            return entries if self._own_pace else ((0.0, track, record) for _, track, record in entries)
        return by_share(files, self._lengths, self._rate_hz)

    def _send(self, track: Track, target: Outlet, parts: Sequence[bytes]) -> None:
        while not target.send(parts, PATIENCE_S):
            self._tell()
        track.records += 1
        track.bytes += sum(map(len, parts))
        self._tell()

    def _sleep_until(self, instant: float) -> None:
        while (left := instant - time.monotonic()) > 0:
            time.sleep(min(left, PATIENCE_S))
            self._tell()

    def _tell(self) -> None:
        if (now := time.monotonic()) - self._told >= PATIENCE_S:
            self._told = now
            self._progress()


def guess_protocol(file: Path) -> str:
    """Return the one protocol whose decoder understands the first hundred records; empty if none or several do."""
    opened = RecordingFile(file)
    records = list(islice(opened, 100))
    opened.close()
    fitting = [name for name in sorted(DECODERS) if _fits(name, [record.parts for record in records])]
    return fitting[0] if len(fitting) == 1 else ""


def _fits(protocol: str, packets: Sequence[Sequence[bytes]]) -> bool:
    decoder = decoder_named(protocol)()
    messages = 0
    try:
        for parts in packets:
            messages += sum(1 for _ in decoder.feed(parts, 0))
    except RemoteProtocolError:
        return False
    return messages > 0


def _manner(protocol: str) -> tuple[SocketKind, bytes]:
    """Return the socket that a protocol's instrument has, and what its client says first."""
    if not protocol:
        return "pub", b""
    try:
        decoder = new_decoder(protocol, Path.cwd())
    except CheckError as error:
        raise SourceError(str(error)) from error
    kinds: dict[str, SocketKind] = {"pull": "push", "sub": "pub", "tcp": "tcp", "http": "post"}
    return kinds.get(decoder.traits.socket, "pub"), decoder.greeting()


def _length(file: Path) -> int:
    opened = RecordingFile(file)
    return sum(1 for _ in opened)
