"""What is said of a beamtime, source or stream: what JSON can hold, put in place of what there is or merged into it."""

from collections.abc import Mapping
from math import isfinite
from typing import Any, Final, Literal

from penstock.errors import ConflictError, StreamError

__all__ = ["changed_metadata", "plain_json"]

DEEPEST: Final = 64
"""Levels of containers in containers; also what stops a container that holds itself."""


def changed_metadata(
    where: str,
    old: Mapping[str, Any] | None,
    value: Mapping[str, Any],
    mode: Literal["replace", "update", "insert"],
    *,
    upsert: bool,
) -> dict[str, Any]:
    """Return what metadata become, as a value of its own.

    Parameters
    ----------
    where
        Whose they are, for the text of an error.
    old
        What there is; ``None`` for nothing. It stays as it is.
    value, mode, upsert
        As ``Store.set_metadata`` takes them.

    Raises
    ------
    ConflictError
        If ``insert`` finds something.
    StreamError
        If there is nothing and ``upsert`` is false, if JSON cannot hold it, or if there is no such mode.
    """
    if not isinstance(value, Mapping):
        raise StreamError(f"metadata of {where} must be a mapping, not {type(value).__name__}")
    new: dict[str, Any] = plain_json(value, f"metadata of {where}")
    if mode not in ("replace", "update", "insert"):
        raise StreamError(f"metadata cannot be set by {mode!r}; write replace, update or insert")
    if mode == "insert":
        if old is not None:
            raise ConflictError(f"{where} has metadata already; replace or update them")
    elif old is None and not upsert:
        raise StreamError(f"{where} has no metadata to {mode}; insert them, or allow upsert")
    return _merged(old, new) if mode == "update" and old is not None else new


def plain_json(value: Any, where: str) -> Any:
    """Return a value of its own that is what JSON can hold.

    Parameters
    ----------
    value
        ``None``, bool, int, finite float, text, and lists, tuples and mappings with text keys of these.
    where
        For the text of an error.

    Raises
    ------
    StreamError
        If it is anything else; the text names the place.
    """
    return _plain(value, where, 0)


def _plain(value: Any, where: str, depth: int) -> Any:
    kind = type(value)
    if value is None or kind in (bool, int) or (kind is str and _is_text(value)) or (kind is float and isfinite(value)):
        return value
    if depth == DEEPEST:
        raise StreamError(f"{where}: more than {DEEPEST} levels, or it holds itself")
    if kind in (list, tuple):
        return [_plain(item, f"{where}[{at}]", depth + 1) for at, item in enumerate(value)]
    if isinstance(value, Mapping):
        for key in value:
            if type(key) is not str or not _is_text(key):
                raise StreamError(f"{where}: the key {key!r:.60} is no text")
        return {key: _plain(item, f"{where}[{key!r:.60}]", depth + 1) for key, item in value.items()}
    raise StreamError(f"{where}: JSON cannot hold {value!r:.60} ({kind.__name__})")


def _is_text(value: str) -> bool:
    """Tell whether it can be written as UTF-8, which half of a pair of surrogates cannot."""
    return value.isascii() or not any("\ud800" <= character <= "\udfff" for character in value)


def _merged(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(old)
    for key, value in new.items():
        before = merged.get(key)
        merged[key] = _merged(before, value) if isinstance(before, Mapping) and isinstance(value, dict) else value
    return merged
