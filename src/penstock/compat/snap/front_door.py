"""SNAP's files as pipelines: what ``penstock run`` and ``penstock check`` get of them."""

import logging.config
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from penstock.compat.snap.convert import Converted, Peers, convert
from penstock.compat.snap.datablock import teach_blocks
from penstock.compat.snap.names import HERE, KNOWN, full_name, module_path
from penstock.compat.snap.namespace import is_served, prelude, serve_snap
from penstock.compat.snap.reader import is_snap, read_snap
from penstock.compat.snap.recipe import OBJECT
from penstock.compat.snap.syntax import Reference
from penstock.compat.snap.things import references_in
from penstock.compat.snap.values import variables_in
from penstock.core.suggest import did_you_mean
from penstock.elements.user_code import problems_of
from penstock.elements.user_modules import find_object
from penstock.errors import CheckError, Problem
from penstock.pipeline.document import Document
from penstock.pipeline.front_door import Asked, marked, marks_in

__all__ = ["SnapDoor"]


class SnapDoor:
    """Reads SNAP's files, of both versions."""

    @staticmethod
    def recognises(text: str) -> bool:
        """Whether a text has a node of SNAP's."""
        return is_snap(text)

    @staticmethod
    def read(text: str, path: Path, environ: Mapping[str, str], asked: Asked) -> tuple[Document, list[Problem]]:
        """Return a node as a pipeline, with the places of SNAP's file.

        Users' modules are looked for beside the file, then in the current folder, which stays importable.

        Raises
        ------
        CheckError
            If the file is no YAML, there is no such node, or it is not written as SNAP's grammars have it.
        """
        _make_importable(Path.cwd())
        serve_snap()
        if not asked.keeps_variables:
            return _read(text, path, environ, asked)
        kept = {name for name in variables_in(text) if name.isidentifier()}
        while kept:
            try:
                document, problems = _read(text, path, {**environ, **{name: marked(name) for name in kept}}, asked)
                loose = _marks_outside_arguments(document.tree)
            except CheckError as error:
                document, problems, loose = Document(), list(error.problems), kept
            # Who is told of in a problem says what something is, or where.
            loose = {name for problem in problems for name in marks_in(f"{problem}")} or loose
            if not loose:
                return document, [*problems, *_imports_of_snap(path)]
            kept -= loose
        document, problems = _read(text, path, environ, asked)
        return document, [*problems, *_imports_of_snap(path)]


def _imports_of_snap(path: Path) -> list[Problem]:
    """Say that users' modules import what is only there for files of SNAP, of a file that is to be one no more."""
    if not is_served():
        return []
    text = "a module that it names imports snap, which is not installed and only there while a SNAP file is run"
    remedy = "write penstock.compat.snap there, as in: from penstock.compat.snap import timing"
    return [Problem(where="", text=text, remedy=remedy, file=str(path), level="warning")]


def _read(text: str, path: Path, environ: Mapping[str, str], asked: Asked) -> tuple[Document, list[Problem]]:
    file = read_snap(text, str(path), environ)
    node = file.read(asked.node)
    lookup = _Lookup(path.parent)
    converted = convert(node, lookup, Peers(speak_pickle=asked.own_peers, allow=asked.allow))
    teach_blocks()
    if asked.status:
        status = {"use": f"{HERE}.status:status_server", "address": asked.status}
        converted.tree["sources"] = {**converted.tree.get("sources", {}), _free("status", converted.tree): status}
    if asked.runs and (settings := file.log_settings()) is not None:
        _configure_logging(settings, path)
    document = Document(
        tree=converted.tree,
        places={(): node.place, **converted.places},
        folder=path.parent,
        name=node.name,
        prelude=prelude(),
    )
    return document, [*converted.problems, *lookup.problems, *_nothing(converted, node.name, path)]


def _marks_outside_arguments(value: Any, *, is_argument: bool = False) -> set[str]:
    """Return the variables that are marked in names: of entries, of code, of what is read."""
    if isinstance(value, Mapping):
        found: set[str] = set()
        for key, inner in value.items():
            found |= marks_in(str(key))
            names_something = key in ("use", "from", "merge", "name", OBJECT, "function")
            # A thing has its arguments below its name, or beside `use`.
            is_thing = ":" in str(key) or "use" in value
            found |= _marks_outside_arguments(inner, is_argument=(is_argument or is_thing) and not names_something)
        return found
    if isinstance(value, list):
        return {name for inner in value for name in _marks_outside_arguments(inner, is_argument=is_argument)}
    return set() if is_argument else marks_in(str(value))


class _Lookup:
    """Finds the objects that a node names, each once, and notes which there are not."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._found: dict[str, Any] = {}
        self.problems: list[Problem] = []

    def find(self, reference: Reference) -> Any:  # whatever users name
        """Return the object; ``None`` if there is none, which is noted."""
        path = module_path(reference.name)
        if path not in self._found:
            try:
                self._found[path] = find_object(path, self._folder)
            except CheckError as error:
                self._found[path] = None
                self.problems += [self._missing(reference, problem) for problem in error.problems]
        return self._found[path]

    def check_call(self, reference: Reference) -> None:
        """Note what is wrong with a call's arguments."""
        target = self.find(reference)
        if target is None or reference.arguments is None:
            return
        unknown = [name for name, value in reference.arguments.items() if references_in(value)]
        self.problems += [
            replace(self._said(reference, problem), where=f"{reference.name}.{problem.where}".rstrip("."))
            for problem in problems_of("source", target, reference.arguments)
            if problem.where not in unknown  # what an object will be is only known when it is made
        ]

    def _missing(self, reference: Reference, problem: Problem) -> Problem:
        said = self._said(reference, problem)
        is_snaps = full_name(reference.name).startswith("snap.")
        if not is_snaps or not ("there is no module" in said.text or " has no " in said.text):
            return said
        text = f"there is no element {reference.name} here or installed"
        otherwise = "install the package that brings it, such as snap-combine"
        return replace(said, text=text, remedy=did_you_mean(reference.name, KNOWN, otherwise=otherwise))

    @staticmethod
    def _said(reference: Reference, problem: Problem) -> Problem:
        place = reference.place
        return Problem(where=reference.name, text=problem.text, remedy=problem.remedy, file=place.file, line=place.line)


def _free(word: str, tree: Mapping[str, Mapping[str, Any]]) -> str:
    """Return a name that no entry has."""
    used = {name for section in ("sources", "events", "stages", "sinks") for name in tree.get(section, {})}
    return next(name for name in (word, *(f"{word}_{n}" for n in range(2, len(used) + 3))) if name not in used)


def _make_importable(folder: Path) -> None:
    """Let modules of the current folder be found behind all others, as SNAP does."""
    if str(folder) not in sys.path:
        sys.path.append(str(folder))


def _configure_logging(settings: Any, path: Path) -> None:
    try:
        logging.config.dictConfig(settings)
    except (ValueError, TypeError, AttributeError, ImportError) as error:
        problem = Problem(where="logging", text=str(error), remedy="see logging.config in Python", file=str(path))
        raise CheckError([problem]) from error


def _nothing(converted: Converted, node: str, path: Path) -> list[Problem]:
    """Say that a node has nothing to run, if there is no other mistake that tells why."""
    if converted.tree.get("sources") or any(problem.level == "error" for problem in converted.problems):
        return []
    text, remedy = "no chain has a source, so nothing would ever come", "begin one with !from module.generator: {}"
    return [Problem(where=node, text=text, remedy=remedy, file=str(path))]
