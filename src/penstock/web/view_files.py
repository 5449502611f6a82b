"""One view as a file to take away: as text with commas between, or as HDF5 with unit and axes."""

import csv
import io
from collections.abc import Awaitable, Callable, Iterator
from math import prod
from typing import Annotated, Any, Literal
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from penstock.elements.hdf5_views import write_views
from penstock.errors import SelectionError
from penstock.extra import extra
from penstock.views import ArrayView, Axis
from penstock.views.selection import selected_shape, selection
from penstock.web.answers import Axis as Described
from penstock.web.shown_views import Part, ShownViews, TooLargeError, plain_numbers

with extra("run"):
    from fastapi import FastAPI, Query, Response

__all__ = ["as_csv", "as_hdf5", "serve_view_files"]

MOST_TEXT = 1_000_000
"""Elements of one file of text."""
IN_A_THREAD = 8 << 20
"""Bytes beyond which an answer is made beside the event loop: so is every file, because HDF5 takes its time."""

Errors = dict[int | str, dict[str, Any]]
InRoom = Callable[[int, Callable[[], Response]], Awaitable[Response]]


def serve_view_files(
    app: FastAPI, views: ShownViews, in_room: InRoom, *, facts: dict[str, str], errors: Errors
) -> None:
    """Add the route.

    Parameters
    ----------
    in_room
        Makes an answer of so many bytes, if there is room for it.
    facts
        Attributes of the HDF5 file's root.
    """

    @app.get(
        "/api/v1/files/{name:path}",
        tags=["views"],
        response_class=Response,
        responses={
            **{code: errors[code] for code in (401, 403, 404, 413, 422, 503)},
            200: {"content": {"text/csv": {}, "application/x-hdf5": {}}},
        },
    )
    async def view_file(
        name: str,
        form: Annotated[Literal["csv", "hdf5"], Query(alias="format", description="Of the file.")],
        part: Annotated[str, Query(alias="slice", max_length=200, description="As of data; empty: all.")] = "",
    ) -> Response:
        """Return a view, or a part of it, as a file, with its unit and its axes."""
        described = views.describe(name)
        count = prod(selected_shape(selection(part, described["shape"]), described["shape"]))
        # The elements twice, as an array and as a file; of a number as text, an object and some digits.
        nbytes = 2 * count * np.dtype(described["dtype"]).itemsize if form == "hdf5" else min(count, MOST_TEXT) * 64

        def respond() -> Response:
            view = view_of(views, name, part)
            content = as_csv(name, view) if form == "csv" else as_hdf5(name, view, facts)
            file_name = f"{name.replace('/', '-')}.{'csv' if form == 'csv' else 'h5'}"
            headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(file_name)}"}
            kind = "text/csv; charset=utf-8" if form == "csv" else "application/x-hdf5"
            return Response(content, media_type=kind, headers=headers)

        return await in_room(max(nbytes, IN_A_THREAD + 1), respond)


def view_of(views: ShownViews, name: str, text: str) -> ArrayView:
    """Return a copy of a view, or of a part of it with the axes of that part.

    Raises
    ------
    UnknownViewError, SelectionError, TooLargeError
        As ``ShownViews.part`` raises them.
    """
    described = views.describe(name)
    found: Part = views.part(name, text)
    index = selection(text, described["shape"])
    axes = [_axis(axis, each) for axis, each in zip(described["axes"], index, strict=False) if isinstance(each, slice)]
    if any(
        axis.values is not None and len(axis.values) != length
        for axis, length in zip(axes, found.array.shape, strict=False)
    ):
        axes = [Axis(axis.name, axis.unit) for axis in axes]  # it has grown between the two looks
    view = ArrayView(found.array.shape, found.array.dtype, unit=described["unit"], axes=axes, title=described["title"])
    view.set(..., found.array)
    return view


def _axis(axis: Described, each: slice) -> Axis:
    values = axis["values"]
    if values is None:
        return Axis(axis["name"], axis["unit"])
    whole = np.asarray([np.nan if value is None else value for value in values])
    return Axis(axis["name"], axis["unit"], whole[each])


def as_csv(name: str, view: ArrayView) -> bytes:
    """Return a view as text, UTF-8: a row for each element of the first dimension, with the value of its axis.

    Raises
    ------
    SelectionError
        If it has more than two dimensions.
    TooLargeError
        If it has more elements than a text should.
    """
    array = view.array
    if array.ndim > 2:
        raise SelectionError(f"{name} has {array.ndim} dimensions, and text has two; ask for a slice, such as -1")
    if array.size > MOST_TEXT:
        raise TooLargeError(f"{name}: {array.size:,} elements as text; {MOST_TEXT:,} at most: ask for a slice, or hdf5")
    written = io.StringIO()
    csv.writer(written, lineterminator="\n").writerows(_rows(name, view, array))
    return written.getvalue().encode()


def _rows(name: str, view: ArrayView, array: NDArray[Any]) -> Iterator[list[Any]]:
    value = _labelled(view.title or name, view.unit)
    if array.ndim == 0:
        yield [value]
        yield [_plain(plain_numbers(array))]
        return
    first = view.axes[0] if view.axes else Axis("number")
    columns = [value] if array.ndim == 1 else _column_names(view, array.shape[1])
    yield [_labelled(first.name or "number", first.unit), *columns]
    places = range(len(array)) if first.values is None else plain_numbers(first.values)
    for place, row in zip(places, plain_numbers(array), strict=True):
        yield [place, *(map(_plain, row) if array.ndim == 2 else [_plain(row)])]


def _column_names(view: ArrayView, count: int) -> list[str]:
    axis = view.axes[1] if len(view.axes) > 1 else Axis("column")
    values = range(count) if axis.values is None else plain_numbers(axis.values)
    return [f"{axis.name} {value}{' ' + axis.unit if axis.unit else ''}" for value in values]


def _labelled(name: str, unit: str) -> str:
    return f"{name} ({unit})" if unit else name


def _plain(value: Any) -> Any:  # a cell
    return "nan" if value is None else value


def as_hdf5(name: str, view: ArrayView, facts: dict[str, str]) -> bytes:
    """Return a view as an HDF5 file: a dataset of its name, with ``units``, ``long_name`` and its axes beside it.

    Raises
    ------
    ResultTypeError
        If HDF5 has nothing for its elements.
    MissingExtraError
        If h5py is not installed.
    """
    with extra("run"):
        import h5py  # 100 ms, and not everybody takes files away

    *branches, leaf = name.split("/")
    tree: dict[str, Any] = {leaf: view}
    for branch in reversed(branches):
        tree = {branch: tree}
    held = io.BytesIO()
    with h5py.File(held, "w") as file:
        file.attrs.update(facts)
        write_views(file, tree)
    return held.getvalue()
