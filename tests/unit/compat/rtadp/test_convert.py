"""A process of rta-dp becomes sources, stages and sinks, with the lanes that it has."""

import json
from pathlib import Path
from typing import Any

import pytest

from penstock.compat.rtadp.convert import Converted, convert
from penstock.compat.rtadp.front_door import RtaDoor
from penstock.compat.rtadp.reader import read_config
from penstock.errors import CheckError
from penstock.pipeline.check import check_file
from penstock.pipeline.front_door import Asked, is_foreign
from penstock.pipeline.pipeline import Pipeline
from tests.unit.compat.rtadp.test_crew import _nobody_left
from tests.unit.compat.rtadp.test_reader import BLOCK, MANAGER, OLD, OTHERS

__all__ = ["_nobody_left"]

PROCESS = {"name": "RTADP1", "config": "config.json", "supervisor": "m:S"}
USERS = "tests.unit.compat.rtadp.users"


def converted(managers: list[int] | None = None, *, has_receivers: bool = False, **changes: Any) -> Converted:
    block = read_config(json.dumps([{**BLOCK, **changes}], indent=1), "config.json").read()
    return convert(block, PROCESS, managers, has_receivers=has_receivers)


def written(folder: Path, *blocks: Any) -> Path:
    path = folder / "config.json"
    path.write_text(json.dumps([*OTHERS, *(blocks or (BLOCK,))], indent=1))
    return path


def test_both_lanes_are_read_and_carried_to_the_results() -> None:
    tree = converted().tree
    assert {name: source.get("connect") for name, source in tree["sources"].items()} == {
        "control": None,
        "high": "tcp://127.0.0.1:5565",
        "low": "tcp://127.0.0.1:5564",
    }
    assert tree["stages"]["Rate"] == {
        "from": {"high": "high", "low": "low"},
        "steps": [{"penstock.compat.rtadp:Worker": {"process": PROCESS, "manager": 0, "result": "string"}}],
        "workers": 5,
        "run_in": "thread",
        "on_error": "dead_letter",
    }
    assert tree["sinks"] == {
        "Rate_high": {"use": "zmq-pub", "from": "Rate.high", "bind": "tcp://127.0.0.1:5567", "encoding": "text"},
        "Rate_low": {"use": "zmq-pub", "from": "Rate.low", "bind": "tcp://127.0.0.1:5566", "encoding": "text"},
    }


def test_the_attendant_knows_what_it_commands_and_measures() -> None:
    control = converted().tree["sources"]["control"]
    assert (control["command"], control["monitoring"]) == ("tcp://127.0.0.1:5568", "tcp://127.0.0.1:5561")
    assert control["data"] == ["high", "low"]
    assert control["analyses"] == [
        {
            "stage": "Rate", "name": "Rate", "group": "worker", "workers": 5,
            "lanes": {"high": "high", "low": "low"}, "sinks": {"high": "Rate_high", "low": "Rate_low"},
        }
    ]  # fmt: skip


def test_one_lane_needs_no_lanes() -> None:
    tree = converted(data_hp_socket="none").tree
    assert tree["stages"]["Rate"]["from"] == "low"
    assert list(tree["sinks"]) == ["Rate_low"]
    assert tree["sinks"]["Rate_low"]["from"] == "Rate"


def test_data_are_bound_where_the_file_says_and_nowhere_else() -> None:
    sources = converted(datasocket_type="pushpull", data_hp_socket="tcp://*:5565").tree["sources"]
    assert sources["low"]["bind"] == "tcp://127.0.0.1:5564"
    assert "open_to_network" not in sources["low"]
    assert (sources["high"]["bind"], sources["high"]["open_to_network"]) == ("tcp://0.0.0.0:5565", True)


@pytest.mark.parametrize(
    ("changes", "sinks"),
    [
        ({"result_socket_type": "pushpull"}, [("zmq-push", "connect", "text")] * 2),
        ({"result_dataflow_type": "filename"}, [("zmq-pub", "bind", "text")] * 2),
        ({"result_dataflow_type": "binary", "result_hp_socket": "none"}, [("zmq-pub", "bind", "bytes")]),
        ({"result_dataflow_type": "none"}, []),
        ({"result_socket_type": "none"}, []),
    ],
)
def test_results_go_out_as_the_manager_says(changes: dict[str, Any], sinks: list[tuple[str, str, str]]) -> None:
    tree = converted(manager=[{**MANAGER, **changes}]).tree
    found = [
        (sink["use"], "bind" if "bind" in sink else "connect", sink["encoding"])
        for sink in tree.get("sinks", {}).values()
    ]
    assert found == sinks


def test_custom_data_come_from_users_receivers_by_a_queue_for_each_analysis() -> None:
    quiet = {"result_socket_type": "none", "result_lp_socket": "none", "result_hp_socket": "none"}
    managers = [MANAGER, {**MANAGER, **quiet, "name": "B"}]
    changes: dict[str, Any] = {"datasocket_type": "custom", "data_lp_socket": "b:9:t", "manager": managers}
    tree = converted(has_receivers=True, **changes).tree
    assert list(tree["sources"]) == ["control", "Rate_high_queue", "Rate_low_queue", "B_high_queue", "B_low_queue"]
    assert tree["stages"]["B"]["from"] == {"high": "B_high_queue", "low": "B_low_queue"}


def test_custom_data_come_from_kafka_where_nobody_receives_them() -> None:
    found = converted(datasocket_type="custom", data_lp_socket="broker:29092:events", data_hp_socket="none")
    assert found.tree["sources"]["low"] == {
        "use": "penstock.compat.rtadp:Topic", "process": PROCESS, "lane": "low", "flow": "string",
        "brokers": "broker:29092", "topics": "events",
    }  # fmt: skip
    assert not found.problems


def test_one_topic_of_both_lanes_is_read_once() -> None:
    found = converted(datasocket_type="custom", data_lp_socket="b:9:t", data_hp_socket="b:9:t")
    assert list(found.tree["sources"]) == ["control", "low"]
    assert "read once" in found.problems[0].text


def test_custom_data_of_which_nobody_knows_how_they_come_are_warned_of() -> None:
    found = converted(datasocket_type="custom", data_lp_socket="magic", data_hp_socket="none")
    assert "is no HOST:PORT:TOPIC of Kafka" in found.problems[0].text


def test_names_fit_into_pipelines_and_no_two_are_the_same() -> None:
    none = {"result_socket_type": "none", "result_lp_socket": "none", "result_hp_socket": "none"}
    names = ["Rate 1.5", "low", "control", "Rate_1_5"]
    tree = converted(manager=[{**MANAGER, **none, "name": name} for name in names]).tree
    assert list(tree["stages"]) == ["Rate_1_5", "low_2", "control_2", "Rate_1_5_2"]


def test_managers_that_users_classes_do_not_make_are_left_out() -> None:
    assert "stages" not in converted([]).tree


def test_data_are_dropped_only_where_the_file_bounds_the_queue() -> None:
    assert converted(data_queue_maxsize=10).tree["stages"]["Rate"]["when_full"] == "drop_newest"


def test_entries_have_the_places_of_the_file() -> None:
    places = converted().places
    assert {trail: place.line for trail, place in places.items()} == {
        ("sources", "control"): 9,
        ("sources", "high"): 8,
        ("sources", "low"): 7,
        ("stages", "Rate"): 18,
        ("sinks", "Rate_high"): 16,
        ("sinks", "Rate_low"): 15,
    }


# The front door


def test_it_is_found_by_itself(tmp_path: Path) -> None:
    assert is_foreign(written(tmp_path))


@pytest.mark.parametrize("use", [f"{USERS}:Sup", f"{USERS}:Echo"])
def test_a_file_with_code_for_its_workers_is_right(use: str, tmp_path: Path) -> None:
    checked = check_file(written(tmp_path, {**BLOCK, "data_hp_socket": "none"}), asked=Asked(use=use))
    assert not checked.problems


def test_code_may_stand_in_the_file(tmp_path: Path) -> None:
    blocks = {**BLOCK, "data_hp_socket": "none", "manager": [{**MANAGER, "use": f"{USERS}:Echo"}]}
    checked = check_file(written(tmp_path, blocks))
    assert not checked.problems
    assert checked.document.tree["stages"]["Rate"]["steps"][0]["penstock.compat.rtadp:Worker"]["process"]["uses"] == [
        f"{USERS}:Echo"
    ]


def test_without_code_it_can_be_looked_at_and_not_run(tmp_path: Path) -> None:
    path = written(tmp_path, {**BLOCK, "data_hp_socket": "none"})
    (problem,) = check_file(path).problems
    assert (problem.level, problem.where) == ("warning", "RTADP1.manager")
    assert "--use module:Class" in problem.remedy
    with pytest.raises(CheckError, match="does not say what the workers of Rate do"):
        Pipeline.load(path, asked=Asked(runs=True)).plan()


@pytest.mark.parametrize(
    ("use", "said"),
    [
        ("nowhere:Sup", 'there is no module "nowhere"'),
        (f"{USERS}:Supp", 'did you mean "Sup"?'),
        (f"{USERS}:made", "is no class with a method process_data"),
    ],
)
def test_code_that_is_not_there_is_told(use: str, said: str, tmp_path: Path) -> None:
    (problem, *_) = check_file(written(tmp_path), asked=Asked(use=use)).problems
    assert problem.where == "--use"
    assert said in str(problem)
    (problem,) = check_file(written(tmp_path, {**BLOCK, "use": use})).of_level("error")
    assert (problem.where, problem.line) == ("RTADP1.use", 36)


def test_the_old_form_is_converted_with_a_notice(tmp_path: Path) -> None:
    document, problems = RtaDoor.read(written(tmp_path, OLD).read_text(), tmp_path / "config.json", {}, Asked())
    assert list(document.tree["stages"]) == ["manager0", "manager1"]
    assert "old form of arrays" in "\n".join(str(problem) for problem in problems)


def test_whoever_is_to_run_is_asked_which_analyses_there_are(tmp_path: Path) -> None:
    none = {"result_socket_type": "none", "result_lp_socket": "none", "result_hp_socket": "none"}
    blocks = {**BLOCK, "logs_path": str(tmp_path), "manager": [MANAGER, {**MANAGER, **none, "name": "B"}]}
    path = written(tmp_path, blocks)
    pipeline = Pipeline.load(path, asked=Asked(use=f"{USERS}:Sup", runs=True))
    assert list(pipeline.tree["stages"]) == ["Rate"]
    assert "makes no manager of this number" in str(pipeline.problems[0])
