"""Files that clients send: kept in a folder under what is in them, so that none that is in use is ever changed."""

import hashlib
import os
import re
import tempfile
from pathlib import Path
from typing import Final

from penstock.errors import ParameterError

__all__ = ["Uploads"]

MOST_BYTES: Final = 256 << 20
_NAME: Final = re.compile(r"[^\w.+-]")


class Uploads:
    """Keeps files.

    Parameters
    ----------
    folder
        Where; it must be there, and the pipeline must find it under the same path. Empty: none is taken.
    """

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder).resolve() if folder else None

    def keep(self, name: str, data: bytes, what_for: str) -> str:
        """Write a file, unless it is there already, and return its path.

        Parameters
        ----------
        name
            As the client calls it; its folders do not matter.
        what_for
            The parameter, for messages.

        Raises
        ------
        ParameterError
            If none is taken, it is too large, or the folder cannot be written.
        """
        if self._folder is None:
            raise ParameterError(
                f"{what_for}: no files are taken here; begin with penstock tango --uploads FOLDER, of a folder that "
                "the pipeline reads too, or write a path"
            )
        if len(data) > MOST_BYTES:
            raise ParameterError(f"{what_for}: the file has {len(data)} bytes; at most {MOST_BYTES} are taken")
        ending = _NAME.sub("_", name.replace("\\", "/").rpartition("/")[2])[-100:].lstrip(".")
        path = self._folder / f"{hashlib.sha256(data).hexdigest()[:16]}-{ending or 'file'}"
        try:
            if not path.exists():
                self._write(path, data)
        except OSError as error:
            raise ParameterError(f"{what_for}: {path} cannot be written: {error.strerror}") from error
        return str(path)

    def _write(self, path: Path, data: bytes) -> None:
        number, made = tempfile.mkstemp(prefix=".", dir=path.parent)
        try:
            with os.fdopen(number, "wb") as file:
                file.write(data)
            Path(made).chmod(0o644)
            Path(made).replace(path)
        except BaseException:
            Path(made).unlink(missing_ok=True)
            raise
