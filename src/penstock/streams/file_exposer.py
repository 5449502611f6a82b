"""Writes what is sent as files, too, below ``raw/`` or ``processed/`` of a folder, for programs that read files.

A message says by its metadata ``exposed_path`` where it wants to be; the stream keeps it as every other one.
"""

import errno
from collections.abc import Sequence
from os import PathLike
from pathlib import Path, PurePosixPath
from typing import Any, Final

import numpy as np

from penstock.errors import PenstockError, StoreFullError, StreamError
from penstock.streams.directory.file_names import replace_file, sync_folder
from penstock.streams.receipts import Batch, Outcome, OutcomeKind

__all__ = ["EXPOSED", "FileExposer"]

EXPOSED: Final = "exposed_path"
KINDS: Final = ("raw", "processed")
_FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class FileExposer:
    """Writes files before their messages are stored, so that who reads a message finds its file.

    A file appears whole under its name, or not at all, and survives a loss of power when its receipt is done. If there
    is one already, it is replaced, which the outcome's reason says. A message that is a duplicate or a conflict changes
    no file. Non-guarantee: if the message cannot be stored after that, the file stays.

    Parameters
    ----------
    root
        The folder that has ``raw`` and ``processed`` in it; they are made if they are not there.

    Raises
    ------
    StreamError
        If there is no such folder.
    """

    def __init__(self, root: str | PathLike[str]) -> None:
        self.root = Path(root).resolve()
        if not self.root.is_dir():
            raise StreamError(f"{self.root}: no such folder; files are exposed in one that is there")

    def expose(self, batch: Batch, rows: Sequence[int]) -> dict[int, Outcome]:
        """Write the files of some rows that ask for it; return what is to be said of a row, or kept it from that."""
        said: dict[int, Outcome] = {}
        for row in rows:
            wanted = (batch.metadata[row] or {}).get(EXPOSED)
            if wanted is None:
                continue
            try:
                if self.write(wanted, batch.data[row]):
                    reason = f"{wanted}: the file that was there has been overwritten"
                    said[row] = Outcome(kind=OutcomeKind.STORED, reason=reason)
            except PenstockError as error:
                said[row] = Outcome(kind=OutcomeKind.FAILED, reason=str(error), error=error)
        return said

    def write(self, wanted: Any, data: Any) -> bool:
        """Write a file; return whether there was one.

        Parameters
        ----------
        wanted
            Its path below the root, as a text that begins with ``raw/`` or ``processed/``.
        data
            Bytes, or an array, whose bytes are written in C order.

        Raises
        ------
        StreamError
            If the path is no such text, or leads out of there; or the data are not one buffer.
        StoreFullError
            If there is no room for it.
        """
        path = self.path_of(wanted)
        if not isinstance(data, bytes | np.ndarray):
            raise StreamError(f"{wanted}: a file is made of one buffer; this message has several, or none")
        try:
            made = _make_folders(path.parent)
            was_there = path.exists()
            replace_file(path, data if isinstance(data, bytes) else data.tobytes(), sync=True)
            for folder in made:
                sync_folder(folder.parent)
        except OSError as error:
            kind = StoreFullError if error.errno in _FULL else StreamError
            raise kind(f"{path}: {error.strerror}") from error
        return was_there

    def path_of(self, wanted: Any) -> Path:
        """Return the whole path of a file.

        Raises
        ------
        StreamError
            If it is not below ``raw/`` or ``processed/``, also if only a link leads out of there.
        """
        parts = wanted.split("/") if isinstance(wanted, str) else []
        if len(parts) < 2 or parts[0] not in KINDS or {"", ".", ".."} & set(parts) or "\0" in wanted:
            raise StreamError(f"{wanted!r} is no path for a file; write raw/… or processed/…, without any . or ..")
        path = self.root / PurePosixPath(wanted)
        # The first folder itself may be a link, to where a facility keeps such files.
        if not path.parent.resolve().is_relative_to((self.root / parts[0]).resolve()):
            raise StreamError(f"{wanted!r}: a link leads out of {parts[0]}/")
        return path


def _make_folders(folder: Path) -> list[Path]:
    """Make a folder and those above it; return those that were made."""
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    return missing
