"""HDF5-REST over HTTP: what is answered, what is refused, and that no more is copied than was asked for."""

import asyncio
import tracemalloc
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest

from penstock.views import ArrayView
from penstock.views.shared_tree import TreeWriter
from penstock.web import app as application_module
from penstock.web import hdf5_views
from penstock.web.gate import Gate
from penstock.web.hdf5_tree import id_of
from penstock.web.shown_views import ShownViews
from tests.unit.web.shown import FakeLine, application, ask, detail, published, tree

ROOT = id_of("", is_group=True)
STAGE = id_of("/image", is_group=True)
MAP = id_of("/image/map", is_group=True)
IRON = id_of("/image/map/Fe", is_group=False)
CURRENT = id_of("/image/current", is_group=False)
BYTES = {"Accept": "application/octet-stream"}


@pytest.fixture
def shown() -> Iterator[tuple[TreeWriter, ShownViews]]:
    with published() as both:
        yield both


@pytest.fixture
def writer(shown: tuple[TreeWriter, ShownViews]) -> TreeWriter:
    return shown[0]


@pytest.fixture
def app(shown: tuple[TreeWriter, ShownViews]) -> Any:
    return application(shown[1], FakeLine())


def get(app: Any, path: str, **params: Any) -> Any:
    answer = ask(app, "GET", path, params={"domain": "/", **params})
    assert answer.status_code == 200, answer.text
    return answer.json()


def value(app: Any, identifier: str, **params: Any) -> httpx.Response:
    return ask(app, "GET", f"/datasets/{identifier}/value", params=params, headers=BYTES)


def test_links_lead_from_the_domain_to_every_dataset(app: Any) -> None:
    assert get(app, "/")["root"] == ROOT
    assert get(app, "/", domain="/image/map/")["root"] == MAP
    names = {link["title"]: link["id"] for link in get(app, f"/groups/{ROOT}/links")["links"]}
    assert names == {"image": STAGE, "later": id_of("/later", is_group=True)}
    assert [each["name"] for each in get(app, "/domains")["domains"]] == ["/image", "/later"]
    stage = get(app, f"/groups/{STAGE}", include_links=1, include_attrs=1)
    assert list(stage["links"]) == ["map", "current", "count", "note"]
    assert (stage["linkCount"], stage["attributeCount"]) == (4, 4)
    assert stage["attributes"]["default"]["value"] == "map"
    assert stage["attributes"]["penstock_position"]["value"] == 9
    assert get(app, f"/groups/{MAP}/links/Fe")["link"]["collection"] == "datasets"
    iron = get(app, f"/datasets/{IRON}")
    assert iron["shape"] == {"class": "H5S_SIMPLE", "dims": [40, 50]}
    assert iron["type"] == {"class": "H5T_FLOAT", "base": "H5T_IEEE_F64LE"}
    assert get(app, f"/datasets/{CURRENT}")["shape"]["maxdims"] == [0]
    assert get(app, f"/datasets/{IRON}/attributes/units")["value"] == "counts"
    assert {each["name"] for each in get(app, f"/groups/{MAP}/attributes")["attributes"]} == {
        "NX_class", "signal", "axes",
    }  # fmt: skip
    assert get(app, f"/groups/{id_of('/later', is_group=True)}")["linkCount"] == 0


def test_a_browser_still_gets_the_page(app: Any) -> None:
    assert ask(app, "GET", "/").headers["content-type"].startswith("text/html")


def test_elements_come_as_bytes_or_as_json(app: Any) -> None:
    expected = tree()["map"]["Fe"].array
    answer = value(app, IRON, select="[3:7,::2]")
    assert np.array_equal(np.frombuffer(answer.content), expected[3:7, ::2].ravel())
    assert (answer.headers["X-Penstock-Version"], answer.headers["X-Penstock-Position"]) == ("3", "9")
    assert get(app, f"/datasets/{IRON}/value", select="[0,0:3]")["value"] == [["NaN", 1, 2]]
    assert get(app, f"/datasets/{id_of('/image/note', is_group=False)}/value")["value"] == "steady"


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (np.array([[1, 2], [39, 49], [1, 2]], "<u8").tobytes(), "application/octet-stream"),
        (b'{"points": [[1, 2], [39, 49], [1, 2]], "more": 1}', "application/json"),
        (b'{"points": [[1, 2], [39, 49], [1, 2]]}', "application/x-www-form-urlencoded"),
    ],
)
def test_points_are_bytes_or_json(app: Any, body: bytes, kind: str) -> None:
    answer = ask(app, "POST", f"/datasets/{IRON}/value", content=body, headers={**BYTES, "Content-Type": kind})
    expected = tree()["map"]["Fe"].array
    assert np.frombuffer(answer.content).tolist() == [expected[1, 2], expected[39, 49], expected[1, 2]]


def test_a_long_selection_may_come_in_the_body(app: Any) -> None:
    body = {"select": f"[3,[{','.join(str(k % 50) for k in range(2000))}]]"}
    answer = ask(app, "POST", f"/datasets/{IRON}/value", json=body, headers=BYTES)
    assert len(answer.content) == 2000 * 8


@pytest.mark.parametrize(
    ("path", "code", "said"),
    [
        ("/?domain=/nothing", 404, "there are / and every group"), ("/?domain=/image/current", 404, "no domain"),
        (f"/groups/{ROOT}?domain=/nothing", 404, "no domain"), ("/groups/g-1", 404, "follow the links from the root"),
        (f"/groups/{IRON}", 404, "no group"), (f"/datasets/{MAP}", 404, "no dataset"),
        (f"/datasets/{ROOT}/value", 404, "root group"), (f"/datasets/{MAP}/value", 404, "is the group /image/map"),
        ("/datasets/../../etc/value", 404, ""), (f"/groups/{IRON}/links", 404, "no links"),
        (f"/groups/{MAP}/links/Fee", 404, 'did you mean "Fe"'), (f"/datasets/{IRON}/attributes/unit", 404, "units"),
        (f"/datasets/{IRON}/attributes/a/b", 404, "no attribute"), ("/datatypes/t-1", 404, "Not Found"),
        (f"/datasets/{IRON}/value?select=[0:41,:]", 422, "none of them beyond the end"),
        (f"/datasets/{IRON}/value?select=[0:1]", 422, "1 entries for 2 dimensions"),
        (f"/datasets/{IRON}/value?select=nonsense", 422, "selects nothing"),
        (f"/datasets/{IRON}/value?fields=x", 422, "no field"), (f"/datasets/{IRON}/value?query=a>1", 422, "no queries"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_refused_in_json(app: Any, path: str, code: int, said: str) -> None:
    answer = ask(app, "GET", path)
    assert answer.status_code == code
    assert said in detail(answer)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", "application/json"), (b"[1]", "application/json"), (b'{"points": 3}', "application/json"),
        (b'{"points": [[40, 0]]}', "application/json"), (b"\xff", "application/json"), (b'{"select": "x"}', ""),
        (bytes(15), "application/octet-stream"), (b"\xff" * 16, "application/octet-stream"),
        (b'{"points":' + b"[" * 5000, "application/json"),
    ],
)  # fmt: skip
def test_wrong_points_are_refused(app: Any, body: bytes, kind: str) -> None:
    headers = {"Content-Type": kind} if kind else {}
    answer = ask(app, "POST", f"/datasets/{IRON}/value", content=body, headers=headers)
    assert answer.status_code == 422
    assert detail(answer)
    assert ask(app, "PUT", f"/datasets/{IRON}/value", content=body).status_code == 405


def test_a_client_that_asks_for_all_gets_as_many_rows_as_it_was_told(app: Any, writer: TreeWriter) -> None:
    views = tree()

    async def go() -> None:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost", headers=BYTES) as client:

            async def rows(**params: str) -> httpx.Response:
                return await client.get(f"/datasets/{CURRENT}/value", params=params)

            assert (await client.get(f"/datasets/{CURRENT}")).json()["shape"]["dims"] == [5]
            views["current"].append(7)
            writer.publish(views, position=10, version=4)
            assert len((await rows()).content) == 5 * 4
            assert len((await rows(select="[0:6]")).content) == 6 * 4
            assert (await client.get(f"/datasets/{CURRENT}")).json()["shape"]["dims"] == [6]
            assert len((await rows()).content) == 6 * 4
            for other in (np.arange(3, dtype="i4"), np.arange(6.0), np.zeros((6, 2), "i4")):
                writer.publish({**views, "current": ArrayView.of(other)}, position=11, version=5)
                answer = await rows()
                assert answer.status_code == 409
                assert "/image/current is another one than this client knows" in answer.json()["detail"]
            client.cookies.clear()
            assert len((await rows()).content) == 6 * 2 * 4

    asyncio.run(go())


def test_a_slice_copies_no_more_than_itself(app: Any, writer: TreeWriter) -> None:
    size = 4096
    image = ArrayView.of(np.zeros((size, size)))  # 128 MiB
    image.set((17, slice(None)), np.arange(size))
    writer.publish({"map": {"Fe": image}}, position=1, version=4)
    del image
    assert value(app, IRON, select="[17,0:2]").status_code == 200  # what is made once is there
    tracemalloc.start()
    try:
        row = value(app, IRON, select="[17,0:4096]").content
        column = value(app, IRON, select="[0:4096,1]").content
        listed = value(app, IRON, select="[[5,17],0:4096]").content
        points = ask(app, "POST", f"/datasets/{IRON}/value", json={"points": [[17, 9]]}, headers=BYTES).content
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert np.frombuffer(row).tolist() == list(range(size))
    assert np.frombuffer(column).nonzero()[0].tolist() == [17]
    assert np.frombuffer(listed).reshape(2, size)[1, 9] == np.frombuffer(points)[0] == 9
    assert peak < 2 << 20


def test_more_than_an_answer_holds_is_refused(
    shown: tuple[TreeWriter, ShownViews], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hdf5_views, "MOST_BYTES", 15_000)
    monkeypatch.setattr(application_module, "MOST_JSON", 3)
    monkeypatch.setattr(application_module, "SMALL_BYTES", 100)
    app = application(shown[1], FakeLine())
    answer = value(app, IRON)
    assert answer.status_code == 413
    assert "/image/map/Fe: 16,000 bytes are asked for" in detail(answer)
    assert len(value(app, IRON, select="[0:20,:]").content) == 8000
    refused = ask(app, "GET", f"/datasets/{CURRENT}/value")
    assert refused.status_code == 413
    assert "5 elements as JSON; 3 at most" in detail(refused)


def test_an_answer_is_of_one_version(app: Any, writer: TreeWriter) -> None:
    views = tree()
    for version in range(4, 20):
        views["map"]["Fe"].set(..., version)
        writer.publish(views, position=version, version=version)
        answer = value(app, IRON)
        assert set(np.frombuffer(answer.content)) == {version}
        assert answer.headers["X-Penstock-Version"] == str(version)


def test_a_viewer_may_ask_for_points_and_give_its_token_as_a_password(app: Any) -> None:
    gate = Gate(app, "look", "turn", ("localhost",))
    body = {"points": [[1, 2]]}
    path = f"/datasets/{IRON}/value"
    assert ask(gate, "POST", path, json=body, auth=("anyone", "look")).json() == {"value": [52.0]}
    assert ask(gate, "POST", path, json=body, headers={"Authorization": "Bearer look"}).status_code == 200
    assert ask(gate, "GET", "/about", auth=("anyone", "turn")).status_code == 200
    for wrong in (("anyone", ""), ("look", "no"), ("", "")):
        assert ask(gate, "GET", "/about", auth=wrong).status_code == 401
    assert ask(gate, "GET", "/about", headers={"Authorization": "Basic %%%"}).status_code == 401
    assert ask(gate, "POST", "/api/v1/run/stop", json={}, auth=("anyone", "look")).status_code == 403
