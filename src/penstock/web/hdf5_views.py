"""The views of a run as one HDF5 tree: what has an identifier, looked at where the reducers wrote it.

Each request sees one version of a stage, whole. Only the elements that are asked for are copied.
"""

from collections.abc import Callable, Mapping
from math import prod
from typing import Any, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from penstock.errors import SelectionError
from penstock.views.shared_tree import Published
from penstock.web.hdf5_answers import Times, check_told
from penstock.web.hdf5_selection import Wanted
from penstock.web.hdf5_tree import Group, Node, group_of, id_of, nodes
from penstock.web.shown_views import MOST_BYTES, ShownViews, TooLargeError, UnknownViewError

__all__ = ["Elements", "Hdf5Views"]

T = TypeVar("T")

ROOT = id_of("", is_group=True)


class Elements(msgspec.Struct, frozen=True, kw_only=True):
    """Some elements of a dataset, as they were at one version."""

    array: NDArray[Any]
    """A copy, C order."""
    version: int
    position: int


class Hdf5Views:
    """All views of a run.

    Parameters
    ----------
    views
        By stage.
    attributes
        Of the root group.
    clock
        Says the time, in s since 1970 UTC.
    """

    def __init__(self, views: ShownViews, attributes: Mapping[str, Any], clock: Callable[[], float]) -> None:
        self._views = views
        self._attributes = attributes
        self._clock = clock
        self._created = clock()
        self._trees: dict[str, tuple[Published, Group, dict[str, Node]]] = {}
        """By stage, as they were looked at last; what lies in memory is valid while it is looked at."""
        self._seen: dict[str, tuple[int, float]] = {}
        """By stage, the version that was seen last, and when first."""

    def look(self, identifier: str, take: Callable[[Node, Times], T]) -> T:
        """Return what ``take`` takes of what has an identifier; it may be called again, and copies what it wants.

        Raises
        ------
        UnknownViewError
            If nothing has it.
        PenstockError
            As ``TreeReader.look``; and what ``take`` raises.
        """
        if identifier == ROOT:
            return take(self.root(), self._times(max((t for _, t in self._seen.values()), default=self._created)))
        return self._looked(identifier, lambda node, times, _: take(node, times))

    def root(self) -> Group:
        """Return the root group; only what leads to other groups may be used of it."""
        links = {stage: self._stage(stage) for stage in self._views.stages}
        default = next((stage for stage, group in links.items() if group.is_plottable), None)
        attributes = {"NX_class": "NXroot", **({"default": default} if default else {}), **self._attributes}
        return Group(path="", links=links, attributes=attributes)

    def root_of(self, domain: str) -> str:
        """Return the identifier of the group that a domain has as its root: ``/`` all, ``/fit`` the stage ``fit``.

        Raises
        ------
        UnknownViewError
            If there is no such group.
        """
        path = "".join(f"/{word}" for word in domain.split("/") if word)
        if not path:
            return ROOT
        identifier = id_of(path, is_group=True)
        try:
            return self.look(identifier, lambda node, _: node.id)
        except UnknownViewError:
            stages = ", ".join(f"/{stage}" for stage in self._views.stages)
            raise UnknownViewError(
                f'no domain "{domain[:200]}"; there are / and every group, such as {stages}'
            ) from None

    def elements(
        self,
        identifier: str,
        wanted: Callable[[tuple[int, ...]], Wanted] | None,
        *,
        before: str,
        fields: str,
        most_now: int,
        most_elements: int | None = None,
    ) -> Elements | int:
        """Copy elements of a dataset, unless they are more bytes than ``most_now``: then only return how many.

        Parameters
        ----------
        wanted
            Returns which, by the shape; ``None``: all.
        before
            What the client has been told of it; see ``told``.
        fields
            Names with ``:`` between them; empty: all there are.
        most_elements
            An answer may hold, beside the limit of its bytes.

        Raises
        ------
        UnknownViewError
            If no dataset has the identifier.
        StateError
            If the dataset is another one by now.
        SelectionError
            If there is no such part.
        TooLargeError
            If it is more than one answer may hold.
        """

        def take(node: Node, _: Times, published: Published) -> Elements | int:
            if isinstance(node, Group):
                raise UnknownViewError(f"{identifier} is the group {node.path}; it has links, and no values")
            array = check_told(node, before, is_whole=wanted is None).array
            which = wanted(array.shape) if wanted is not None else Wanted(index=..., shape=array.shape)
            nbytes = prod(which.shape) * array.dtype.itemsize
            if most_elements is not None and prod(which.shape) > most_elements:
                raise TooLargeError(
                    f"{node.path}: {prod(which.shape):,} elements as JSON; {most_elements:,} at most: ask for a slice, "
                    'or for bytes with "Accept: application/octet-stream"'
                )
            if nbytes > MOST_BYTES:
                raise TooLargeError(
                    f"{node.path}: {nbytes:,} bytes are asked for, and one answer holds {MOST_BYTES:,}; ask for a slice"
                )
            if nbytes > most_now:
                return nbytes
            part = which.of(array)
            copied = np.array(part, order="C") if np.may_share_memory(part, array) else np.ascontiguousarray(part)
            return Elements(array=_with_fields(copied, fields), version=published.version, position=published.position)

        if identifier == ROOT:
            raise UnknownViewError(f"{identifier} is the root group; it has links, and no values")
        return self._looked(identifier, take)

    def _stage(self, stage: str) -> Group:
        found = self._views.look(stage, lambda published: self._tree(stage, published)[0])
        return _nothing_yet(stage) if found is None else found

    def _looked(self, identifier: str, take: Callable[[Node, Times, Published], T]) -> T:
        for stage in self._views.stages:

            def taken(published: Published, stage: str = stage) -> tuple[T] | None:
                node = self._tree(stage, published)[1].get(identifier)
                return None if node is None else (take(node, self._times_of(stage, published), published),)

            found = self._views.look(stage, taken)
            if found is not None:
                return found[0]
            if identifier == id_of(f"/{stage}", is_group=True):
                nothing = Published(position=0, version=0, tree={}, state=b"")
                return take(_nothing_yet(stage), self._times(self._created), nothing)
        raise UnknownViewError(
            f'nothing has the identifier "{identifier[:80]}"; follow the links from the root, {ROOT}'
        )

    def _tree(self, stage: str, published: Published) -> tuple[Group, dict[str, Node]]:
        known = self._trees.get(stage)
        if known is None or known[0] is not published:
            said = {"penstock_version": published.version, "penstock_position": published.position}
            group = group_of(published.tree, f"/{stage}", nx_class="NXentry", given=said)
            known = self._trees[stage] = (published, group, {node.id: node for node in nodes(group)})
        return known[1:]

    def _times_of(self, stage: str, published: Published) -> Times:
        version, since = self._seen.get(stage, (-1, 0.0))
        if version != published.version:
            since = self._clock()
            self._seen[stage] = published.version, since
        return self._times(since)

    def _times(self, modified: float) -> Times:
        return Times(self._created, modified)


def _nothing_yet(stage: str) -> Group:
    return Group(path=f"/{stage}", attributes={"NX_class": "NXentry"})


def _with_fields(array: NDArray[Any], fields: str) -> NDArray[Any]:
    if not fields:
        return array
    names = fields.split(":")
    there_are = array.dtype.names or ()
    for name in names:
        if name not in there_are:
            raise SelectionError(f'no field "{name[:80]}"; there are {", ".join(there_are) or "none"}')
    return array[names[0]] if len(names) == 1 else array[names]
