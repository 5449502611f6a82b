"""The pipeline written in Python: the same plan, the same checks, and back to a file."""

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from penstock.core.map_reader import read_map
from penstock.elements.user_modules import find_object
from penstock.errors import CheckError
from penstock.pipeline import Alarm, ByTriggerMap, Join, Map, Merge, Pipeline, Reduce, Sink, Source, Steps, Use
from tests.unit.pipeline.conftest import Write

FOLDER = Path(__file__).parents[2] / "pipelines"


def fluorescence() -> ModuleType:
    import sys

    find_object("fluorescence:FitSpectrum", FOLDER)
    return sys.modules["fluorescence"]


def xrf_map() -> Pipeline:
    code = fluorescence()
    return Pipeline(
        name="xrf-map",
        beamtime="c20261120",
        store="./penstock-data",
        sources={
            "xspress3": Source("xspress3", connect="tcp://x3mini:5556", record=True),
            "contrast": Source("contrast", connect="tcp://scan:5557"),
        },
        events={"scan": Join("xspress3", "contrast", by=ByTriggerMap(file="map.json"), incomplete="pass", wait_s=2)},
        stages={
            "fit": Map(
                code.FitSpectrum, lines=["Fe", "Ni"], source="scan", workers=4, parameters={"roi_start_keV": 5.9}
            ),
            "image": Reduce(code.ConcentrationMap, source="fit"),
            "watch": Steps(
                Use("threshold", field="I0", above=0),
                Use("window", every_s=1),
                "count",
                Use("print", prefix="I0 > 0: "),
                source="contrast",
            ),
        },
        sinks={
            "file": Sink("nexus", source="image", when="end", path="./{run}.h5"),
            "hits": Sink("nexus", source="xspress3", where="fit.is_hit", path="./{run}-hits.h5"),
        },
        serve={"http": 8400},
        alarms={"no_beam": Alarm("watch.threshold.out_per_s < 1", for_s=10, level="warning")},
        folder=FOLDER,
    )


def test_python_and_yaml_are_the_same_plan() -> None:
    written = Pipeline.load(FOLDER / "xrf-map.yaml", environ={})
    declared = xrf_map()
    assert declared.plan() == written.plan()
    assert declared.to_yaml() == written.to_yaml()


def test_python_and_yaml_have_the_same_mistakes(write: Write) -> None:
    file = write(
        "name: p\nsources: {a: {use: stinz}, b: {use: stins, conect: x}}\n"
        "events: {e: {join: [a, c], by: ky}}\nstages: {s: {from: e, map: count, workers: 0}}\n"
        "sinks: {o: {use: print, from: t}}\n"
    )
    declared = Pipeline(
        name="p",
        sources={"a": Source("stinz"), "b": Source("stins", conect="x")},
        events={"e": Join("a", "c", by="ky")},
        stages={"s": Map("count", source="e", workers=0)},
        sinks={"o": Sink("print", source="t")},
        folder=file.parent,
    )

    def said(pipeline: Pipeline) -> set[tuple[str, str, str]]:
        return {(problem.where, problem.text, problem.remedy) for problem in pipeline.check(cores=9).problems}

    assert said(declared) == said(Pipeline.load(file, environ={}))


def test_a_map_made_in_python_is_taken_as_it_is() -> None:
    made = read_map({"a": {"events": 3}})
    pipeline = Pipeline(
        sources={"a": Source("stins", connect="tcp://x:1")},
        events={"scan": Join("a", by=made)},
        stages={"n": Map(Use(len), source="scan"), "both": Steps("count", source="scan")},
    )
    assert pipeline.plan().joins["scan"].options["map"] is made
    with pytest.raises(CheckError, match="cannot be written in a file"):
        pipeline.to_yaml()


def test_what_has_no_name_to_import_is_in_no_file() -> None:
    pipeline = Pipeline(
        sources={"a": Source("stins", connect="tcp://x:1")}, stages={"s": Steps(lambda item: item, source="a")}
    )
    assert pipeline.plan().stages["s"].elements[0].target(3) == 3
    with pytest.raises(CheckError, match="cannot be imported by that name"):
        pipeline.to_yaml()


def test_an_argument_that_is_no_plain_value_is_in_no_file() -> None:
    mask = np.zeros(3)
    pipeline = Pipeline(
        sources={"a": Source("stins", connect="tcp://x:1")},
        stages={"s": Steps(Use(np.clip, a_min=mask, a_max=1), source="a")},
    )
    assert pipeline.plan().stages["s"].elements[0].arguments["a_min"] is mask
    with pytest.raises(CheckError, match="cannot be written in a file"):
        pipeline.to_yaml()


def test_arguments_named_like_options_are_told_apart_by_use() -> None:
    def work(event: object, workers: int) -> int:
        return workers

    stage = Map(Use(work, workers=3), source="a", workers=2)
    pipeline = Pipeline(sources={"a": Source("stins", connect="tcp://x:1")}, stages={"s": stage})
    plan = pipeline.plan().stages["s"]
    assert (plan.workers, plan.elements[0].arguments) == (2, {"workers": 3})


def test_merge_and_lanes_read_as_in_a_file() -> None:
    pipeline = Pipeline(
        sources={"a": Source("stins", connect="tcp://x:1"), "b": Source("stins", connect="tcp://y:1")},
        events={"both": Merge("a", "b")},
        stages={"s": Steps("count", source={"high": "a", "low": "both"})},
    )
    plan = pipeline.plan()
    assert plan.merges["both"].streams == ("a", "b")
    assert plan.stages["s"].inputs == (("high", "a"), ("low", "both"))


def test_an_unknown_engine_is_named() -> None:
    pipeline = Pipeline(sources={"a": Source("stins", connect="tcp://x:1")})
    with pytest.raises(CheckError, match='there is no engine "inlin"'):
        pipeline.run("inlin")


def test_a_notebook_shows_the_drawing() -> None:
    assert xrf_map()._repr_svg_().startswith("<svg")


def test_entries_show_themselves() -> None:
    assert repr(Source("stins", connect="tcp://x:1")).startswith("Source(use=Thing(name='stins'")
