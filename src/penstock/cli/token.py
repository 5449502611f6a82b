"""``penstock token``: issue, show and take back tokens of a server of durable streams."""

import json
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from penstock.services.stream_tokens import Grant, Tokens

__all__ = ["token"]

DAY_S = 86_400.0


def token(
    what: Annotated[str, typer.Argument(metavar="issue|show|revoke", help="What to do.")],
    scopes: Annotated[
        list[str] | None,
        typer.Option("--scope", metavar="RIGHT:ADDRESS", help="read, write or admin; ADDRESS may be *. Repeatable."),
    ] = None,
    name: Annotated[str, typer.Option(help="Whom it is for; seen by whoever it shuts out.")] = "",
    days: Annotated[float, typer.Option(min=0.0, help="How long it is good; 0: for ever.")] = 30.0,
    token_id: Annotated[str, typer.Option("--id", metavar="ID", help="Of the token to revoke.")] = "",
    secret_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="What tokens are signed with; default: PENSTOCK_STREAMS_SECRET[_FILE]."),
    ] = None,
    revoked: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The list of tokens taken back, as penstock serve has it.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Issue, show or take back a token of penstock serve.

    issue prints a new token. show and revoke read one from standard input, so that no command line ever has it; revoke
    takes --id too. A token that is taken back stops at once, also where it is in use.
    """
    from penstock.errors import ParameterError, ServiceError
    from penstock.services.stream_tokens import Scope, Tokens, read_secret

    secret = read_secret(secret_file)
    if secret is None:
        raise ServiceError("there is no secret; give --secret-file, or set PENSTOCK_STREAMS_SECRET_FILE")
    tokens = Tokens(secret, revoked=revoked)
    if what == "issue":
        made = tokens.issue(name, [Scope.parse(s) for s in scopes or []], lasts_s=days * DAY_S or None)
        print(json.dumps({"token": made, **_facts(tokens.read(made), tokens)}) if as_json else made)
    elif what == "show":
        _show(tokens, as_json=as_json)
    elif what == "revoke":
        if revoked is None:
            raise ParameterError("--revoked FILE is missing: the list that penstock serve reads")
        _revoke(token_id or tokens.read(_given()).id, revoked)
    else:
        raise ParameterError(f"{what!r} cannot be done with a token; write issue, show or revoke")


def _given() -> str:
    if sys.stdin.isatty():
        print("the token: ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip()


def _show(tokens: "Tokens", *, as_json: bool) -> None:
    facts = _facts(tokens.read(_given()), tokens)
    if as_json:
        print(json.dumps(facts))
        return
    for key, value in facts.items():
        print(f"{key:8} {', '.join(value) if isinstance(value, list) else value}")


def _facts(grant: "Grant", tokens: "Tokens") -> dict[str, Any]:
    is_over = grant.expires_s is not None and time.time() >= grant.expires_s
    state = "revoked" if tokens.is_revoked(grant.id) else "expired" if is_over else "good"
    return {
        "name": grant.name,
        "id": grant.id,
        "scopes": [str(scope) for scope in grant.scopes],
        "issued": _time(grant.issued_s),
        "expires": "never" if grant.expires_s is None else _time(grant.expires_s),
        "state": state,
    }


def _time(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()


def _revoke(token_id: str, file: Path) -> None:
    from penstock.errors import ServiceError

    try:
        with file.open("a") as opened:
            opened.write(f"{token_id}  # {datetime.now(UTC).isoformat(timespec='seconds')}\n")
    except OSError as error:
        raise ServiceError(f"{file} cannot be written: {error.strerror}") from error
    print(f"{token_id} is taken back")
