"""Moments of the past, and views as files: what was there then, and that it stays within its bounds."""

import csv
import io
from collections.abc import Iterator
from typing import Any

import h5py
import numpy as np
import pytest

from penstock.views.shared_tree import TreeWriter
from penstock.web.gate import Gate
from penstock.web.past import VIEW_BYTES, Past
from penstock.web.shown_views import ShownViews
from tests.unit.web.shown import FakeLine, application, ask, detail, published, tree


@pytest.fixture
def shown() -> Iterator[tuple[TreeWriter, ShownViews]]:
    with published() as found:
        yield found


def test_a_view_is_as_it_was(shown: tuple[TreeWriter, ShownViews]) -> None:
    writer, views = shown
    past = Past(views)
    app = application(views, FakeLine(), past=past)
    assert ask(app, "GET", "past").json()["times"] == []
    assert "no moment has been kept" in detail(ask(app, "GET", "past/image/count?time=5"))
    past.take(100.0)
    past.take(101.0)  # nothing has changed
    writer.publish({**tree(fill=2.0), "more": 1}, position=10, version=4)
    past.take(110.0)
    assert ask(app, "GET", "past").json()["times"] == [100.0, 110.0]
    then = ask(app, "GET", "past/image/map/Fe?time=105")
    assert then.headers["X-Penstock-Time"] == "100.000"
    assert np.frombuffer(then.content).reshape(40, 50)[2, 3] == 103
    now = ask(app, "GET", "past/image/map/Fe?time=1e12&format=json").json()
    assert now["data"][2][3] == 206
    assert ask(app, "GET", "past/image/note?time=105&format=json").json()["data"] == "steady"
    early = ask(app, "GET", "past/image/count?time=99")
    assert (early.status_code, "the first moment is 100.000" in detail(early)) == (404, True)
    assert ask(app, "GET", "past/image/more?time=105").status_code == 404


def test_moments_stay_within_their_bytes_and_reach_back_to_the_first(shown: tuple[TreeWriter, ShownViews]) -> None:
    writer, views = shown
    past = Past(views, most_bytes=100_000)
    for k in range(40):
        writer.publish({"image": np.full((100, 100), k)}, position=k, version=10 + k)
        past.take(float(k))
        assert past.nbytes <= 2 * VIEW_BYTES
    assert past.times_s[0] == 0
    assert past.times_s[-1] == 39
    assert past.every_s > 5
    writer.publish({"image": np.zeros((1000, 1000)), "stack": np.ones((3, 4, 5))}, position=90, version=90)
    past.take(90.0)
    large, _ = past.part("image/image", 90.0)
    assert large.array.nbytes <= VIEW_BYTES
    assert past.part("image/stack", 90.0)[0].array.shape == (4, 5)


def test_what_has_not_changed_is_kept_once(shown: tuple[TreeWriter, ShownViews]) -> None:
    writer, views = shown
    past = Past(views)
    past.take(1.0)
    alone = past.nbytes
    writer.publish(tree(), position=10, version=4)
    past.take(2.0)
    assert past.nbytes == alone
    writer.publish({**tree(), "count": 18}, position=11, version=5)
    past.take(3.0)
    assert past.nbytes == alone + 8
    assert [past.part("image/count", at_s)[0].array.item() for at_s in (2.0, 3.0)] == [17, 18]


def rows(answer: Any) -> list[list[str]]:
    return list(csv.reader(io.StringIO(answer.text)))


def test_a_view_is_taken_away_as_text(shown: tuple[TreeWriter, ShownViews]) -> None:
    app = application(shown[1], FakeLine())
    answer = ask(app, "GET", "files/image/current?format=csv")
    assert answer.headers["Content-Disposition"] == "attachment; filename*=UTF-8''image-current.csv"
    assert rows(answer) == [["number", "image/current (mA)"], *[[str(k), str(k)] for k in range(5)]]
    image = rows(ask(app, "GET", "files/image/map/Fe?format=csv&slice=:2,3:5"))
    assert image == [["y (µm)", "x 0 µm", "x 1 µm"], ["0.0", "3.0", "4.0"], ["1.0", "53.0", "54.0"]]
    assert rows(ask(app, "GET", "files/image/note?format=csv")) == [["image/note"], ["steady"]]
    assert rows(ask(app, "GET", "files/image/map/Fe?format=csv&slice=0,:1"))[1] == ["0", "nan"]


def test_a_view_is_taken_away_as_hdf5(shown: tuple[TreeWriter, ShownViews]) -> None:
    answer = ask(application(shown[1], FakeLine()), "GET", "files/image/map/Fe?format=hdf5&slice=10:20")
    with h5py.File(io.BytesIO(answer.content)) as file:
        dataset = file["image/map/Fe"]
        assert dataset.shape == (10, 50)
        assert dataset[1, 2] == 552
        assert dataset.attrs["units"] == "counts"
        assert file["image/map/y"][:].tolist() == list(range(10, 20))
        assert file.attrs["run"] == "r1"


def test_files_are_refused_in_words(shown: tuple[TreeWriter, ShownViews]) -> None:
    writer, views = shown
    writer.publish({"stack": np.zeros((2, 3, 4)), "large": np.zeros((2000, 1000))}, position=10, version=4)
    app = application(views, FakeLine())
    assert "3 dimensions" in detail(ask(app, "GET", "files/image/stack?format=csv"))
    assert ask(app, "GET", "files/image/large?format=csv").status_code == 413
    assert ask(app, "GET", "files/image/none?format=csv").status_code == 404
    gate = Gate(app, "look", "turn", ("localhost",))
    assert ask(gate, "GET", "files/image/stack?format=hdf5").status_code == 401
    assert ask(gate, "GET", "files/image/stack?format=hdf5&token=look").status_code == 200
