"""What HDF5-REST answers about groups, datasets, links and attributes, in JSON; the values of datasets are not here."""

from hashlib import blake2b
from typing import Any

import msgspec

from penstock.errors import ResultTypeError, StateError
from penstock.views.tree import array_of
from penstock.web.hdf5_tree import Dataset, Group, Node
from penstock.web.hdf5_types import as_json, type_of

__all__ = ["Times", "attributes_of_node", "check_told", "described", "link_to", "links_of", "shape_of", "told"]


class Times(msgspec.Struct, frozen=True):
    """When something came and when it changed last, in s since 1970 UTC."""

    created: float
    modified: float


def described(
    node: Node, root: str, times: Times, *, with_attributes: bool = False, with_links: bool = False
) -> dict[str, Any]:
    """Return a group or a dataset.

    Parameters
    ----------
    root
        The identifier of the root group.
    with_attributes, with_links
        With all of these too, by name.
    """
    attributes = attributes_of_node(node, times)
    answer: dict[str, Any] = {
        "id": node.id, "root": root, "created": times.created, "lastModified": times.modified,
        "attributeCount": len(attributes),
    }  # fmt: skip
    if isinstance(node, Group):
        answer["linkCount"] = len(node.links)
        if with_links:
            answer["links"] = links_of(node, times)
    else:
        answer |= {"type": type_of(node.array.dtype), "shape": shape_of(node), "creationProperties": {}}
    if with_attributes:
        answer["attributes"] = attributes
    return answer


def shape_of(dataset: Dataset) -> dict[str, Any]:
    """Return the shape of a dataset; 0 among the largest dimensions: without limit."""
    if not dataset.array.ndim:
        return {"class": "H5S_SCALAR"}
    dims = list(dataset.array.shape)
    return {"class": "H5S_SIMPLE", "dims": dims} | ({"maxdims": [0, *dims[1:]]} if dataset.grows else {})


def links_of(group: Group, times: Times) -> dict[str, dict[str, Any]]:
    """Return the links of a group by name."""
    return {name: link_to(name, node, times) for name, node in group.links.items()}


def link_to(name: str, node: Node, times: Times) -> dict[str, Any]:
    """Return one link."""
    collection = "groups" if isinstance(node, Group) else "datasets"
    return {
        "title": name, "class": "H5L_TYPE_HARD", "id": node.id, "collection": collection, "created": times.created,
    }  # fmt: skip


def attributes_of_node(node: Node, times: Times) -> dict[str, dict[str, Any]]:
    """Return the attributes of a group or a dataset by name, without those that HDF5 has no type for."""
    found = {name: _attribute(name, value, times) for name, value in node.attributes.items()}
    return {name: each for name, each in found.items() if each is not None}


def _attribute(name: str, value: Any, times: Times) -> dict[str, Any] | None:
    try:
        array = array_of(value, name)
        of = type_of(array.dtype)
    except ResultTypeError:
        return None
    shape = {"class": "H5S_SIMPLE", "dims": list(array.shape)} if array.ndim else {"class": "H5S_SCALAR"}
    return {"name": name, "type": of, "shape": shape, "value": as_json(array), "created": times.created}


def told(dataset: Dataset) -> str:
    """Return in a few characters what a client has been told of a dataset: its shape, and its type as a hash."""
    of = blake2b(msgspec.json.encode(type_of(dataset.array.dtype)), digest_size=4).hexdigest()
    return f"{'x'.join(map(str, dataset.array.shape))}.{of}"


def check_told(dataset: Dataset, before: str, *, is_whole: bool) -> Dataset:
    """Return a dataset as a client that was told this of it expects it: if it wants all, with as many rows as then.

    Parameters
    ----------
    before
        As ``told`` said; empty, or anything else that says nothing: the client expects nothing.

    Raises
    ------
    StateError
        If it is another one by now.
    """
    now = told(dataset)
    shape_then, dot, type_then = before.partition(".")
    shape_now, _, type_now = now.partition(".")
    if before == now or not dot:
        return dataset
    rows_then, _, rest_then = shape_then.partition("x")
    rows_now, _, rest_now = shape_now.partition("x")
    is_longer = rows_then.isdecimal() and rows_now.isdecimal() and int(rows_then) <= int(rows_now)
    if type_then != type_now or (is_whole and (rest_then != rest_now or not is_longer)):
        raise StateError(
            f"{dataset.path} is another one than this client knows: its shape was {shape_then[:80]} and is "
            f"{shape_now}, or its type has changed; refresh it, or open the file again"
        )
    if not is_whole:
        return dataset
    return Dataset(path=dataset.path, array=dataset.array[: int(rows_then)], grows=dataset.grows)
