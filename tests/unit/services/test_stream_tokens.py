"""Tokens of durable streams: signed, narrow, with an end, and taken back."""

import base64
import json
from pathlib import Path

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.core.stream_address import StreamAddress
from penstock.errors import ParameterError, ServiceError
from penstock.services.stream_tokens import SECRET, SECRET_FILE, Right, Scope, Tokens, read_secret

KEY = b"0123456789abcdef0123456789abcdef"
OTHER = b"fedcba9876543210fedcba9876543210"
SCOPES = (Scope.parse("read:c1"), Scope.parse("write:c1/eiger"), Scope.parse("admin:c2/a%2Fb/run 1"))


def test_a_token_says_what_it_was_issued_for() -> None:
    tokens = Tokens(KEY, now_s=lambda: 1000.0)
    grant = tokens.check(tokens.issue("Ä", SCOPES, lasts_s=60))
    assert (grant.name, grant.scopes, grant.issued_s, grant.expires_s) == ("Ä", SCOPES, 1000, 1060)
    assert tokens.check(tokens.issue("b", SCOPES, lasts_s=None)).expires_s is None


@pytest.mark.parametrize(
    ("right", "address", "allowed"),
    [
        ("read", "c1", True),
        ("read", "c1/eiger/run", True),
        ("read", "c11", False),
        ("read", "c2", False),
        ("write", "c1/eiger", True),
        ("write", "c1/eiger/run 1", True),
        ("write", "c1", False),
        ("write", "c1/eiger2/run 1", False),
        ("admin", "c1/eiger/run 1", False),
        ("admin", "c2/a%2Fb/run 1", True),
        ("read", "c2/a%2Fb/run 1", True),
        ("write", "c2/a%2Fb/run 1", True),
        ("write", "c2/a%2Fb/run 2", False),
    ],
)
def test_a_token_allows_what_it_says_and_nothing_else(right: Right, address: str, allowed: bool) -> None:
    tokens = Tokens(KEY)
    grant = tokens.check(tokens.issue("a", SCOPES, lasts_s=60))
    assert grant.allows(right, StreamAddress.parse(address)) is allowed
    assert not grant.allows(right, None)


def test_everything_is_a_star() -> None:
    tokens = Tokens(KEY)
    grant = tokens.check(tokens.issue("a", [Scope.parse("read:*")], lasts_s=60))
    assert grant.allows("read", None)
    assert grant.allows("read", StreamAddress("x"))
    assert not grant.allows("write", StreamAddress("x"))


@pytest.mark.parametrize("text", ["", "read", "read:", "see:c1", "c1", ":c1"])
def test_what_is_no_scope_is_refused(text: str) -> None:
    with pytest.raises(ParameterError, match="no scope"):
        Scope.parse(text)


def test_a_token_without_a_scope_is_not_issued() -> None:
    with pytest.raises(ParameterError, match="without a scope"):
        Tokens(KEY).issue("a", [], lasts_s=1)


def test_a_token_ends() -> None:
    now = [1000.0]
    tokens = Tokens(KEY, now_s=lambda: now[0])
    token = tokens.issue("a", SCOPES, lasts_s=60)
    now[0] = 1059.9
    grant = tokens.check(token)
    now[0] = 1060.0
    with pytest.raises(ServiceError, match="expired"):
        tokens.check(token)
    with pytest.raises(ServiceError, match="expired"):
        tokens.check_still(grant)
    assert tokens.read(token) == grant, "it can still be looked at"


def test_a_token_is_taken_back_at_once_and_the_list_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "revoked"
    tokens = Tokens(KEY, revoked=file)
    token, other = (tokens.issue(name, SCOPES, lasts_s=60) for name in "ab")
    grant = tokens.check(token)
    file.write_text(f"# a list\n{grant.id}  # today\n")
    for refused in (lambda: tokens.check(token), lambda: tokens.check_still(grant)):
        with pytest.raises(ServiceError, match="taken back"):
            refused()
    tokens.check(other)
    file.write_text("")
    tokens.check(token)
    file.unlink()
    tokens.check(token)


def test_a_list_that_cannot_be_read_makes_no_token_good(tmp_path: Path) -> None:
    tokens = Tokens(KEY, revoked=tmp_path)
    with pytest.raises(ServiceError, match="cannot be read"):
        tokens.check(tokens.issue("a", SCOPES, lasts_s=60))


def _unsigned(claims: dict[str, object]) -> str:
    parts = [{"alg": "none", "typ": "JWT"}, claims]
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts) + "."


CLAIMS: dict[str, object] = {"iss": "penstock", "sub": "a", "jti": "1", "scopes": ["admin:*"]}


@pytest.mark.parametrize(
    "token",
    [
        "x",
        "a.b.c",
        _unsigned(CLAIMS),
        jwt.encode(CLAIMS, OTHER, algorithm="HS256"),
        jwt.encode(CLAIMS, KEY * 2, algorithm="HS512"),
        jwt.encode(CLAIMS | {"iss": "other"}, KEY, algorithm="HS256"),
        jwt.encode(CLAIMS | {"scopes": "admin:*"}, KEY, algorithm="HS256"),
        jwt.encode(CLAIMS | {"scopes": [1]}, KEY, algorithm="HS256"),
        jwt.encode(CLAIMS | {"exp": "never"}, KEY, algorithm="HS256"),
        jwt.encode({"iss": "penstock", "sub": "a", "jti": "1"}, KEY, algorithm="HS256"),
    ],
    ids=["x", "dots", "unsigned", "other-key", "other-hash", "issuer", "text", "number", "time", "nothing"],
)
def test_what_was_not_signed_so_is_refused_and_not_told(token: str) -> None:
    with pytest.raises(ServiceError, match="not one of this server") as caught:
        Tokens(KEY).check(token)
    assert token not in str(caught.value) or token == "x"


@given(st.text(max_size=60))
def test_any_text_is_refused(token: str) -> None:
    with pytest.raises(ServiceError):
        Tokens(KEY).check(token)


def test_a_changed_token_is_refused() -> None:
    tokens = Tokens(KEY)
    token = tokens.issue("a", SCOPES, lasts_s=60)
    for at in range(0, len(token), 7):
        changed = token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :]
        with pytest.raises(ServiceError):
            tokens.check(changed)


def test_the_secret_comes_from_a_file_or_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_bytes(KEY + b"\n")
    file.chmod(0o600)
    assert read_secret(file, {}) == KEY
    assert read_secret(None, {SECRET_FILE: str(file)}) == KEY
    assert read_secret(None, {SECRET: OTHER.decode()}) == OTHER
    assert read_secret(file, {SECRET: OTHER.decode()}) == KEY
    assert read_secret(None, {}) is None
    file.chmod(0o640)
    with pytest.raises(ServiceError, match="others can read"):
        read_secret(file, {})
    with pytest.raises(ServiceError, match="it takes 32") as caught:
        read_secret(None, {SECRET: "too-short"})
    assert "too-short" not in str(caught.value)
    with pytest.raises(ServiceError, match="No such file"):
        read_secret(tmp_path / "none", {})
