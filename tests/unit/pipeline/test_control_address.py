"""Where commands are to be taken, as people write it."""

from pathlib import Path

import pytest

from penstock.pipeline import Pipeline, Source
from penstock.pipeline.control_address import control_problem
from tests.unit.pipeline.conftest import Check

TEXT = """\
sources: {{cam: {{use: stins, connect: "tcp://127.0.0.1:5555"}}}}
control: {{zmq: "{}"}}
"""


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:8420", "tcp://[::1]:0", "tcp://localhost:1", "ipc:///run/pipe"])
def test_addresses_of_this_machine_need_no_token(address: str) -> None:
    assert control_problem(address, has_tokens=False) == ""


@pytest.mark.parametrize("address", ["tcp://0.0.0.0:8420", "tcp://*:8420", "tcp://beamline:8420", "tcp://[::]:8420"])
def test_all_others_do(address: str) -> None:
    assert control_problem(address) == ""
    assert "can be reached from other machines: give a token" in control_problem(address, has_tokens=False)


def test_check_names_the_line_and_what_would_be_right(checked: Check) -> None:
    for address, text, remedy in (
        ("127.0.0.1:8420", "does not say how it is reached", 'write "tcp://127.0.0.1:8420"'),
        ("tcp://127.0.0.1", "port missing", 'write "tcp://127.0.0.1:8888"'),
        ("inproc://here", "nobody outside can reach", 'write "tcp://127.0.0.1:8420" or "ipc://name"'),
    ):
        (error,) = checked(TEXT.format(address)).of_level("error")
        assert (error.where, error.line) == ("control.zmq", 2)
        assert text in error.text
        assert error.remedy == remedy
    (error,) = checked(TEXT.replace("zmq", "zqm").format("tcp://127.0.0.1:8420")).of_level("error")[:1]
    assert error.line == 2


def test_python_and_yaml_say_the_same_and_a_recorded_pipeline_nothing(checked: Check, tmp_path: Path) -> None:
    found = checked(TEXT.format("tcp://127.0.0.1:8420"))
    assert found.plan is not None
    declared = Pipeline(
        name=found.plan.name,
        sources={"cam": Source("stins", connect="tcp://127.0.0.1:5555")},
        control={"zmq": "tcp://127.0.0.1:8420"},
        folder=found.plan.folder,
    )
    assert declared.plan() == found.plan
    assert found.plan.control == "tcp://127.0.0.1:8420"
    text = declared.to_yaml()
    assert "tcp://127.0.0.1:8420" in text
    assert Pipeline.recorded(text, tmp_path).plan().control is None
