"""The page about the HTTP interface names every route with its codes, every option and header, and the limits."""

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from penstock.services import web_address, web_service
from penstock.views.blocks import FEWER
from penstock.web import answer_room, changes, gate, guests, shown_views, supervisor_line
from penstock.web import app as application_module
from tests.unit.web.shown import FakeLine, application, ask, published

PAGE = (Path(__file__).parents[3] / "docs" / "reference" / "http.md").read_text()
ROW = re.compile(r"^\| (GET|PUT|POST|WebSocket) \| `(?P<path>/[^`]*)` \|.*\| (?P<codes>[\d, ]+) \|$", re.MULTILINE)
ROWS = {(row[1].lower(), row["path"]): set(row["codes"].split(", ")) for row in ROW.finditer(PAGE)}
BESIDE = {"/api/v1/openapi.json", "/api/v1/changes"}
"""Paths that the OpenAPI document leaves out."""
OF_THE_GATE = {"401", "403", "413"}
CODES = set(re.findall(r"^\| (\d{3}) \|", PAGE, re.MULTILINE))


@pytest.fixture(scope="module")
def document() -> Any:
    with published() as (_, views):
        return ask(application(views, FakeLine()), "GET", "openapi.json").json()


def test_every_route_is_on_the_page_and_no_other(document: Any) -> None:
    described = {(method, path) for path, methods in document["paths"].items() for method in methods}
    assert {row for row in ROWS if row[1] not in BESIDE} == described
    assert {path for _, path in ROWS} >= BESIDE


def test_every_code_of_a_route_is_in_its_row(document: Any) -> None:
    for (method, path), codes in ROWS.items():
        if path not in BESIDE:
            described = set(document["paths"][path][method]["responses"]) - {"200"}
            assert described <= codes, path
            assert codes - described <= OF_THE_GATE | {"409"}, path  # of a report that is not there yet


def test_every_code_is_explained() -> None:
    assert set().union(*ROWS.values()) <= CODES
    # 500 would be a mistake of ours: nothing is to be done about it.
    assert {str(code) for code in application_module.CODES.values()} - {"500"} <= CODES


def test_every_option_and_field_is_on_the_page(document: Any) -> None:
    options = {
        each["name"]
        for methods in document["paths"].values()
        for operation in methods.values()
        for each in operation.get("parameters", ())
        if each["in"] == "query"
    }
    fields = {
        field
        for model in vars(application_module).values()
        if isinstance(model, type) and issubclass(model, BaseModel)
        for field in model.model_fields
    }
    told = {*changes.Watch.__struct_fields__, "problem"}
    assert [word for word in options | fields | told if f"`{word}`" not in PAGE] == []


def test_every_field_of_a_view_and_header_of_a_part_is_on_the_page() -> None:
    with published() as (_, views):
        app = application(views, FakeLine())
        described = ask(app, "GET", "views/image/map/Fe").json()
        headers = ask(app, "GET", "data/image/map/Fe").headers
    assert [word for word in described if f"`{word}`" not in PAGE] == []
    usual = {"content-length", "content-type"}
    assert [name for name in headers if name not in usual and f"`{name}`" not in PAGE.lower()] == []


def test_the_environment_variables_are_on_the_page() -> None:
    assert f"`{web_address.VIEWER_TOKEN}`" in PAGE
    assert f"`{web_address.OPERATOR_TOKEN}`" in PAGE


def test_all_that_may_become_of_several_elements_is_on_the_page() -> None:
    assert [word for word in FEWER if f"`{word}`" not in PAGE] == []


@pytest.mark.parametrize(
    "said",
    [
        f"the elements of one answer | {shown_views.MOST_BYTES >> 20} MiB",
        f"the elements of one answer in JSON | {application_module.MOST_JSON:,}",
        f"the body of a request | {gate.MOST_BODY >> 20} MiB",
        f"the watches of one viewer | {changes.MOST_WATCHES}",
        f"the changes of one watch | {changes.MOST_HZ:g} a second",
        f"connections at a time | {guests.MOST}, {guests.MOST_OF_ONE} of them from one address",
        f"the head of a request | {guests.HEAD_S:g} s",
        f"the rest of a request | {guests.BODY_S:g} s",
        f"a reader must take | {guests.LEAST_BYTES_PER_S >> 10} KiB/s, over each {guests.WINDOW_S:g} s",
        f"answers that wait for their readers | {answer_room.MOST_UNSENT >> 30} GiB",
        f"parts of {application_module.SMALL_BYTES >> 20} MiB and less",
        f"Of more than {shown_views.MOST_READ >> 20} MiB",
        f"the wait for the run | {supervisor_line.PATIENCE_S:g} s",
        f"has not answered for {supervisor_line.PATIENCE_S:g} s",
        f"of {web_service.PORTS} at most",
        f"| `max_hz` | `{changes.Watch('').max_hz}` |",
        f"| `max_bytes` | `{changes.Watch('').max_bytes}` |",
        f"dies five times in a row, each time within {web_service.QUICK_S:g} s",
    ],
)
def test_a_limit_is_what_the_page_says(said: str) -> None:
    assert said in PAGE


def test_five_is_how_often_it_may_die() -> None:
    assert web_service.MOST_QUICK_DEATHS == 5
