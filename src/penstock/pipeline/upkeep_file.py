"""What ``penstock up`` is to keep running: the pipeline files of a folder, or what its ``up.yaml`` says."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from penstock.core.restart_budget import Restarts
from penstock.core.suggest import did_you_mean
from penstock.errors import CheckError, Problem
from penstock.pipeline.document import Document, Trail
from penstock.pipeline.include import file_text, read_text

__all__ = ["UP_FILE", "PipelineEntry", "UpkeepFile", "read_upkeep"]

UP_FILE: Final = "up.yaml"
ENDINGS: Final = (".yaml", ".yml")
"""Of pipeline files."""

Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]


def _texts(written: Any) -> Any:
    return [str(each) for each in written] if isinstance(written, list | tuple) else written


def _environ(written: Any) -> Any:
    return {str(k): str(v) for k, v in written.items()} if isinstance(written, Mapping) else written


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PipelineEntry(_Entry):
    """One pipeline that is to run."""

    file: str = ""
    """From the folder; by default the entry's name with ``.yaml``."""
    again: Literal["failed", "always", "never"] = "failed"
    """Whether it is started again: if it failed, whenever it has ended, never."""
    resumes: bool = False
    """Whether a recorded run that was killed is resumed."""
    arguments: Annotated[tuple[str, ...], BeforeValidator(_texts)] = ()
    """Further ones of ``penstock run``."""
    environ: Annotated[dict[str, str], BeforeValidator(_environ)] = Field(default_factory=dict)


class RestartsEntry(_Entry):
    """How much dying is borne of one pipeline."""

    most: Annotated[int, Field(ge=0)] = 5
    within_s: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 300.0
    backoff_s: Seconds = 1.0

    @property
    def budget(self) -> Restarts:
        """The same for the core."""
        return Restarts(most=self.most, within_s=self.within_s, backoff_s=self.backoff_s)


class UpkeepFile(_Entry):
    """A whole ``up.yaml``."""

    pipelines: dict[str, PipelineEntry | None] = Field(default_factory=dict)
    restarts: RestartsEntry = RestartsEntry()
    stop_s: Seconds = 30.0
    """How long a pipeline may take to bring out what has come, when it is stopped."""
    watchdog_s: Seconds = 60.0
    """Who gives no sign of life for so long is killed; 0: nobody."""
    logs: str = "logs"
    """A folder, from that of the file."""


def read_upkeep(folder: Path, environ: Mapping[str, str]) -> tuple[UpkeepFile, dict[str, Path]]:
    """Read what is to be kept running.

    Parameters
    ----------
    folder
        With pipeline files, or with an ``up.yaml`` that names them.
    environ
        Variables.

    Returns
    -------
    upkeep
        What is written, with defaults.
    files
        By name of the pipeline, its file.

    Raises
    ------
    CheckError
        With every mistake.
    """
    if not folder.is_dir():
        raise CheckError([Problem(where=str(folder), text="is no folder", remedy="name one with pipeline files")])
    path = folder / UP_FILE
    if not path.exists():
        files = {file.stem: file for file in sorted(folder.iterdir()) if file.suffix in ENDINGS and file.is_file()}
        if not files:
            remedy = f"put some there, or an {UP_FILE} that names them"
            raise CheckError([Problem(where=str(folder), text="has no pipeline files, *.yaml", remedy=remedy)])
        return UpkeepFile(), files
    document, problems = read_text(file_text(path), path, environ)
    try:
        found = UpkeepFile.model_validate(document.tree)
    except ValidationError as error:
        problems += [_problem(document, each) for each in error.errors()]
        raise CheckError(problems) from error
    files = {}
    for name, entry in found.pipelines.items():
        file = folder / ((entry.file if entry else "") or f"{name}.yaml")
        files[name] = file
        if not file.is_file():
            trail = ("pipelines", name, *(("file",) if entry and entry.file else ()))
            problems.append(document.problem(trail, f"there is no file {file}", "write file: NAME, from this folder"))
    if not files:
        problems.append(
            document.problem(("pipelines",), "there is nothing to run", "write pipelines: {name: {file: …}}")
        )
    if problems:
        raise CheckError(problems)
    return found, files


def _problem(document: Document, error: Any) -> Problem:  # of pydantic
    trail: Trail = tuple(error["loc"])
    if error["type"] == "extra_forbidden":
        model: type[BaseModel] = UpkeepFile if len(trail) == 1 else PipelineEntry
        model = RestartsEntry if trail[0] == "restarts" else model
        return document.problem(
            trail, f'"{trail[-1]}" is no key here', did_you_mean(str(trail[-1]), model.model_fields)
        )
    return document.problem(trail, str(error["msg"]))
