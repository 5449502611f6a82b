"""The interface as its own description says: made-up requests never break it, and every answer is one that it names."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from penstock.web import heard
from penstock.web.gate import Gate
from penstock.web.hdf5_tree import id_of
from tests.unit.web.shown import FakeLine, application, published

schemathesis = pytest.importorskip("schemathesis", reason="made-up requests need schemathesis: ./dev setup installs it")


GROUPS = ("", "/image", "/image/map", "/later")
DATASETS = ("/image/map/Fe", "/image/map/y", "/image/current", "/image/note")


def test_made_up_requests_are_answered_as_described(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heard, "LONGEST_WAIT_S", 0.01)  # what is wanted is waited for
    with published() as (_, views):
        app = application(views, FakeLine())
        schema = schemathesis.openapi.from_asgi("/api/v1/openapi.json", app)
        tried = 0
        for found in schema.get_all_operations():
            operation = found.ok()
            tried += 1
            try_one(operation)
        assert tried == 63


def try_one(operation: Any) -> None:
    of_hdf5 = "{identifier}" in operation.path
    identifiers = [id_of(path, is_group=path in GROUPS) for path in (*GROUPS, *DATASETS)] if of_hdf5 else [""]
    # Which values are right the pipeline says; that it answers as is described, tests.system.test_web_answers.
    left_out = schemathesis.checks.CHECKS.get_by_names(["positive_data_acceptance", "response_schema_conformance"])

    @settings(
        max_examples=12 if of_hdf5 else 25, deadline=None, derandomize=True, database=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(case=operation.as_strategy(), identifier=st.sampled_from(identifiers))
    def check(case: Any, identifier: str) -> None:
        if identifier and case.path_parameters["identifier"][:1] != "0":  # nobody makes up one that there is
            case.path_parameters["identifier"] = identifier
        case.call_and_validate(excluded_checks=left_out)

    check()


@pytest.mark.parametrize("is_chunked", [False, True])
@pytest.mark.parametrize("size", [17 << 20, 40 << 20])
def test_a_huge_body_is_refused(size: int, is_chunked: bool) -> None:
    async def pieces(body: bytes) -> AsyncIterator[bytes]:
        for start in range(0, len(body), 1 << 20):
            yield body[start : start + (1 << 20)]

    async def go(app: Any) -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://localhost") as client:
            body = b'{"values": {"roi": "' + b"x" * size + b'"}}'
            head = {"content-type": "application/json"}
            content = pieces(body) if is_chunked else body
            return await client.put("/api/v1/parameters", content=content, headers=head)

    with published() as (_, views):
        answer = asyncio.run(go(Gate(application(views, FakeLine()), "", "", ("localhost",))))
    assert answer.status_code == 413
    assert "16,777,216 at most" in answer.json()["detail"]
