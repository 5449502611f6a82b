"""Values of dranspose's helm chart: what is read, what is wrong in them, and the pipeline that they stand for."""

from pathlib import Path

import pytest

from penstock.compat.dranspose.ingesters import source_of
from penstock.compat.dranspose.values_file import read_values
from penstock.errors import CheckError
from penstock.pipeline import Pipeline
from penstock.pipeline.yaml_writer import write_yaml

FILE = Path(__file__).parents[3] / "system" / "dranspose" / "values.yaml"


def test_values_are_a_pipeline_that_is_right() -> None:
    pipeline = Pipeline.load(FILE)
    checked = pipeline.check()
    assert not checked.of_level("error")
    plan = pipeline.plan()
    assert list(plan.sources) == ["xrd", "contrast"]
    assert [(name, stage.kind, stage.workers) for name, stage in plan.stages.items()] == [
        ("work", "map", 2), ("look", "map", 1), ("reduce", "reduce", 1),
    ]  # fmt: skip


def test_what_they_are_converted_to_is_right(tmp_path: Path) -> None:
    (tmp_path / "rings.py").write_bytes((FILE.parent / "rings.py").read_bytes())
    (tmp_path / "pipeline.yaml").write_text(write_yaml(Pipeline.load(FILE).tree))
    assert not Pipeline.load(tmp_path / "pipeline.yaml").check().of_level("error")


@pytest.mark.parametrize(
    ("text", "where", "line"),
    [
        ("ingesters: {}\nworker: {class: 'a:B'}", "ingesters", 1),
        ("ingesters:\n  a: {}\nworker: {class: 'a:B'}", "ingesters.a.upstream_url", 2),
        (
            "ingesters:\n  a: {upstream_url: x, ingester_class: Nothing}\nworker: {class: 'a:B'}",
            "ingesters.a.ingester_class",
            2,
        ),
        ("ingesters:\n  a: {upstream_url: x}\nworker: {class: a.B}", "worker.class", 3),
        ("ingesters:\n  a: {upstream_url: x}\nreducer: {class: 'a:B'}", "worker", 1),
        ("ingesters:\n  a: {upstream_url: x}\nworker: {class: 'a:B'}\nworkers: 0", "workers", 4),
        ("ingesters: [a]\nworker: {class: 'a:B'}", "ingesters", 1),
        (
            "ingesters:\n  a: {upstream_url: x}\nworker: {class: 'a:B'}\nextra_workers:\n  b: {class: 'a:B', tags: b}",
            "extra_workers.b.tags",
            5,
        ),
    ],
)
def test_what_is_wrong_is_named(text: str, where: str, line: int) -> None:
    problem = read_values(text, Path("values.yaml")).problems[0]
    assert (problem.where, problem.line, bool(problem.remedy)) == (where, line, True)


def test_streams_over_http_are_left_out_and_said() -> None:
    text = "ingesters:\n  s: {ingester_app: 'x:app'}\n  a: {upstream_url: 'tcp://a:1'}\nworker: {class: 'a:B'}"
    found = read_values(text, Path("values.yaml"))
    assert ([problem.level for problem in found.problems], list(found.sources)) == (["warning"], ["a"])


@pytest.mark.parametrize("text", ["a", "a=stins", "a=,tcp://x:1", "=stins,tcp://x:1", "a=stns,tcp://x:1"])
def test_a_stream_that_is_written_wrong_is_refused(text: str) -> None:
    with pytest.raises(CheckError, match="--stream"):
        source_of(text)
