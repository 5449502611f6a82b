"""Read a pipeline file and those it includes into one document.

``include: [file, …]`` adds the entries of other files. What two files name alike is refused, so no file can change
what another says. Paths and user modules are those of the first file's folder.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from penstock.errors import CheckError, Problem
from penstock.pipeline.document import Document, Place, Trail
from penstock.pipeline.yaml import read_yaml

__all__ = ["file_text", "read_file", "read_text"]

_MOST_FILES = 100


def read_file(path: Path, environ: Mapping[str, str]) -> tuple[Document, list[Problem]]:
    """Read a file.

    Returns
    -------
    document
        With every file's entries.
    problems
        Of reading; the document lacks what they concern.

    Raises
    ------
    CheckError
        If the file does not exist, is not text, or is no YAML.
    """
    return read_text(file_text(path), path, environ)


def file_text(path: Path) -> str:
    """Return the text of a file.

    Raises
    ------
    CheckError
        If the file does not exist, or is not text.
    """
    return _text(path, Problem(where="", text="", file=str(path)))


def read_text(text: str, path: Path, environ: Mapping[str, str]) -> tuple[Document, list[Problem]]:
    """Read a file's text, as ``read_file`` does."""
    reader = _Reader(environ)
    reader.read(text, path)
    name = path.name.partition(".")[0] or "pipeline"
    return Document(tree=reader.tree, places=reader.places, folder=path.parent, name=name), reader.problems


class _Reader:
    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._read: list[Path] = []
        self.tree: dict[str, Any] = {}
        self.places: dict[Trail, Place] = {}
        self.problems: list[Problem] = []

    def read(self, text: str, path: Path) -> None:
        self._read.append(path.resolve())
        tree, places, problems = read_yaml(text, str(path), self._environ)
        self.problems += problems
        if tree is None:
            tree = {}
        if not isinstance(tree, Mapping):
            reason = f"a pipeline is a mapping of keys, not {'a list' if isinstance(tree, list) else 'a single value'}"
            raise CheckError([Problem(where="", text=reason, remedy="begin with sources:", file=str(path), line=1)])
        self._merge(dict(tree), places)
        self._include(tree.get("include"), places, path)

    def _merge(self, tree: dict[str, Any], places: dict[Trail, Place]) -> None:
        tree.pop("include", None)
        own = places.pop((), Place())
        self.places.setdefault((), own)
        for key, value in tree.items():
            if str(key).startswith("x-"):
                continue
            here = self.tree.get(key)
            if key not in self.tree:
                self.tree[key] = dict(value) if isinstance(value, Mapping) else value
                self._take(places, (key,))
            elif isinstance(here, dict) and isinstance(value, Mapping):
                for name, entry in value.items():
                    self._add(here, key, name, entry, places)
            else:
                self._collide((key,), places)

    def _add(self, section: dict[str, Any], key: str, name: str, entry: Any, places: Mapping[Trail, Place]) -> None:
        if name in section:
            self._collide((key, name), places)
            return
        section[name] = entry
        self._take(places, (key, name))

    def _take(self, places: Mapping[Trail, Place], start: Trail) -> None:
        self.places.update({trail: place for trail, place in places.items() if trail[: len(start)] == start})

    def _collide(self, trail: Trail, places: Mapping[Trail, Place]) -> None:
        place, other = places.get(trail, Place()), self.places.get(trail, Place())
        self.problems.append(
            Problem(
                where=".".join(map(str, trail)),
                text=f"it stands in {other.file} (line {other.line}) too",
                remedy="an included file only adds; rename or remove one of them",
                file=place.file,
                line=place.line,
            )
        )

    def _include(self, names: Any, places: Mapping[Trail, Place], path: Path) -> None:
        if names is None:
            return
        place = places.get(("include",), Place(str(path)))
        problem = Problem(where="include", text="", file=place.file, line=place.line)
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            self._refuse(problem, "a list of files is wanted", "write include: [detectors.yaml]")
            return
        for name in names:
            file = path.parent / name
            if file.resolve() in self._read:
                self._refuse(problem, f"{name} is included already", "include each file once")
            elif len(self._read) >= _MOST_FILES:
                self._refuse(problem, f"more than {_MOST_FILES} files are included", "include fewer")
            else:
                self._one(file, problem)

    def _one(self, file: Path, problem: Problem) -> None:
        try:
            self.read(_text(file, problem), file)
        except CheckError as error:
            self.problems += error.problems

    def _refuse(self, problem: Problem, text: str, remedy: str) -> None:
        self.problems.append(
            Problem(where=problem.where, text=text, remedy=remedy, file=problem.file, line=problem.line)
        )


def _text(path: Path, problem: Problem) -> str:
    try:
        content = path.read_bytes()
    except OSError as error:
        text, remedy = f"{path} cannot be read: {error.strerror}", "name a file that exists"
    except ValueError as error:  # a NUL in the name
        text, remedy = f"{str(path)!r} is no file name: {error}", "name a file that exists"
    else:
        try:
            return content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = content[: error.start].count(b"\n") + 1
            text, remedy = f"line {line} of {path} is not UTF-8 text", "save it as UTF-8"
    raise CheckError([Problem(where=problem.where, text=text, remedy=remedy, file=problem.file, line=problem.line)])
