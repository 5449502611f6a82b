"""Members of a group as processes that may be killed at any moment: ``python -m tests.system.group_members FOLDER``.

Each line of the input makes one, a copy of this process, and is answered with its number. It does what there is to do,
says of each message that it is done by writing the id behind its own file, and only then acknowledges it. Which ids
there are it reads from a file.
"""

import os
import signal
import sys
from pathlib import Path

import numpy as np

from penstock.core.id_set import IdSet
from penstock.streams.group_store import StoredGroup
from penstock.streams.member import become_member


class There:
    """The ids that are in the file now."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "present"
        self._size = 0
        self._ids = IdSet()

    def __call__(self) -> IdSet:
        if self._path.stat().st_size != self._size:
            ids = np.fromfile(self._path, "<u8")
            self._size, self._ids = ids.nbytes, IdSet(np.sort(ids))
        return self._ids


def work(folder: Path, flush_s: float) -> None:
    done = os.open(folder / f"done-{os.getpid()}", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    kept = StoredGroup(folder / "groups", "b/s/one", "fit")
    with become_member(kept, There(folder), lease_s=2, flush_s=flush_s) as member:
        while not (folder / "end").exists():
            claim = member.claim(64)
            for first, last in claim.ids:
                for message_id in range(first, last + 1):
                    os.write(done, message_id.to_bytes(8, "little"))
                    member.acknowledge(message_id, epoch=claim.epoch)
            if not claim.ids:
                signal.sigtimedwait([], 0.002)


def main() -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them
    for _ in sys.stdin:
        pid = os.fork()
        if not pid:
            work(Path(sys.argv[1]), float(sys.argv[2]))
            os._exit(0)
        sys.stdout.write(f"{pid}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
