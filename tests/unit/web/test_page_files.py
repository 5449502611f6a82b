"""Which page is served, the live or the plain one, and what the live one is made of."""

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from penstock.web import page_files
from penstock.web.gate import Gate
from tests.unit.web.shown import FakeLine, application, ask, published


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    (tmp_path / "page.html").write_text("<header></header>plain")
    monkeypatch.setattr(page_files, "files", lambda _: tmp_path)
    with published() as (_, views):
        yield application(views, FakeLine())


@pytest.fixture
def built(tmp_path: Path) -> Path:
    assets = tmp_path / "ui" / "assets"
    assets.mkdir(parents=True)
    (tmp_path / "ui/index.html").write_text("live")
    (assets / "index-1.js").write_text("1")
    (assets / ".hidden").write_text("2")
    return assets


@pytest.fixture
def root(app: Any) -> Any:
    return lambda path, of=app: ask(of, "GET", f"/{path}")


def test_the_plain_page_says_why_it_is_there(root: Any) -> None:
    for query in ("", "?plain=1"):
        assert "the live one was not built" in root(query).text


@pytest.mark.usefixtures("built")
def test_the_live_page_is_served_where_it_was_built_and_the_plain_one_to_who_wants_it(root: Any) -> None:
    assert root("").text == "live"
    assert root("?plain=1").text == "<header></header>plain"


@pytest.mark.usefixtures("built")
def test_what_the_page_is_made_of_needs_no_token_and_is_kept(app: Any, root: Any) -> None:
    gate = Gate(app, "look", "turn", ("localhost",))
    answer = root("assets/index-1.js", gate)
    assert (answer.status_code, answer.text) == (200, "1")
    assert "javascript" in answer.headers["content-type"]
    assert "immutable" in answer.headers["cache-control"]
    assert root("", gate).status_code == 401
    open_gate = Gate(app, "look", "turn", ("localhost",), is_page_open=True)
    assert root("", open_gate).text == root("?token=guessed", open_gate).text == "live"
    for guarded in ("?domain=/sum", "?plain=1", "?plain", "api/v1/run"):
        assert root(guarded, open_gate).status_code == 401
    for other in ("assets/none.js", "assets/.hidden", "assets/..%2Findex.html", "assets/%2e%2e%2findex.html"):
        assert root(other, gate).status_code == 404


def test_what_lies_there_compressed_is_sent_so_to_who_takes_it(app: Any, built: Path, root: Any) -> None:
    (built / "index-1.js.gz").write_bytes(gzip.compress(b"1 compressed"))
    assert root("assets/index-1.js").text == "1 compressed"  # the client says that it takes it
    plain = ask(app, "GET", "/assets/index-1.js", headers={"Accept-Encoding": "identity"})
    assert (plain.text, plain.headers.get("content-encoding"), plain.headers["vary"]) == ("1", None, "Accept-Encoding")
