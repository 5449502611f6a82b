"""Tokens of durable streams: signed, for some rights on some addresses, until a time; and a list of those taken back.

A token is a JSON Web Token signed with HMAC-SHA256. Neither a token nor the secret gets into any text here.
"""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal, Self, get_args
from uuid import uuid4

import msgspec

from penstock.core.stream_address import StreamAddress
from penstock.errors import ParameterError, ServiceError
from penstock.extra import extra

__all__ = ["SECRET", "SECRET_FILE", "Grant", "Right", "Scope", "Tokens", "read_secret"]

Right = Literal["read", "write", "admin"]
"""See what is there; append, end and describe it; both, and delete it."""
SECRET: Final = "PENSTOCK_STREAMS_SECRET"
SECRET_FILE: Final = "PENSTOCK_STREAMS_SECRET_FILE"
LEAST_SECRET_BYTES: Final = 32
"""RFC 7518, 3.2: a key of HS256 is at least as long as its hash."""
_ALGORITHM: Final = "HS256"
_ISSUER: Final = "penstock"


class Scope(msgspec.Struct, frozen=True):
    """One right on one beamtime, source or stream, and all below it."""

    right: Right
    within: StreamAddress | None
    """``None``: everything there is."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a scope.

        >>> Scope.parse("write:c20261120/eiger")
        Scope(right='write', within=StreamAddress('c20261120/eiger'))

        Raises
        ------
        ParameterError
            If it is none.
        """
        right, _, within = text.partition(":")
        if right not in get_args(Right) or not within:
            raise ParameterError(f'{text!r} is no scope; write RIGHT:ADDRESS such as "read:c20261120" or "admin:*"')
        return cls(right, None if within == "*" else StreamAddress.parse(within))  # type: ignore[arg-type]  # it is one

    def __str__(self) -> str:
        return f"{self.right}:{'*' if self.within is None else self.within}"


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """What a token allows."""

    name: str
    """Whom it was issued for."""
    id: str
    """By which it is taken back."""
    scopes: tuple[Scope, ...]
    issued_s: int = 0
    """Seconds since 1970."""
    expires_s: int | None = None
    """Seconds since 1970; ``None``: never."""

    def allows(self, right: Right, address: StreamAddress | None) -> bool:
        """Tell whether something may be done to an address and all below it; ``None``: to everything."""
        return any(
            scope.within is None or (address is not None and address in scope.within)
            for scope in self.scopes
            if scope.right in (right, "admin")
        )


EVERYTHING: Final = Grant(name="", id="", scopes=(Scope("admin", None),))
"""Of a server without tokens, which only its own machine can reach."""


def read_secret(file: Path | None = None, environ: Mapping[str, str] = os.environ) -> bytes | None:
    """Return the secret of a file, else of the file or the text that the environment names; ``None`` if there is none.

    Raises
    ------
    ServiceError
        If the file cannot be read or others can read it, or the secret is too short.
    """
    if file is None and environ.get(SECRET_FILE):
        file = Path(environ[SECRET_FILE])
    if file is None:
        text, place = environ.get(SECRET, "").encode(), SECRET
        if not text:
            return None
    else:
        text, place = _text_of(file).strip(), str(file)
    if len(text) < LEAST_SECRET_BYTES:
        raise ServiceError(
            f"the secret in {place} has {len(text)} bytes; it takes {LEAST_SECRET_BYTES}: "
            "python3 -c 'import secrets; print(secrets.token_hex(32))'"
        )
    return text


def _text_of(file: Path) -> bytes:
    try:
        mode = file.stat().st_mode
        text = file.read_bytes()
    except OSError as error:
        raise ServiceError(f"the secret in {file} cannot be read: {error.strerror}") from error
    if mode & 0o077:
        raise ServiceError(f"others can read the secret in {file}; chmod 600 {file}")
    return text


class Tokens:
    """Issues and checks tokens with one secret.

    Parameters
    ----------
    secret
        At least 32 bytes.
    revoked
        A file with the ids of tokens that are taken back, one a line; read again whenever it has changed. It need not
        exist yet.
    now_s
        Gives seconds since 1970.
    """

    def __init__(self, secret: bytes, *, revoked: Path | None = None, now_s: Callable[[], float] = time.time) -> None:
        self._secret = secret
        self._file = revoked
        self._now_s = now_s
        self._stamp: tuple[int, int, int] | None = None
        self._revoked: frozenset[str] = frozenset()

    def issue(self, name: str, scopes: Sequence[Scope], *, lasts_s: float | None) -> str:
        """Return a new token.

        Raises
        ------
        ParameterError
            If it would allow nothing.
        """
        with extra("cli"):
            import jwt

        if not scopes:
            raise ParameterError("a token without a scope allows nothing; give one such as read:c20261120")
        now = int(self._now_s())
        claims: dict[str, Any] = {
            "iss": _ISSUER, "sub": name, "jti": uuid4().hex, "iat": now, "scopes": [str(scope) for scope in scopes],
        }  # fmt: skip
        if lasts_s is not None:
            claims["exp"] = now + max(int(lasts_s), 1)
        return jwt.encode(claims, self._secret, algorithm=_ALGORITHM)

    def read(self, token: str) -> Grant:
        """Return what a token says, if it was signed with the secret, whether or not it is still good.

        Raises
        ------
        ServiceError
            If it was not.
        """
        with extra("cli"):
            import jwt

        try:
            claims = jwt.decode(
                token,
                self._secret,
                algorithms=[_ALGORITHM],
                issuer=_ISSUER,
                options={"require": ["jti", "sub", "scopes"], "verify_exp": False, "verify_iat": False},
            )
            return Grant(
                name=str(claims["sub"]),
                id=str(claims["jti"]),
                scopes=tuple([Scope.parse(str(text)) for text in claims["scopes"]]),
                issued_s=int(claims.get("iat", 0)),
                expires_s=int(claims["exp"]) if "exp" in claims else None,
            )
        except Exception as error:  # whatever a stranger makes it raise; nothing of the token is told
            raise ServiceError("the token is not one of this server; ask whoever runs it for another") from error

    def check(self, token: str) -> Grant:
        """Return what a token allows now.

        Raises
        ------
        ServiceError
            If it is none, has expired or was taken back.
        """
        if not token:
            raise ServiceError("this server wants a token; give it with token=… or in PENSTOCK_STREAMS_TOKEN")
        grant = self.read(token)
        self.check_still(grant)
        return grant

    def check_still(self, grant: Grant) -> None:
        """Make sure that what was allowed still is; raises as ``check`` does."""
        if grant.expires_s is not None and self._now_s() >= grant.expires_s:
            raise ServiceError(f"the token of {grant.name!r} has expired; ask for a new one")
        if self.is_revoked(grant.id):
            raise ServiceError(f"the token of {grant.name!r} was taken back; ask for a new one")

    def is_revoked(self, token_id: str) -> bool:
        """Tell whether a token was taken back.

        Raises
        ------
        ServiceError
            If there is a list that cannot be read: then no token is good.
        """
        if self._file is None:
            return False
        try:
            found = self._file.stat()
            stamp = found.st_mtime_ns, found.st_size, found.st_ino
            if stamp != self._stamp:
                lines = self._file.read_text().splitlines()
                self._revoked = frozenset(line.split("#")[0].strip() for line in lines)
                self._stamp = stamp
        except FileNotFoundError:
            self._revoked, self._stamp = frozenset(), None
        except (OSError, UnicodeDecodeError) as error:
            raise ServiceError(f"the list of tokens that were taken back cannot be read: {self._file}") from error
        return token_id in self._revoked
