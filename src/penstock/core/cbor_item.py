"""One CBOR item (RFC 8949) as plain values, its long byte strings left where they were received.

A library decodes it, but copies every byte string. So the heads are walked first: what is broken, too deep or has no
plain value is refused there, and long byte strings are put aside as views. It knows no tag; whoever calls it says what
those it expects mean.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, Final

from penstock.errors import RemoteProtocolError
from penstock.extra import extra

with extra("run"):
    import cbor2

__all__ = ["LONG_BYTES", "SELF_DESCRIBED", "Tag", "cbor_map"]

LONG_BYTES: Final = 4096
"""A byte string of this size or more is a ``memoryview`` of what was received, a shorter one ``bytes``."""
SELF_DESCRIBED: Final = bytes.fromhex("d9d9f7")
"""CBOR's own magic number, tag 55799 (RFC 8949, 3.4.6)."""
MAX_DEPTH: Final = 64
MAX_ITEMS: Final = 100_000
MAX_OTHER_BYTES: Final = 16 << 20
"""Of all that is no long byte string."""

Tag = Callable[[Any], Any]
"""What a tag makes of its content, which is decoded; raises `RemoteProtocolError` if it cannot be."""

_ASIDE: Final = 2**64 - 1
"""The tag that stands for a long byte string. No item may have it (IANA's registry of tags: always invalid)."""
_ASIDE_HEAD: Final = bytes.fromhex("dbffffffffffffffff1a")
_UNTIL_BREAK: Final = -1
_FALSE, _NULL = 20, 22


def cbor_map(data: bytes | memoryview, tags: Mapping[int, Tag], what: str = "the message") -> dict[str, Any]:
    """Decode one map with text keys, with or without CBOR's magic number before it.

    Lists, maps, text, numbers, booleans, null and bytes are as one expects. The content of a tag that is not in
    ``tags`` stands for itself. A long byte string in pieces is refused.

    Parameters
    ----------
    data
        Nothing but the map.
    tags
        By number.
    what
        It is, for the text of an error.

    Raises
    ------
    RemoteProtocolError
        If it is no such map, or is larger or deeper than any message: 100,000 items, 16 MB beside its long byte
        strings, 64 levels.
    """
    view = memoryview(data).cast("B")
    if view[:3] == SELF_DESCRIBED:
        view = view[3:]
    if not len(view) or view[0] >> 5 != 5:
        raise RemoteProtocolError(f"{what} is no CBOR map; it begins {bytes(view[:20])!r}")
    try:
        rest, aside = _put_aside(view)
        meanings = _Meanings({number: partial(_meant, tag) for number, tag in tags.items()})
        meanings[_ASIDE] = partial(_meant, aside.__getitem__)
        found: dict[str, Any] = cbor2.loads(
            rest, semantic_decoders=meanings, object_hook=_with_text_keys, max_depth=2 * MAX_DEPTH
        )
    except RemoteProtocolError as error:
        raise RemoteProtocolError(f"{what}: {error}") from error
    except (cbor2.CBORDecodeError, ValueError, TypeError, OverflowError) as error:
        raise RemoteProtocolError(f"{what}: {_cause_of(error)}") from error
    return found


class _Meanings(dict[int, Any]):
    """By number what a tag means; the library's own meanings, such as regular expressions, are never used."""

    def __missing__(self, number: int) -> Any:
        return _content


def _content(content: Any, is_immutable: bool) -> Any:  # noqa: ARG001 - the library calls it
    return content


def _meant(tag: Tag, content: Any, is_immutable: bool) -> Any:  # noqa: ARG001 - the library calls it
    return tag(content)


def _with_text_keys(found: Mapping[Any, Any], is_immutable: bool) -> Mapping[Any, Any]:  # noqa: ARG001 - likewise
    for key in found:
        if type(key) is not str:
            raise RemoteProtocolError(f"the key {key!r:.60} is no text")
    return found


def _cause_of(error: BaseException) -> str:
    """Return what a tag said, which the library wraps; else the error and what caused it."""
    chain: list[BaseException] = []
    inner: BaseException | None = error
    while inner is not None:
        if isinstance(inner, RemoteProtocolError):
            return str(inner)
        chain.append(inner)
        inner = inner.__cause__
    return ": ".join(map(str, chain))


def _put_aside(data: memoryview) -> tuple[bytes, list[memoryview]]:
    """Return an item with a tagged index for each long byte string, and those."""
    kept: list[bytes | memoryview] = []
    aside: list[memoryview] = []
    kept_to = 0
    for begin, content, end in _long_strings(data):
        kept += (data[kept_to:begin], _ASIDE_HEAD, len(aside).to_bytes(4, "big"))
        aside.append(data[content:end])
        kept_to = end
    kept.append(data[kept_to:])
    rest = b"".join(kept)
    if len(rest) > MAX_OTHER_BYTES:
        raise RemoteProtocolError(f"more than {MAX_OTHER_BYTES} bytes beside its long byte strings")
    return rest, aside


def _long_strings(data: memoryview) -> Iterator[tuple[int, int, int]]:
    """Yield where each long byte string of an item begins, its content begins, and it ends.

    Every head is looked at, which takes longer than all the library does; but a message has few of them.
    """
    size, at, items = len(data), 0, 0
    due = [1]  # in each container that is open
    while due:
        if not due[-1]:
            due.pop()
            continue
        begin = at
        if at < size and (first := data[at]) & 31 < 24 and first < 0xE0:  # nearly all of them, so without a call
            major, short, argument, at = first >> 5, 0, first & 31, at + 1
        else:
            major, short, argument, at = _head(data, at)
        if short == _UNTIL_BREAK and major == 7:
            if due.pop() != _UNTIL_BREAK:
                raise RemoteProtocolError(f"byte {begin}: a break that ends nothing")
            continue
        due[-1] -= due[-1] > 0
        if major in (2, 3) and short != _UNTIL_BREAK:
            content, at = at, at + argument
            if at > size:
                raise RemoteProtocolError(f"byte {begin}: a string of {argument} bytes, of which {size - content} came")
            if major == 2 and argument >= LONG_BYTES:
                yield begin, content, at
        elif inside := _inside(major, short, argument):
            due.append(inside)
        items += 1
        if len(due) > MAX_DEPTH or items > MAX_ITEMS:
            raise RemoteProtocolError(f"byte {begin}: more than {MAX_DEPTH} levels or {MAX_ITEMS} items")
    if at < size:
        raise RemoteProtocolError(f"{size - at} bytes behind its end")


def _inside(major: int, short: int, argument: int) -> int:
    """Return how many items lie in one that is no string of known length."""
    if short == _UNTIL_BREAK:
        return _UNTIL_BREAK
    if major == 6:
        if argument == _ASIDE:
            raise RemoteProtocolError(f"tag {_ASIDE} is never valid")
        return 1
    return argument * (major - 3) if major in (4, 5) else 0


def _head(data: memoryview, at: int) -> tuple[int, int, int, int]:
    """Return major type, short count, argument, and where the content begins (RFC 8949, 3).

    The short count is -1 for an indefinite length and for the break that ends it.
    """
    if at >= len(data):
        raise RemoteProtocolError(f"it ends early, after {at} bytes")
    major, short = data[at] >> 5, data[at] & 31
    if major == 7 and not (_FALSE <= short <= _NULL or 25 <= short <= 27 or short == 31):
        raise RemoteProtocolError(f"byte {at}: a simple value that is none of false, true and null")
    if short < 24:
        return major, short, short, at + 1
    if short < 28:
        end = at + 1 + (1 << (short - 24))
        if end > len(data):
            raise RemoteProtocolError(f"it ends early, after {len(data)} bytes")
        return major, short, int.from_bytes(data[at + 1 : end], "big"), end
    if short == 31 and major in (2, 3, 4, 5, 7):
        return major, _UNTIL_BREAK, 0, at + 1
    raise RemoteProtocolError(f"byte {at}: {data[at]:#04x} begins no item")
