"""The views of a run over HDF5-REST, read-only: what h5pyd, silx and h5web open as a file.

The paths, the names of fields and the form of selections are those of HSDS, as its clients use them.
"""

from collections.abc import Awaitable, Callable, Mapping
from difflib import get_close_matches
from typing import Annotated, Any, Final, TypeVar

import msgspec

from penstock.errors import SelectionError
from penstock.extra import extra
from penstock.web.hdf5_answers import Times, attributes_of_node, described, link_to, links_of, told
from penstock.web.hdf5_selection import Wanted, flat_points, points_of, selected
from penstock.web.hdf5_tree import Dataset, Group, Node
from penstock.web.hdf5_types import as_bytes, as_json
from penstock.web.hdf5_views import Elements, Hdf5Views
from penstock.web.shown_views import MOST_BYTES, UnknownViewError

with extra("run"):
    from fastapi import APIRouter, Depends, FastAPI, Header, Query, Request, Response
    from fastapi.responses import JSONResponse
    from pydantic import Field

__all__ = ["serve_hdf5"]

BINARY: Final = "application/octet-stream"
COOKIE: Final = "penstock-told"
"""What a client was told of a dataset. It asks for all without saying how much that was, and it may have grown."""
BODY: Final = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "properties": {
                        "points": {"type": "array", "items": {}, "description": "Coordinates, a list a point."},
                        "select": {"type": "string", "description": "As in the query."},
                    },
                }
            },
            BINARY: {"schema": {"type": "string", "format": "binary"}},
        },
    }
}
"""Points as bytes: all coordinates of one after the other, u8, little endian."""

T = TypeVar("T")

Errors = dict[int | str, dict[str, Any]]
Some = Callable[..., Errors]
Page = Callable[..., Response]
InDomain = Callable[..., Awaitable[str]]
InRoom = Callable[[int, Callable[[], Response]], Awaitable[Response]]
Flag = Annotated[str, Field(pattern="^[a-zA-Z0-9]{0,5}$")]
Select = Annotated[
    str, Query(max_length=4000, description='Such as "[10:20,5,0:8:2]", one entry a dimension; empty: all.')
]
Fields = Annotated[str, Query(max_length=1000, description="Of a compound: names, with : between them.")]
Condition = Annotated[str, Query(alias="query", max_length=1000, description="Is refused: there are no queries.")]
Accept = Annotated[str, Header(max_length=1000, description=f"{BINARY}: bytes; else JSON.")]


class PointsWish(msgspec.Struct):
    """Which elements, as JSON in a body; what else stands there means nothing."""

    points: list[Any] | None = None
    select: str = ""
    fields: str = ""


def serve_hdf5(
    app: FastAPI,
    views: Hdf5Views,
    in_room: InRoom,
    *,
    version: str,
    page: Page,
    errors: Mapping[int | str, dict[str, Any]],
    small_bytes: int,
    most_json: int,
) -> None:
    """Add the routes.

    Parameters
    ----------
    in_room
        Makes an answer of so many bytes, if there is room for it.
    version
        Of penstock.
    page
        Returns what browsers get at ``/``; the plain one, if that is wanted.
    errors
        How answers that are errors are described.
    small_bytes
        So much is answered at once.
    most_json
        Elements of an answer in JSON.
    """

    def some(*codes: int) -> Errors:
        return {code: errors[code] for code in (401, 403, *codes)}

    async def in_domain(
        domain: Annotated[
            str, Query(max_length=1000, description="/ for all, or the path of the group that shall be the root.")
        ] = "/",
    ) -> str:
        return views.root_of(domain)

    router = APIRouter(tags=["hdf5"])
    _serve_root(router, views, version, page, some)
    for collection in ("groups", "datasets"):
        _serve_objects(router, views, in_domain, collection, some(404, 422))
    _serve_links(router, views, in_domain, some(404, 422))
    _serve_values(router, views, in_domain, in_room, some(404, 409, 413, 422, 503), small_bytes, most_json)
    app.include_router(router)


def _serve_root(router: APIRouter, views: Hdf5Views, version: str, page: Page, some: Some) -> None:
    @router.get("/about", responses=some())
    async def about() -> dict[str, Any]:
        """Say which server this is."""
        text = "the views of a run, read-only"
        return {"name": "penstock", "state": "READY", "greeting": text, "about": text, "penstock_version": version}

    @router.get(
        "/",
        response_class=Response,
        responses={**some(404, 422), 200: {"content": {"text/html": {}, "application/json": {}}}},
    )
    async def domain_or_page(
        domain: Annotated[str | None, Query(max_length=1000, description="Left out: the page for people.")] = None,
        plain: Annotated[bool, Query(description="The page without what needs a newer browser.")] = False,
    ) -> Response:
        """Return the root of a domain; to a browser, which names none, the page."""
        return page(is_plain=plain) if domain is None else JSONResponse(_domain(domain))

    @router.get("/domains", responses=some())
    async def domains() -> dict[str, Any]:
        """List the stages; each can be opened as a file of its own."""
        return {"domains": [{"name": f"/{stage}", **_domain(f"/{stage}")} for stage in views.root().links]}

    def _domain(domain: str) -> dict[str, Any]:
        root = views.root_of(domain)
        times = views.look(root, lambda _, times: times)
        return {
            "root": root, "class": "domain", "owner": "", "created": times.created, "lastModified": times.modified,
            "version": version,
        }  # fmt: skip


def _serve_objects(router: APIRouter, views: Hdf5Views, in_domain: InDomain, collection: str, errors: Errors) -> None:
    kind = Group if collection == "groups" else Dataset
    name_of = collection.removesuffix("s")

    def of_kind(node: Node) -> Node:
        if not isinstance(node, kind):
            raise UnknownViewError(f"{node.path or '/'} is no {name_of}; ask for {node.id} below /{_collection(node)}")
        return node

    @router.get(f"/{collection}/{{identifier}}", responses=errors, name=f"one of {collection}")
    async def describe(
        identifier: str, response: Response, root: Annotated[str, Depends(in_domain)],
        include_attrs: Annotated[Flag, Query(description="With all attributes.")] = "0",
        include_links: Annotated[Flag, Query(description="With all links.")] = "0",
    ) -> dict[str, Any]:  # fmt: skip
        """Describe it: of a dataset its type and shape, of a group how many links it has."""

        def take(node: Node, times: Times) -> tuple[dict[str, Any], str]:
            found = described(
                of_kind(node), root, times, with_attributes=_is_on(include_attrs), with_links=_is_on(include_links)
            )
            return found, "" if isinstance(node, Group) else told(node)

        found, said = views.look(identifier, take)
        if said:
            response.set_cookie(COOKIE, said, path=f"/{collection}/{identifier}", httponly=True, samesite="strict")
        return found

    @router.get(
        f"/{collection}/{{identifier}}/attributes",
        responses=errors,
        dependencies=[Depends(in_domain)],
        name=f"attributes of {collection}",
    )
    async def attributes(identifier: str) -> dict[str, Any]:
        """Return all attributes, with their values."""
        found = views.look(identifier, lambda node, times: attributes_of_node(of_kind(node), times))
        return {"attributes": list(found.values())}

    @router.get(
        f"/{collection}/{{identifier}}/attributes/{{name:path}}",
        responses=errors,
        dependencies=[Depends(in_domain)],
        name=f"an attribute of {collection}",
    )
    async def attribute(identifier: str, name: str) -> dict[str, Any]:
        """Return one attribute, with its value."""

        def take(node: Node, times: Times) -> dict[str, Any]:
            found = attributes_of_node(of_kind(node), times)
            return _one(found, name, f"{node.path or '/'} has no attribute")

        return views.look(identifier, take)


def _serve_links(router: APIRouter, views: Hdf5Views, in_domain: InDomain, errors: Errors) -> None:
    def group_of(node: Node) -> Group:
        if isinstance(node, Dataset):
            raise UnknownViewError(f"{node.path} is a dataset; it has a value, and no links")
        return node

    @router.get("/groups/{identifier}/links", responses=errors, dependencies=[Depends(in_domain)])
    async def links(identifier: str) -> dict[str, Any]:
        """List what a group holds, in the order in which it was published."""
        found = views.look(identifier, lambda node, times: links_of(group_of(node), times))
        return {"links": list(found.values())}

    @router.get("/groups/{identifier}/links/{name}", responses=errors, dependencies=[Depends(in_domain)])
    async def link(identifier: str, name: str) -> dict[str, Any]:
        """Return one link of a group."""

        def take(node: Node, times: Times) -> dict[str, Any]:
            to = _one(group_of(node).links, name, f"{node.path or '/'} holds no")
            return {"link": link_to(name, to, times)}

        return views.look(identifier, take)


def _serve_values(
    router: APIRouter,
    views: Hdf5Views,
    in_domain: InDomain,
    in_room: InRoom,
    errors: Errors,
    small_bytes: int,
    most_json: int,
) -> None:
    answers: Errors = {**errors, 200: {"content": {BINARY: {}, "application/json": {}}}}

    async def answer(
        identifier: str, wanted: Callable[[tuple[int, ...]], Wanted] | None, fields: str, request: Request
    ) -> Response:
        before = request.cookies.get(COOKIE, "")
        is_binary = BINARY in request.headers.get("accept", "")

        def respond(most_now: int) -> Response | int:
            found = views.elements(
                identifier, wanted, before=before, fields=fields, most_now=most_now,
                most_elements=None if is_binary else most_json,
            )  # fmt: skip
            return found if isinstance(found, int) else _response(found, is_binary=is_binary)

        found = respond(small_bytes)
        if isinstance(found, Response):
            return found

        def respond_at_length() -> Response:
            whole = respond(MOST_BYTES)
            assert isinstance(whole, Response)
            return whole

        return await in_room(found, respond_at_length)

    @router.get(
        "/datasets/{identifier}/value", response_class=Response, responses=answers, dependencies=[Depends(in_domain)]
    )
    async def value(
        identifier: str, request: Request,
        select: Select = "", fields: Fields = "", query: Condition = "", accept: Accept = "",  # noqa: ARG001 - for its description
    ) -> Response:  # fmt: skip
        """Return elements of a dataset as they were at one version, as bytes in C order or as JSON."""
        if query:
            raise SelectionError("there are no queries; ask for elements with select, and choose among them")
        return await answer(identifier, _selected(select), fields, request)

    @router.post(
        "/datasets/{identifier}/value",
        response_class=Response,
        responses=answers,
        dependencies=[Depends(in_domain)],
        openapi_extra=BODY,
    )
    async def points(
        identifier: str, request: Request,
        accept: Accept = "",  # noqa: ARG001 - for its description
    ) -> Response:  # fmt: skip
        """Return single elements of a dataset, in the order of the points; or a selection too long for a query."""
        data = await request.body()
        if request.headers.get("content-type", "").partition(";")[0].strip() == BINARY:
            return await answer(identifier, lambda shape: points_of(flat_points(data, len(shape)), shape), "", request)
        try:
            wish = msgspec.json.decode(data, type=PointsWish)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise SelectionError(f'{error}; write {{"points": [[0, 3], [5, 1]]}} or {{"select": "[0:5,3]"}}') from error
        if wish.points is None:
            return await answer(identifier, _selected(wish.select), wish.fields, request)
        given = wish.points
        return await answer(identifier, lambda shape: points_of(given, shape), wish.fields, request)


def _selected(text: str) -> Callable[[tuple[int, ...]], Wanted] | None:
    return (lambda shape: selected(text, shape)) if text.strip() else None


def _response(found: Elements, *, is_binary: bool) -> Response:
    headers = {
        "X-Penstock-Version": str(found.version), "X-Penstock-Position": str(found.position),
        "Cache-Control": "no-cache",
    }  # fmt: skip
    if is_binary:
        return Response(as_bytes(found.array), media_type=BINARY, headers=headers)
    return JSONResponse({"value": as_json(found.array)}, headers=headers)


def _one(found: Mapping[str, T], name: str, what: str) -> T:
    if name not in found:
        near = get_close_matches(name, found, n=1)
        there_are = f'did you mean "{near[0]}"?' if near else f"there are {', '.join(list(found)[:20]) or 'none'}"
        raise UnknownViewError(f'{what} "{name[:80]}"; {there_are}')
    return found[name]


def _collection(node: Node) -> str:
    return "groups" if isinstance(node, Group) else "datasets"


def _is_on(flag: str) -> bool:
    return flag.lower() in ("1", "t", "true")
