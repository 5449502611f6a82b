"""Workers that only look on: each keeps the last events it got, and gives them to whoever asks on its socket.

They are asked on a socket file, by a line with a number; the answer is as many events, as they stand in a dump. What
they have kept at the end of a scan is left in a file beside it.
"""

import socket
import threading
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import Final

from penstock.compat.dranspose.dumps import encode_event, read_dump
from penstock.compat.dranspose.events import event_data
from penstock.compat.dranspose.served.event import EventData, as_bytes
from penstock.compat.dranspose.worker_class import INDEX
from penstock.core.event import Event
from penstock.errors import SourceError

__all__ = ["KEPT", "DebugWorker", "last_events"]

KEPT: Final = 50
"""Events of each."""
ANSWER_S: Final = 10.0


class DebugWorker:
    """Keep the last events.

    Parameters
    ----------
    folder
        Where its socket and its file are.
    """

    def __init__(self, folder: str, *, context: dict[str, object]) -> None:
        self._place = Path(folder, f"debug-{context.pop(INDEX, 0)}")
        self._kept: deque[bytes] = deque(maxlen=KEPT)
        self._lock = threading.Lock()
        self._socket = socket.socket(socket.AF_UNIX)
        with suppress(FileNotFoundError):
            self._place.with_suffix(".sock").unlink()
        self._socket.bind(str(self._place.with_suffix(".sock")))
        self._socket.listen()
        self._thread = threading.Thread(target=self._answer, daemon=True)
        self._thread.start()

    def process(self, event: Event) -> None:
        """Keep one event: a copy, because its memory is only lent."""
        data = event_data(event)
        streams = {name: (stream.typ, [as_bytes(f) for f in stream.frames]) for name, stream in data.streams.items()}
        encoded = encode_event(data.event_number, streams)
        with self._lock:
            self._kept.append(encoded)

    def close(self) -> None:
        """Leave what was kept in a file, and answer no more."""
        self._place.with_suffix(".cbors").write_bytes(b"".join(self._kept))
        self._place.with_suffix(".sock").unlink(missing_ok=True)
        self._socket.close()

    def _answer(self) -> None:
        while True:
            try:
                asking, _ = self._socket.accept()
            except OSError:  # closed
                return
            with asking, suppress(OSError, ValueError):
                asking.settimeout(ANSWER_S)
                number = int(asking.recv(16))
                with self._lock:
                    found = list(self._kept)[-number:] if number > 0 else []
                asking.sendall(b"".join(found))


def last_events(folder: Path, number: int) -> list[EventData]:
    """Return the last events that all debug workers have got, the newest last.

    Raises
    ------
    SourceError
        If what a worker says is no dump.
    """
    found: list[EventData] = []
    for place in {*folder.glob("debug-*.sock"), *folder.glob("debug-*.cbors")}:
        sock, file = place.with_suffix(".sock"), place.with_suffix(".asked")
        if place.suffix == ".cbors":
            if not sock.exists():
                found += _read(place)
            continue
        with suppress(OSError):  # it has just ended
            file.write_bytes(_ask(sock, number))
            found += _read(file)
            file.unlink()
    found.sort(key=lambda event: event.event_number)
    return found[-number:] if number > 0 else []


def _ask(place: Path, number: int) -> bytes:
    with socket.socket(socket.AF_UNIX) as asking:
        asking.settimeout(ANSWER_S)
        asking.connect(str(place))
        asking.sendall(str(number).encode())
        pieces = []
        while piece := asking.recv(1 << 20):
            pieces.append(piece)
        return b"".join(pieces)


def _read(path: Path) -> list[EventData]:
    try:
        return [EventData(event_number=each.event_number, streams=each.streams) for each in read_dump(path)]
    except SourceError:
        if not path.exists():
            return []
        raise
