"""Who may come in: by token and role, or on this machine by its names, and no page of another site."""

import asyncio
from typing import Any

import msgspec
import pytest

from penstock.web.gate import OPERATOR, ROLE, VIEWER, Gate, host_of

HOSTS = ("localhost", "127.0.0.1", "[::1]")


async def app(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b'{"detail": ""}'})


def asked(gate: Gate, method: str = "GET", query: str = "", kind: str = "http", **headers: str) -> tuple[int, str]:
    sent: list[Any] = []
    scope = {
        "type": kind, "method": method, "path": "/api/v1/run", "query_string": query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }  # fmt: skip

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    asyncio.run(gate(scope, receive, send))
    if kind == "websocket" and sent[0]["type"] == "websocket.accept":
        return sent[1]["code"] - 4000, sent[1]["reason"]
    return sent[0]["status"], msgspec.json.decode(sent[1]["body"])["detail"]


@pytest.mark.parametrize("host", ["localhost:8400", "127.0.0.1", "[::1]:8400", "LOCALHOST"])
def test_without_tokens_this_machine_may_do_everything(host: str) -> None:
    gate = Gate(app, "", "", HOSTS)
    assert asked(gate, "PUT", host=host)[0] == 200


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example:8400", ""])
def test_without_tokens_another_name_is_another_site(host: str) -> None:
    code, why = asked(Gate(app, "", "", HOSTS), host=host)
    assert code == 403
    assert "localhost" in why


@pytest.mark.parametrize("kind", ["http", "websocket"])
def test_a_page_of_another_site_is_kept_out(kind: str) -> None:
    gate = Gate(app, "", "", HOSTS)
    code, why = asked(gate, kind=kind, host="localhost:8400", origin="https://evil.example")
    assert code == 403
    assert "evil.example" in why
    assert asked(gate, host="localhost:8400", origin="http://localhost:8400")[0] == 200


@pytest.mark.parametrize(
    ("method", "headers", "query", "code"),
    [
        ("GET", {}, "", 401),
        ("GET", {"authorization": "Bearer look"}, "", 200),
        ("GET", {"authorization": "bearer look"}, "", 200),
        ("GET", {}, "token=look", 200),
        ("PUT", {"authorization": "Bearer look"}, "", 403),
        ("PUT", {"authorization": "Bearer turn"}, "", 200),
        ("PUT", {}, "token=turn", 200),
        ("GET", {"authorization": "Bearer loo"}, "", 401),
        ("GET", {"authorization": "Basic look"}, "", 401),
        ("GET", {"authorization": "Bearer "}, "", 401),
        ("POST", {"authorization": "Bearer lookturn"}, "", 401),
    ],
)
def test_with_tokens_a_viewer_looks_and_an_operator_turns(
    method: str, headers: dict[str, str], query: str, code: int
) -> None:
    assert asked(Gate(app, "look", "turn", HOSTS), method, query, host="beamline.example", **headers)[0] == code


def test_an_empty_token_opens_nothing() -> None:
    for gate in (Gate(app, "look", "", HOSTS), Gate(app, "", "turn", HOSTS)):
        assert asked(gate, host="h", authorization="Bearer ")[0] == 401
        assert asked(gate, query="token=", host="h")[0] == 401


def test_a_viewer_may_follow_changes() -> None:
    gate = Gate(app, "look", "turn", HOSTS)
    assert asked(gate, kind="websocket", query="token=look", host="h")[0] == 200
    assert asked(gate, kind="websocket", host="h")[0] == 401


def test_the_name_of_a_host_has_no_port() -> None:
    assert [host_of(each) for each in ("a:1", "a", "[::1]:1", "[::1]")] == ["a", "a", "[::1]", "[::1]"]


@pytest.mark.parametrize(
    ("tokens", "sent", "role"),
    [
        (("", ""), "", OPERATOR),
        (("look", "turn"), "look", VIEWER),
        (("look", "turn"), "turn", OPERATOR),
        (("look", ""), "look", VIEWER),
        (("", "turn"), "turn", OPERATOR),
    ],
)
def test_the_application_is_told_what_a_sender_may_do(tokens: tuple[str, str], sent: str, role: str) -> None:
    told: list[str] = []

    async def listening(scope: Any, receive: Any, send: Any) -> None:
        told.append(scope[ROLE])
        await app(scope, receive, send)

    assert asked(Gate(listening, *tokens, HOSTS), host="localhost", authorization=f"Bearer {sent}")[0] == 200
    assert told == [role]
