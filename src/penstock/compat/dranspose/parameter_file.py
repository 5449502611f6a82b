"""The file of parameters that a replay is given: JSON or CBOR, a list of names with the bytes of their values."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from penstock.compat.dranspose.served.protocol import WorkParameter
from penstock.core.unpickle import unpickle
from penstock.errors import CheckError, Problem, RemoteProtocolError
from penstock.extra import extra

with extra("run"):
    import cbor2

__all__ = ["read_parameters", "written_parameters"]


def read_parameters(path: Path) -> dict[str, bytes]:
    """Return the values by name.

    JSON, CBOR and pickles of plain values are read: a list of ``{"name": …, "data": …}``.

    Raises
    ------
    CheckError
        If the file cannot be read, or holds something else.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise _refused(path, f"it cannot be read: {error.strerror}") from error
    for form, read in (("JSON", json.loads), ("a pickle", unpickle), ("CBOR", cbor2.loads)):
        try:
            listed = read(content)
        except (ValueError, RemoteProtocolError, cbor2.CBORDecodeError):
            continue
        try:
            return dict(_named(listed))
        except (TypeError, KeyError, ValueError) as error:
            raise _refused(path, f"as {form} it is no list of names and data: {error!r}") from error
    raise _refused(path, "it is neither JSON, nor CBOR, nor a pickle of plain values")


def written_parameters(parameters: Mapping[str, WorkParameter]) -> tuple[str, bytes]:
    """Return how a file of these parameters ends, and what is in it: JSON, unless a value is not text."""
    listed = [{"name": each.name, "data": each.data, "uuid": str(each.uuid)} for each in parameters.values()]
    try:
        if any(b"\0" in each.data for each in parameters.values()):
            raise ValueError
        plain = [{**each, "data": bytes(each["data"]).decode()} for each in listed]  # type: ignore[arg-type]
    except ValueError:
        return "cbor", cbor2.dumps(listed)
    return "json", json.dumps(plain).encode()


def _named(listed: Any) -> Iterable[tuple[str, bytes]]:
    if not isinstance(listed, list | tuple):
        raise TypeError(f"it is a {type(listed).__name__}")
    for each in listed:
        data = each["data"]
        yield str(each["name"]), data.encode() if isinstance(data, str) else bytes(data)


def _refused(path: Path, text: str) -> CheckError:
    remedy = 'write [{"name": "roi", "data": "5"}, …]'
    return CheckError([Problem(where=f"-p {path}", text=text, remedy=remedy)])
