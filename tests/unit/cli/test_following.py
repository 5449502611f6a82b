"""The wish for another run: a name that another run has is refused with one that is free, before anything starts."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from penstock.cli.following import Following
from penstock.cli.main import app
from penstock.core import Timestamp
from penstock.errors import CheckError, StateError, StreamError
from penstock.pipeline.pipeline import Pipeline
from penstock.services.recording import begin_recording, log_address
from penstock.services.web_service import StartWish
from penstock.streams.opened import opened_store

RECORDED = """
name: seen
beamtime: b1
store: kept
sources: {numbers: {use: numbers, n: 3, record: true}}
stages: {same: {from: numbers, map: "builtins:abs"}}
"""


@pytest.fixture
def pipeline(tmp_path: Path) -> Pipeline:
    (tmp_path / "seen.yaml").write_text(RECORDED)
    return Pipeline.load(tmp_path / "seen.yaml")


def following(pipeline: Pipeline, *served: str, name: str = "") -> Following:
    return Following(pipeline, SimpleNamespace(run_names=frozenset(served)), name)


def name_of(taken: Following, **wish: Any) -> str:  # of StartWish
    taken(StartWish(**wish))
    return str(taken.options["run_id"])


def test_a_name_is_free_where_nothing_is_recorded_yet(pipeline: Pipeline, tmp_path: Path) -> None:
    assert name_of(following(pipeline), run="foil 7") == "foil 7"
    assert name_of(following(pipeline)) == "", "made of the time when it begins"
    assert not list((tmp_path / "kept").glob("*")), "to look leaves nothing behind"


def test_a_name_that_another_run_has_is_refused_or_goes_on(
    pipeline: Pipeline, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with opened_store("kept", tmp_path) as store:
        for run in ("foil-7", "foil-8"):
            begin_recording(store, pipeline.plan(), run, Timestamp(0), "local")
            with store.write(log_address("b1", run)) as log:
                log.finish()
    asked = following(pipeline, "foil-9")
    with pytest.raises(StateError, match=r"foil-7 is recorded already, in b1/event\.log/foil-7; .* such as foil-10"):
        asked(StartWish(run="foil-7"))
    with pytest.raises(StateError, match="run foil-9 was shown here already"):
        asked(StartWish(run="foil-9"))
    assert name_of(asked, run="foil-7", existing="next") == "foil-10"
    refused = CliRunner().invoke(app, ["run", str(tmp_path / "seen.yaml"), "--run", "foil-7"])
    assert refused.exit_code == 2
    assert "name another one, such as foil-9" in refused.output + capfd.readouterr().err
    assert name_of(following(pipeline, name="foil-8"), values={}) == "foil-9", "nobody asked for that name"


def test_what_can_be_no_name_is_refused_before_the_run_begins(pipeline: Pipeline) -> None:
    with pytest.raises(CheckError, match="cannot be printed"):
        following(pipeline)(StartWish(run="two\nlines"))
    with pytest.raises(StreamError, match="at most 200"):
        following(pipeline)(StartWish(run="ä" * 100))
