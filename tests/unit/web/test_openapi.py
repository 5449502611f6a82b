"""The OpenAPI document names every answer and every message, each type once, and is made without a run."""

import json
from typing import Any

import msgspec
import pytest

from penstock.web import openapi
from penstock.web.document import document
from penstock.web.openapi import ANSWERS, BASE

NO_JSON = {("get", "files/{name}"), ("get", "graph")}


@pytest.fixture(scope="module")
def said() -> Any:
    return json.loads(document())


def test_every_route_says_what_it_answers(said: Any) -> None:
    routes = {
        (method, path.removeprefix(BASE))
        for path, methods in said["paths"].items()
        for method in methods
        if path.startswith(BASE)
    }
    assert routes == set(ANSWERS) | NO_JSON


def test_what_is_named_is_there(said: Any) -> None:
    there = said["components"]["schemas"]
    text = json.dumps(said)
    assert text.count("#/components/schemas/") > len(ANSWERS)
    for name in {word.partition('"')[0] for word in text.split("#/components/schemas/")[1:]}:
        assert name in there


def test_what_is_answered_has_no_default_and_what_is_taken_has(said: Any) -> None:
    there = said["components"]["schemas"]
    assert set(there["Room"]["required"]) == set(there["Room"]["properties"])  # also those that are made by default
    assert "default" not in json.dumps(there["Room"])
    assert (there["Watch"]["required"], there["Watch"]["properties"]["max_hz"]["default"]) == (["view"], 5.0)
    assert "values" not in there["Axis"]["required"]
    assert there["JournalEntry"]["additionalProperties"] is True


def test_the_messages_of_the_websocket_are_among_the_types(said: Any) -> None:
    assert {"Change", "FeedbackTold", "NoChange", "Watch", "Watches"} <= set(said["components"]["schemas"])


def test_two_types_of_one_name_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    class Acknowledgement(msgspec.Struct):
        """Called as a wish that is taken over HTTP."""

    monkeypatch.setattr(openapi, "TAKEN", (Acknowledgement,))
    with pytest.raises(AssertionError, match="two types of one name in the OpenAPI document: Acknowledgement"):
        document()
