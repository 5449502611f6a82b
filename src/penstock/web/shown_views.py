"""The views of a run as the web process sees them: what there is, and parts of it, read where the reducer wrote it.

Nothing here stops a reducer, and only what was asked for is copied.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from math import prod
from typing import Any, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from penstock.errors import PenstockError, ResultTypeError
from penstock.views.array_view import ArrayView
from penstock.views.blocks import Fewer, blocks_of, chosen, dtype_of_blocks
from penstock.views.selection import Index, coarser, selected_shape, selection
from penstock.views.shared_tree import Published, TreeReader
from penstock.views.tree import array_of, walk
from penstock.web.answers import Axis, View

__all__ = ["NotYetError", "Part", "ShownViews", "TooLargeError", "UnknownViewError", "thinned"]

T = TypeVar("T")

MOST_BYTES = 512 << 20
"""Of one answer."""
MOST_READ = 32 << 20
"""Bytes of which blocks are made at a time; of more than that, every so manieth element is looked at."""


class UnknownViewError(PenstockError):
    """No view has this name."""


class NotYetError(UnknownViewError):
    """The stage has published nothing yet."""


class TooLargeError(PenstockError):
    """More is asked for than one answer may hold."""


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """Some elements of a view, as they were at one version."""

    array: NDArray[Any]
    """A copy, C order."""
    version: int
    position: int
    """Which results it holds: all up to this one, in the reducer's own count."""
    every: int
    """How many elements along each dimension one stands for; 1 unless fewer were wanted than were selected."""
    fewer: Fewer
    """What it is of them."""


def thinned(index: Index, array: NDArray[Any], most_bytes: int | None, fewer: Fewer) -> tuple[Index, int, int]:
    """Return which elements are looked at, the step between them, and how many along each dimension become one.

    Parameters
    ----------
    index
        What was asked for.
    most_bytes
        What is sent shall be no more than this; ``None``: all of it.
    """
    if most_bytes is None:
        return index, 1, 1
    most = most_bytes // max(1, dtype_of_blocks(fewer, array.dtype).itemsize)
    if prod(selected_shape(index, array.shape)) * array.dtype.itemsize <= most_bytes:
        return index, 1, 1  # as it is: the mean of one whole number would only be longer
    if fewer == "every":
        return *coarser(index, array.shape, most), 1
    index, step = coarser(index, array.shape, MOST_READ // max(1, array.dtype.itemsize))
    _, size = coarser(index, array.shape, most)
    return index, step, size


class ShownViews:
    """All views of a run.

    Parameters
    ----------
    readers
        By stage.
    """

    def __init__(self, readers: Mapping[str, TreeReader]) -> None:
        self._readers = readers

    def versions(self) -> dict[str, int]:
        """Return the version of each stage that has published, at the cost of a few words."""
        return {stage: version for stage, reader in self._readers.items() if (version := reader.version) is not None}

    @property
    def stages(self) -> tuple[str, ...]:
        """Those that publish views, also if they have not done so yet."""
        return tuple(self._readers)

    def look(self, stage: str, take: Callable[[Published], T]) -> T | None:
        """Return what ``take`` takes of a stage's views, without a copy of the rest; ``None``: nothing is published.

        See ``TreeReader.look``.
        """
        return self._readers[stage].look(take)

    def describe_all(self) -> list[View]:
        """Describe every view."""
        return [entry for stage in self._readers for entry in self._described(stage)]

    def describe(self, name: str) -> View:
        """Describe one view, with the values of its axes.

        Raises
        ------
        UnknownViewError
            If there is none of this name.
        """
        stage, path = self._split(name)

        def take(published: Published) -> View:
            return _description(name, self._leaf(name, path, published), published, with_axes=True)

        return self._looked(stage, name, take)

    def small_part(
        self, name: str, text: str, most_bytes: int | None, most_now: int, fewer: Fewer | None = None
    ) -> Part | int:
        """Do as ``part`` does, unless more bytes than ``most_now`` would be read: then only return how many."""
        return self._part(name, text, most_bytes, most_now, fewer)

    def part(self, name: str, text: str = "", *, most_bytes: int | None = None, fewer: Fewer | None = None) -> Part:
        """Copy some elements of a view.

        Parameters
        ----------
        name
            ``stage/path``.
        text
            Which; see ``selection``. Empty: all.
        most_bytes
            Send one element for several of them, so that it is no more than this.
        fewer
            What becomes of several then; ``None``: the mean of numbers, of others every so manieth.

        Raises
        ------
        UnknownViewError
            If there is none of this name.
        SelectionError
            If there is no such part, or not of its kind.
        TooLargeError
            If it is more than one answer may hold.
        """
        found = self._part(name, text, most_bytes, MOST_BYTES, fewer)
        assert isinstance(found, Part)
        return found

    def _part(self, name: str, text: str, most_bytes: int | None, most_now: int, wanted: Fewer | None) -> Part | int:
        stage, path = self._split(name)

        def take(published: Published) -> Part | int:
            array = array_of(self._leaf(name, path, published), name)
            index: Index = selection(text, array.shape)
            fewer = chosen(wanted, array.dtype)
            index, step, size = thinned(index, array, most_bytes, fewer)
            nbytes = prod(selected_shape(index, array.shape)) * array.dtype.itemsize
            if nbytes > MOST_BYTES:
                raise TooLargeError(
                    f"{name}: {nbytes:,} bytes are asked for, and one answer holds {MOST_BYTES:,}; ask for a slice"
                )
            if nbytes > most_now:
                return nbytes
            copied = blocks_of(np.asarray(array[index]), size, fewer)  # one element of a text is no array
            return Part(
                array=copied, version=published.version, position=published.position, every=step * size, fewer=fewer
            )

        return self._looked(stage, name, take)

    def _described(self, stage: str) -> list[View]:
        def take(published: Published) -> list[View]:
            return list(_descriptions(stage, published))

        return self._readers[stage].look(take) or []

    def _looked(self, stage: str, name: str, take: Callable[[Published], T]) -> T:
        found = self._readers[stage].look(take)
        if found is None:
            raise NotYetError(f"{name}: the stage {stage} has published nothing yet")
        return found

    def _split(self, name: str) -> tuple[str, str]:
        stage, _, path = name.partition("/")
        if stage not in self._readers:
            there_are = ", ".join(self._readers) or "no stages that do"
            raise UnknownViewError(f'no stage "{stage[:80]}" publishes views; there are {there_are}')
        return stage, path

    def _leaf(self, name: str, path: str, published: Published) -> Any:  # whatever a reducer may publish
        leaf: Any = published.tree
        for word in path.split("/"):
            if not isinstance(leaf, Mapping) or word not in leaf:
                raise UnknownViewError(f'no view "{name[:200]}"; {_proposal(name, published)}')
            leaf = leaf[word]
        if isinstance(leaf, Mapping):
            raise UnknownViewError(f'"{name[:200]}" is a branch; {_proposal(name, published)}')
        return leaf


def _proposal(name: str, published: Published) -> str:
    stage = name.partition("/")[0]
    names = [f"{stage}/{path}" for path, _ in walk(published.tree)]
    near = get_close_matches(name, names, n=1)
    return f'did you mean "{near[0]}"?' if near else f"there are {', '.join(names[:20]) or 'none'}"


def _descriptions(stage: str, published: Published) -> Iterator[View]:
    for path, leaf in walk(published.tree):
        try:
            yield _description(f"{stage}/{path}", leaf, published)
        except ResultTypeError:  # such as lists of unequal lengths: it can be saved, and cannot be shown
            continue


def _description(name: str, leaf: Any, published: Published, *, with_axes: bool = False) -> View:
    array = array_of(leaf, name)
    axes: Sequence[Any] = leaf.axes if isinstance(leaf, ArrayView) else ()
    return {
        "name": name,
        "shape": list(array.shape),
        "dtype": array.dtype.str,
        "unit": leaf.unit if isinstance(leaf, ArrayView) else "",
        "title": leaf.title if isinstance(leaf, ArrayView) else "",
        "grows": isinstance(leaf, ArrayView) and leaf.grows,
        "axes": [_axis(axis, with_values=with_axes) for axis in axes],
        "version": published.version,
        "position": published.position,
    }


def _axis(axis: Any, *, with_values: bool) -> Axis:
    found: Axis = {"name": axis.name, "unit": axis.unit}
    if with_values:
        found["values"] = None if axis.values is None else plain_numbers(axis.values)
    return found


def plain_numbers(array: NDArray[Any]) -> Any:  # nested lists of what JSON can hold
    """Return an array as nested lists; what JSON has no word for is null or text."""
    if array.dtype.kind == "f":
        finite = np.isfinite(array)
        if not finite.all():
            mixed = array.astype(object)
            mixed[~finite] = None
            return mixed.tolist()
    if array.dtype.kind == "c":
        return plain_numbers(np.stack([array.real, array.imag], axis=-1))
    if array.dtype.kind in "biuf":
        return array.tolist()
    return np.vectorize(_text, otypes=[object])(array).tolist() if array.size else array.astype(str).tolist()


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
