"""rta-dp's configurations as pipelines: what ``penstock run``, ``check``, ``graph`` and ``convert`` get of them."""

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from penstock.compat.rtadp.block import Block
from penstock.compat.rtadp.convert import convert
from penstock.compat.rtadp.crew import Process, crew_of, supervisor_class, worker_class
from penstock.compat.rtadp.namespace import serve_rtadp
from penstock.compat.rtadp.reader import is_rtadp, read_config
from penstock.compat.rtadp.supervisor import Supervisor
from penstock.elements.user_modules import find_object
from penstock.errors import CheckError, Problem
from penstock.pipeline.document import Document, Place
from penstock.pipeline.front_door import Asked

__all__ = ["RtaDoor"]

_OPTION: Final = "--use"


class RtaDoor:
    """Reads rta-dp's configurations."""

    @staticmethod
    def recognises(text: str) -> bool:
        """Whether a text is a list of blocks with process names."""
        return is_rtadp(text)

    @staticmethod
    def read(text: str, path: Path, environ: Mapping[str, str], asked: Asked) -> tuple[Document, list[Problem]]:
        """Return a process as a pipeline, with the places of the configuration.

        Users' modules are looked for beside the file. If it is to be run, users' classes are asked which analyses they
        make.

        Raises
        ------
        CheckError
            If there is no such process, or it is not written as it should be.
        """
        del environ  # a configuration has no variables
        serve_rtadp()
        file = read_config(text, str(path))
        block = file.read(asked.node)
        process, problems = _process_of(block, path, asked)
        managers = None
        if asked.runs and process.supervisor and not any(problem.level == "error" for problem in problems):
            crew = crew_of(process)
            crew.muster()
            managers = crew.managers
            problems += _left_out(block, managers, path)
        converted = convert(block, process.written, managers, has_receivers=_has_receivers(process))
        document = Document(
            tree=converted.tree,
            places={(): block.places.get((block.index,), Place(str(path))), **converted.places},
            folder=path.parent,
            name=block.name,
        )
        return document, [*file.notices, *problems, *converted.problems]


def _process_of(block: Block, path: Path, asked: Asked) -> tuple[Process, list[Problem]]:
    """Return what a process is made of: a supervisor's class, or the classes of workers; and what is wrong there."""
    name = asked.use or block.use
    place = Place() if asked.use else block.places.get((block.index, "use"), Place(str(path)))
    where = _OPTION if asked.use else f"{block.name}.use"
    problems: list[Problem] = []
    supervisor, default = "", ""
    if name:
        try:
            if _is_supervisor(name, path.parent):
                supervisor_class(name, path.parent)
                supervisor = name
            else:
                worker_class(name, path.parent)
                default = name
        except CheckError as error:
            problems += [_placed(problem, where, place, path) for problem in error.problems]
    uses = [] if supervisor else [analysis.use or default for analysis in block.analyses]
    for analysis in block.analyses:
        if analysis.use and not supervisor:
            at = block.places.get((*analysis.trail, "use"), Place(str(path)))
            try:
                worker_class(analysis.use, path.parent)
            except CheckError as error:
                where_ = f"{block.name}.{analysis.name}.use"
                problems += [_placed(problem, where_, at, path) for problem in error.problems]
    if not name and not all(uses):
        problems.append(_nameless(block, uses, path, is_error=asked.runs))
    process = Process(
        name=block.name, config=path.name, supervisor=supervisor, uses=tuple(uses) if any(uses) else (),
        folder=str(path.parent),
    )  # fmt: skip
    return process, problems


def _is_supervisor(name: str, folder: Path) -> bool:
    found = find_object(name, folder)
    return inspect.isclass(found) and issubclass(found, Supervisor)


def _has_receivers(process: Process) -> bool:
    """Whether a user's class receives data itself."""
    if not process.supervisor:
        return False
    own = inspect.getattr_static(supervisor_class(process.supervisor, Path(process.folder)), "start_service_threads")
    return own is not inspect.getattr_static(Supervisor, "start_service_threads")


def _nameless(block: Block, uses: Sequence[str], path: Path, *, is_error: bool) -> Problem:
    """Say that nobody says what the workers do."""
    lacking = [each.name for each, use in zip(block.analyses, uses, strict=True) if not use]
    text = f"the configuration does not say what the workers of {', '.join(lacking)} do"
    remedy = 'name your class with --use module:Class, a subclass of Supervisor or of WorkerBase, or write "use" there'
    place = block.places.get((block.index, "manager"), Place(str(path)))
    return Problem(
        where=f"{block.name}.manager", text=text, remedy=remedy, file=str(path), line=place.line,
        level="error" if is_error else "warning",
    )  # fmt: skip


def _left_out(block: Block, managers: Sequence[int], path: Path) -> list[Problem]:
    """Say which managers of the configuration the user's class does not make, or makes beyond them."""
    problems = []
    for number, analysis in enumerate(block.analyses):
        if number not in managers:
            place = block.places.get(analysis.trail, Place(str(path)))
            text = "the supervisor's start_managers makes no manager of this number, so nothing is done for it"
            problems.append(
                Problem(
                    where=f"{block.name}.{analysis.name}", text=text, remedy="make it there, or leave it out here",
                    file=str(path), line=place.line, level="warning",
                )
            )  # fmt: skip
    return problems


def _placed(problem: Problem, where: str, place: Place, path: Path) -> Problem:
    if problem.file:
        return problem
    return replace(problem, where=where, file="" if where == _OPTION else str(path), line=place.line)
