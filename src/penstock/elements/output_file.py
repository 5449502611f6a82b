"""The file of one output: a name from a template, a temporary neighbour, and a rename when it is complete.

Under the final name there is only ever a complete file. It does not know what is written.
"""

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Literal

from penstock.elements.sink import RunFacts
from penstock.errors import SinkError

__all__ = ["Existing", "OutputFile", "expanded", "filled_in", "numbered", "reason_of"]

Existing = Literal["next", "refuse", "replace"]
"""What becomes of a file that is there already: take the next free name (``map-2.h5``), do not start, write it anew."""


class OutputFile:
    """One output's place in the file system.

    Parameters
    ----------
    template
        A path with ``{run}``, ``{name}`` (of the pipeline) and ``{sink}``; relative to the pipeline's folder.
    run
        What fills the template.
    existing
        See ``Existing``.

    Raises
    ------
    SinkError
        If the template has an unknown name, or the folder cannot be made or written, or the file exists and may not.
    """

    def __init__(self, template: str, run: RunFacts, existing: Existing = "next") -> None:
        is_own = run.goes_on and "{run}" in template  # what is there is what the run has left that goes on
        self._existing: Existing = "replace" if is_own else existing
        wanted = Path(run.folder) / expanded(template, run)
        try:
            wanted.parent.mkdir(parents=True, exist_ok=True)
            if is_own:
                wanted.with_name(f"{wanted.name}.part").unlink(missing_ok=True)
            self.path, self.part = self._claim(wanted)
        except OSError as error:
            raise SinkError(
                f"{wanted}: cannot be written: {reason_of(error)}; name a folder you may write to"
            ) from error

    def publish(self) -> None:
        """Give the temporary file, which is complete now, the final name; replaces what this run published before."""
        with self.writing():
            with self.part.open("rb") as file:
                os.fsync(file.fileno())
            self.part.replace(self.path)

    def take_back(self) -> None:
        """Give what was published the temporary name again, to change it."""
        with self.writing():
            self.path.replace(self.part)

    def discard(self) -> None:
        """Remove the temporary file, if there is one."""
        self.part.unlink(missing_ok=True)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Turn whatever goes wrong with the file system into a ``SinkError`` that names the file."""
        try:
            yield
        except (OSError, RuntimeError) as error:  # h5py closes a file on a full disk with the latter
            raise SinkError(f"{self.path}: not written: {reason_of(error)}{self._rest()}") from error

    def _claim(self, wanted: Path) -> tuple[Path, Path]:
        for path in numbered(wanted):
            if path.is_dir():
                raise SinkError(f"{path} is a folder; name a file")
            if self._is_taken(path):
                continue
            part = path.with_name(f"{path.name}.part")
            try:
                # The empty file keeps the name for this run and proves that the folder can be written.
                part.open("xb").close()
            except FileExistsError:
                if self._existing != "next":
                    raise SinkError(
                        f"{part} exists: another run writes {path.name}, or was killed; remove it"
                    ) from None
                continue
            if not self._is_taken_meanwhile(path, part):
                return path, part
        raise SinkError(f"{wanted}: too many files of this name; put {{run}} in its name")  # pragma: no cover

    def _is_taken(self, path: Path) -> bool:
        if path.exists() and self._existing == "refuse":
            raise SinkError(f"{path} exists; move it, put {{run}} in its name, or say existing: next, or replace")
        return path.exists() and self._existing == "next"

    def _is_taken_meanwhile(self, path: Path, part: Path) -> bool:
        """Look again: between the first look and the claim another run may have published its file."""
        try:
            is_taken = self._is_taken(path)
        except SinkError:
            part.unlink()
            raise
        if is_taken:
            part.unlink()
        return is_taken

    def _rest(self) -> str:
        return f"; what was published before stays in {self.path.name}" if self.path.exists() else ""


def expanded(template: str, run: RunFacts) -> str:
    """Fill a path's ``{run}``, ``{name}`` and ``{sink}``.

    Raises
    ------
    SinkError
        If it asks for another name.
    """
    without_slashes = replace(
        run, run=run.run.replace("/", "-"), pipeline=run.pipeline.replace("/", "-"), sink=run.sink.replace("/", "-")
    )
    return filled_in(str(Path(template).expanduser()), without_slashes)


def filled_in(template: str, run: RunFacts) -> str:
    """Fill a text's ``{run}``, ``{name}`` and ``{sink}``.

    Raises
    ------
    SinkError
        If it asks for another name.
    """
    facts = {"run": run.run, "name": run.pipeline, "sink": run.sink}

    def fact(found: re.Match[str]) -> str:
        if found[1] not in facts:
            known = ", ".join(f"{{{name}}}" for name in facts)
            raise SinkError(f'"{template}": {{{found[1]}}} is not known; there are {known}')
        return facts[found[1]]

    return re.sub(r"\{([^{}]*)\}", fact, template)


def numbered(wanted: Path) -> Iterator[Path]:
    """Yield a name, and what stands in for it where it is taken: ``map.h5``, ``map-2.h5`` and so on."""
    yield wanted
    for number in range(2, 100_000):
        yield wanted.with_name(f"{wanted.stem}-{number}{wanted.suffix}")


def reason_of(error: Exception) -> str:
    """Return what the system says is wrong with a file, in words."""
    code = getattr(error, "errno", None) or _hdf5_errno(str(error))
    if code == errno.ENOSPC:
        return "the disk is full"
    return os.strerror(code) if code else str(error)


def _hdf5_errno(text: str) -> int:
    """Find the system's reason in what HDF5 says of it; 0 if it says none."""
    found = re.search(r"\berrno = (\d+)", text)
    return int(found[1]) if found else 0
