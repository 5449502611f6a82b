"""The values of dranspose's helm chart, which say what an installation consists of: streams, workers, reducer.

=================  ===================================================================================================
key                what is read of it
=================  ===================================================================================================
``ingesters``      by name: ``upstream_url``, ``ingester_class`` (STINS by default), ``stream`` (the name by default)
``workers``        how many, 8 by default
``worker``         ``class``, as ``module:Class``
``extra_workers``  by name: ``class``, ``tags`` (the name by default), ``workers`` (1 by default)
``reducer``        ``class``
=================  ===================================================================================================

All else concerns a cluster. Facts are from the chart of version 0.2.0.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from penstock.compat.dranspose.ingesters import source_by
from penstock.compat.dranspose.lookup import written
from penstock.compat.dranspose.pipelines import REDUCE, SCAN, WAIT_S, WORK, Pool
from penstock.errors import CheckError, Problem
from penstock.pipeline.document import Document, Place, Trail
from penstock.pipeline.entries import Source
from penstock.pipeline.yaml import read_yaml

__all__ = ["Installation", "is_values", "read_values"]

WORKERS: Final = 8
_INGESTERS: Final = re.compile(r"^ingesters[ \t]*:", re.MULTILINE)
_USERS: Final = re.compile(r"^(worker|reducer)[ \t]*:", re.MULTILINE)


def is_values(text: str) -> bool:
    r"""Whether a text has ingesters at its top, and a worker or a reducer.

    >>> is_values("ingesters: {}\nworker: {class: 'a:B'}\n"), is_values("sources: {}\n")
    (True, False)
    """
    return bool(_INGESTERS.search(text) and _USERS.search(text))


@dataclass(slots=True)
class Installation:
    """What values say."""

    sources: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By stream: what a pipeline uses, and its arguments."""
    pools: list[Pool] = field(default_factory=list)
    reducer: str = ""
    problems: list[Problem] = field(default_factory=list)
    document: Document = field(default_factory=Document)
    """The values themselves, for the places of problems."""

    @property
    def entries(self) -> dict[str, Source]:
        """The sources as entries of a pipeline."""
        return {stream: Source(**found) for stream, found in self.sources.items()}

    def tree(self) -> dict[str, Any]:
        """Return the pipeline that they stand for."""
        users = [*dict.fromkeys([*(pool.use for pool in self.pools), *([self.reducer] if self.reducer else [])])]

        def arguments(use: str, **more: Any) -> dict[str, Any]:
            others = [each for each in users if each != use]
            return {**more, **({"others": others} if others else {})}

        stages: dict[str, Any] = {}
        for pool in self.pools:
            own = arguments(pool.use, workers=pool.workers, tags=list(pool.tags))
            thing = {written("worker", pool.use): own}
            stages[pool.name] = {
                "from": SCAN, "map": thing, "workers": pool.workers, "tags": list(pool.tags), "on_error": "skip",
            }  # fmt: skip
        if self.reducer and self.pools:
            thing = {written("reducer", self.reducer): arguments(self.reducer)}
            stages[REDUCE] = {"from": self.pools[0].name, "reduce": thing, "on_error": "skip"}
        return {
            "sources": {stream: dict(found) for stream, found in self.sources.items()},
            "events": {SCAN: {"join": list(self.sources), "by": {"trigger-map": {"wrap": False}}, "wait_s": WAIT_S}},
            "stages": stages,
        }


def read_values(text: str, path: Path, environ: Mapping[str, str] | None = None) -> Installation:
    """Read values.

    Raises
    ------
    CheckError
        If the text is no YAML, or no mapping.
    """
    tree, places, problems = read_yaml(text, str(path), environ)
    if not isinstance(tree, Mapping):
        raise CheckError([Problem(where="", text="there are no values", remedy="write ingesters: …", file=str(path))])
    document = Document(tree=tree, places={(): Place(str(path), 1), **places}, folder=path.parent, name=path.stem)
    reader = _Reader(document)
    reader.found.problems += problems
    return reader.read()


class _Reader:
    def __init__(self, document: Document) -> None:
        self._document = document
        self.found = Installation(document=document)

    def read(self) -> Installation:
        found = self.found
        for name, ingester in self._each("ingesters"):
            self._ingester(name, ingester)
        if not found.sources and not found.problems:
            self._wrong(("ingesters",), "there is no stream", "name one: {eiger: {upstream_url: tcp://detector:9999}}")
        worker = self._class("worker", self._document.tree.get("worker"))
        workers = self._count(("workers",), self._document.tree.get("workers", WORKERS))
        if worker:
            found.pools.append(Pool(use=worker, workers=workers))
        for name, extra in self._each("extra_workers"):
            self._extra(name, extra)
        found.reducer = self._class("reducer", self._document.tree.get("reducer"))
        if not worker and not any(problem.where.startswith("worker") for problem in found.problems):
            self._wrong(("worker",), "nobody says what workers do", "write worker: {class: module:Class}")
        return found

    def _ingester(self, name: str, ingester: Mapping[str, Any]) -> None:
        trail, stream = ("ingesters", name), str(ingester.get("stream", name))
        if "ingester_app" in ingester:
            text, remedy = "a stream over HTTP has no address here", f"write --stream {stream}=sardana,PORT beside this"
            self._wrong((*trail, "ingester_app"), text, remedy, "warning")
            return
        address = ingester.get("upstream_url")
        if not isinstance(address, str):
            self._wrong((*trail, "upstream_url"), "it is missing", "write tcp://HOST:PORT")
            return
        kind = str(ingester.get("ingester_class", "stins"))
        try:
            found = source_by(kind, address, stream)
        except CheckError as error:
            is_theirs = ":" in kind  # perhaps on another machine only
            for problem in error.problems:
                text = f"{problem.text}; it is taken for a source of ours" if is_theirs else problem.text
                self._wrong((*trail, "ingester_class"), text, problem.remedy, "warning" if is_theirs else "error")
            if not is_theirs:
                return
            found = Source(kind, connect=address)
        thing = found.tree["use"]
        self.found.sources[stream] = {"use": thing.name, **thing.arguments}

    def _extra(self, name: str, extra: Mapping[str, Any]) -> None:
        trail = ("extra_workers", name)
        use = self._class(f"extra_workers.{name}", extra)
        tags = extra.get("tags", [name])
        if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
            self._wrong((*trail, "tags"), f"{tags!r:.60} is no list of tags", "write [debug]")
        elif use:
            count = self._count((*trail, "workers"), extra.get("workers", 1))
            stage = name if name not in (WORK, REDUCE, SCAN, *self.found.sources) else f"{name}_workers"
            self.found.pools.append(Pool(use=use, workers=count, tags=tuple(tags), name=stage))

    def _class(self, where: str, entry: Any) -> str:
        if entry is None:
            return ""
        named = entry.get("class") if isinstance(entry, Mapping) else None
        if not isinstance(named, str) or named.count(":") != 1:
            self._wrong((*where.split("."), "class"), f"{named!r} is no class", "write module:Class")
            return ""
        return named

    def _count(self, trail: Trail, count: Any) -> int:
        if type(count) is not int or not 1 <= count <= 1024:
            self._wrong(trail, f"{count!r:.40} is no number of workers", "write a whole number from 1 on")
            return 1
        return count

    def _each(self, key: str) -> list[tuple[str, Mapping[str, Any]]]:
        entries = self._document.tree.get(key) or {}
        if not isinstance(entries, Mapping) or not all(isinstance(each, Mapping) for each in entries.values()):
            self._wrong((key,), "it is no mapping of names to mappings", "write NAME: {…}")
            return []
        return [(str(name), entry) for name, entry in entries.items()]

    def _wrong(self, trail: Trail, text: str, remedy: str, level: str = "error") -> None:
        self.found.problems.append(self._document.problem(trail, text, remedy, level))
