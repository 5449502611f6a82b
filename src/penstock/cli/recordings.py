"""What the commands about recorded runs share: the store, the run, and the pipeline that ran."""

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from penstock.services.recorded_run import RecordedRun
    from penstock.streams.store import Store

__all__ = ["existing_store", "pipeline_of", "recorded_run", "serving"]


def existing_store(store: str) -> "Store":
    """Open a store that is there, a folder or a server's; raises ``CheckError`` if it is not."""
    from penstock.errors import CheckError, PenstockError, Problem
    from penstock.streams.opened import opened_store

    remedy, path = "name what `store` in the pipeline names", Path(store)
    if "://" not in store and not path.is_dir():
        raise CheckError([Problem(where="--store", text=f"{path} is no folder", remedy=remedy)])
    try:
        found = opened_store(store)
        found.check_is_there()
    except PenstockError as error:
        raise CheckError([Problem(where="--store", text=str(error), remedy=remedy)]) from error
    return found


def recorded_run(store: "Store", written: str, run: str, beamtime: str, listing: str) -> "RecordedRun":
    """Read a recorded run; raises ``CheckError`` if there is none.

    Parameters
    ----------
    written
        How the store was named.
    listing
        The command that shows which there are.
    """
    from penstock.errors import CheckError, Problem, StreamError
    from penstock.services.recorded_run import RecordedRun

    if not run:
        raise CheckError([Problem(where="RUN", text="which run", remedy=f"`{listing}` shows them")])
    name = written if "://" in written else str(Path(written).absolute())
    try:
        return RecordedRun.read(store, run, beamtime, store_name=name)
    except StreamError as error:
        raise CheckError([Problem(where="RUN", text=str(error))]) from error


def pipeline_of(recorded: "RecordedRun", file: Path | None) -> Any:  # a Pipeline
    """Return the pipeline that ran, or another one."""
    from penstock.pipeline.pipeline import Pipeline

    if file is not None:
        return Pipeline.load(file)
    text, folder = recorded.pipeline_text()
    return Pipeline.recorded(text, folder)


def serving(written: str | None, engine: str) -> Any:  # a context of a WebService, or of nothing
    """Return what serves views at an address; raises ``CheckError`` if it cannot be had."""
    from penstock.errors import CheckError, Problem, ServiceError
    from penstock.services.web_address import web_service

    if written is None:
        return nullcontext()
    if engine != "local":
        problem = Problem(where="--serve", text=f"the engine {engine} serves no views", remedy="use --engine local")
        raise CheckError([problem])
    try:
        return web_service(written)
    except ServiceError as error:
        raise CheckError([Problem(where="--serve", text=str(error))]) from error
