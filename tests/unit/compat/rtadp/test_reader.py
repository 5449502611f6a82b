"""Configurations of rta-dp are read with every mistake and its place, also those in the old form of arrays."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.compat.rtadp.block import Block
from penstock.compat.rtadp.config_lookup import ConfigurationManager, get_custom_config, get_pull_config
from penstock.compat.rtadp.json_places import parse
from penstock.compat.rtadp.reader import ConfigFile, is_rtadp, read_config
from penstock.errors import CheckError

MANAGER: dict[str, Any] = {
    "result_socket_type": "pubsub",
    "result_dataflow_type": "string",
    "result_lp_socket": "tcp://127.0.0.1:5566",
    "result_hp_socket": "tcp://127.0.0.1:5567",
    "num_workers": 5,
    "name": "Rate",
    "name_workers": "worker",
}
BLOCK: dict[str, Any] = {
    "processname": "RTADP1",
    "dataflow_type": "string",
    "processing_type": "thread",
    "datasocket_type": "pubsub",
    "data_lp_socket": "tcp://127.0.0.1:5564",
    "data_hp_socket": "tcp://127.0.0.1:5565",
    "command_socket": "tcp://127.0.0.1:5568",
    "monitoring_socket": "tcp://127.0.0.1:5561",
    "manager": [MANAGER],
    "logs_path": "/tmp/",
    "logs_level": 5,
    "comment": "",
}
OTHERS: list[dict[str, Any]] = [
    {"processname": "CommandCenter", "command_socket": "tcp://127.0.0.1:5568"},
    {
        "processname": "Monitoring",
        "monitoring_forwarder": "off",
        "forwarder_frontend_socket": "none",
        "forwarder_backend_socket": "none",
        "monitoring_socket": "tcp://127.0.0.1:5561",
    },
]


def file(*blocks: Any) -> ConfigFile:
    return read_config(json.dumps([*OTHERS, *blocks], indent=1), "config.json")


def block(**changes: Any) -> Block:
    return file({**BLOCK, **changes}).read()


def mistakes(**changes: Any) -> list[str]:
    with pytest.raises(CheckError) as raised:
        block(**changes)
    return [str(problem) for problem in raised.value.problems]


def notices(*blocks: Any) -> list[str]:
    found = file(*blocks)
    found.read()
    return [f"{notice.level}: {notice}" for notice in found.notices]


def test_a_block_in_the_current_form_is_read_without_a_word() -> None:
    found = file(BLOCK)
    read = found.read("RTADP1")
    assert not found.notices
    assert (read.flow, read.processing, read.sockets, read.lanes) == ("string", "thread", "pubsub", ("high", "low"))
    (analysis,) = read.analyses
    assert (analysis.name, analysis.workers, read.full_name(analysis)) == ("Rate", 5, "RTADP1-Rate")
    assert analysis.address("high") == "tcp://127.0.0.1:5567"


@pytest.mark.parametrize(
    "key", [key for key in BLOCK if key not in ("processname", "logs_path", "logs_level", "comment")]
)
def test_every_key_that_is_missing_is_named(key: str) -> None:
    with pytest.raises(CheckError) as raised:
        file({name: value for name, value in BLOCK.items() if name != key}).read()
    (problem,) = raised.value.problems
    assert problem.where == f"RTADP1.{key}"
    assert problem.text == "is missing"
    assert f'write "{key}": ' in problem.remedy
    assert problem.line == 13, "that of the block"


@pytest.mark.parametrize("key", MANAGER)
def test_every_key_of_a_manager_that_is_missing_is_named(key: str) -> None:
    manager = {name: value for name, value in MANAGER.items() if name != key}
    assert mistakes(manager=[manager])[0].startswith(
        f"RTADP1.manager[0].{key} (config.json, line 23): is missing; write"
    )


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"dataflow_type": "strng"}, 'did you mean "string"?'),
        ({"processing_type": "threads"}, 'did you mean "thread"?'),
        ({"datasocket_type": "none"}, "is none of pushpull, pubsub and custom"),
        ({"datasocket_type": ["pubsub"]}, "write pushpull, pubsub or custom"),
        ({"data_lp_socket": "tcp://127.0.0.1"}, 'port missing in "tcp://127.0.0.1"'),
        ({"data_hp_socket": 5565}, "is an address, and not 5565"),
        ({"data_lp_socket": "none", "data_hp_socket": "none"}, "no data would ever come"),
        ({"command_socket": "none"}, "a process cannot do without it"),
        ({"monitoring_socket": "here"}, "does not say how it is reached"),
        ({"manager": []}, "is a list of at least one manager"),
        ({"manager": {"name": "Rate"}}, "is a list of at least one manager"),
        ({"manager": ["Rate"]}, "a manager is an object"),
        ({"manager": [MANAGER, MANAGER]}, 'manager 0 is called "Rate", too'),
        ({"manager": [{**MANAGER, "num_workers": 0}]}, "is a whole number from 1, and not 0"),
        ({"manager": [{**MANAGER, "num_workers": True}]}, "is a whole number from 1"),
        ({"manager": [{**MANAGER, "num_workers": "2"}]}, "is a whole number from 1"),
        ({"manager": [{**MANAGER, "result_socket_type": "custom"}]}, "is none of pushpull, pubsub and none"),
        ({"manager": [{**MANAGER, "result_dataflow_type": "text"}]}, "is none of string, filename, binary and none"),
        ({"manager": [{**MANAGER, "result_lp_socket": "tcp://127.0.0.1:5567"}]}, "is bound by manager[0].result_hp_so"),
        ({"manager": [{**MANAGER, "name": ""}]}, "is a text, and not ''"),
        ({"datasocket_type": "pushpull", "data_hp_socket": "tcp://127.0.0.1:5564"}, "is bound by data_hp_socket, too"),
        ({"logging": "disk"}, "write one of file, console, both or none"),
        ({"data_queue_maxsize": "many"}, "is a number of items"),
    ],
)
def test_it_is_said_what_is_wrong_with_a_value_and_what_would_be_right(changes: dict[str, Any], said: str) -> None:
    assert said in "\n".join(mistakes(**changes))


def test_all_mistakes_are_told_at_once_with_their_lines() -> None:
    found = mistakes(dataflow_type="x", manager=[{**MANAGER, "num_workers": 0, "result_socket_type": "y"}])
    assert [text.partition(": ")[0] for text in found] == [
        "RTADP1.manager[0].num_workers (config.json, line 28)",
        "RTADP1.manager[0].result_socket_type (config.json, line 24)",
        "RTADP1.dataflow_type (config.json, line 15)",
    ]


def test_a_key_that_is_nearly_right_is_named_beside_the_missing_one() -> None:
    manager = {**MANAGER, "num_worker": 3}
    del manager["num_workers"]
    assert 'write it so, and not "num_worker"' in mistakes(manager=[manager])[0]


def test_what_is_not_read_or_leads_nowhere_is_warned_of() -> None:
    manager = {**MANAGER, "result_socket_type": "none"}
    block = {**BLOCK, "colour": "red", "command_socket": "tcp://127.0.0.1:1", "manager": [manager]}
    block["monitoring_socket"] = "tcp://127.0.0.1:2"
    found = notices(block)
    assert [text.partition(" (")[0] for text in found] == [
        "warning: RTADP1.colour",
        "warning: RTADP1.manager[0].result_socket_type",
        "warning: RTADP1.command_socket",
        "warning: RTADP1.monitoring_socket",
    ]
    assert "commands are sent at tcp://127.0.0.1:5568, as CommandCenter says" in found[2]


def test_with_a_forwarder_processes_send_to_its_front() -> None:
    others = [OTHERS[0], {**OTHERS[1], "monitoring_forwarder": "on", "forwarder_frontend_socket": "tcp://127.0.0.1:7"}]
    found = read_config(json.dumps([*others, {**BLOCK, "monitoring_socket": "tcp://127.0.0.1:7"}]), "c")
    found.read()
    assert not found.notices


OLD = {
    **{key: value for key, value in BLOCK.items() if key != "manager"},
    "manager_result_socket_type": ["pushpull", "none"],
    "manager_result_dataflow_type": ["string", "none"],
    "manager_result_lp_socket": ["tcp://127.0.0.1:5563", "none"],
    "manager_result_hp_socket": ["tcp://127.0.0.1:5564", "none"],
    "manager_num_workers": [5, 2],
}


def test_the_old_form_of_arrays_is_read_and_said_to_be_old() -> None:
    found = file(OLD)
    read = found.read()
    assert [(a.name, a.group, a.workers, a.sockets) for a in read.analyses] == [
        ("manager0", "worker", 5, "pushpull"),
        ("manager1", "worker", 2, "none"),
    ]
    (notice,) = found.notices
    assert "written in the old form of arrays; read as a list of 2, called manager0 and so on" in notice.text
    assert notice.line == 25
    assert read.written["manager"][1]["num_workers"] == 2


def test_the_older_form_with_one_socket_for_both_lanes_is_read_too() -> None:
    old = {key: value for key, value in OLD.items() if not key.endswith("p_socket") or key.startswith("data")}
    read = file({**old, "manager_result_socket": ["tcp://127.0.0.1:5563", "none"]}).read()
    assert [(a.low, a.high) for a in read.analyses] == [("tcp://127.0.0.1:5563", "none"), ("none", "none")]


def test_arrays_of_different_lengths_are_refused() -> None:
    with pytest.raises(CheckError, match="lists of managers have 1 and 2 entries"):
        file({**OLD, "manager_num_workers": [5]}).read()


def test_a_process_is_chosen_by_its_name() -> None:
    found = file(BLOCK, {**BLOCK, "processname": "RTADP2"})
    assert found.read("RTADP2").name == "RTADP2"
    for name, said in (("", "RTADP1 and RTADP2"), ("RTADP3", "did you mean"), ("Monitoring", "processes nothing")):
        with pytest.raises(CheckError, match=said):
            found.read(name)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[{]", "line 1"),
        ('{"processname": "A"}', "a configuration is a list of blocks"),
        ('[1, {"processname": "A"}]', "a block is an object, and not 1"),
        ('[{"dataflow_type": "string"}]', "a block without a name"),
        ('[{"processname": "A"},\n {"processname": "A"}]', "line 2.*is the name of block 1, too"),
        ('[{"processname": "A",\n"processname": "B"}]', 'line 2.*"processname" stands twice'),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_a_file_that_is_no_list_of_blocks_is_refused(text: str, said: str) -> None:
    with pytest.raises(CheckError, match=said):
        read_config(text, "config.json").read()


def test_only_lists_with_process_names_are_taken_for_configurations() -> None:
    assert is_rtadp('\ufeff [\n{ "processname" : ')
    assert not is_rtadp("- processname: a")
    assert not is_rtadp('{"processname": "A"}')


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(json_values, st.sampled_from([None, 1]))
def test_every_value_has_its_place(value: Any, indent: int | None) -> None:
    found, places = parse(json.dumps(value, indent=indent), "f")
    assert found == value

    def trails(inner: Any, trail: tuple[Any, ...]) -> set[tuple[Any, ...]]:
        parts = inner.items() if isinstance(inner, dict) else enumerate(inner) if isinstance(inner, list) else ()
        return {trail}.union(*(trails(each, (*trail, key)) for key, each in parts))

    assert set(places) == trails(value, ())


def test_users_classes_look_things_up(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps([*OTHERS, BLOCK]))
    found = ConfigurationManager(path)
    assert found.get_configuration("RTADP1") == BLOCK
    assert found.get_configuration("RTADP9") is None
    assert found.get_workers_config("RTADP1") == (
        ["pubsub"], ["string"], ["tcp://127.0.0.1:5566"], ["tcp://127.0.0.1:5567"], [5], ["Rate"], ["worker"],
    )  # fmt: skip
    assert found.get_workers_config("RTADP9") == ([], [], [], [], [], [], [])
    assert get_custom_config("tcp://127.0.0.1") is None
    assert get_pull_config("tcp://127.0.0.1:5555") == "tcp://127.0.0.1:5555"
