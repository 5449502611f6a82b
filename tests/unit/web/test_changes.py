"""Viewers are told of changes: each as fast as it takes them, and nobody is looked after when nobody looks."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec
import numpy as np
import pytest

from penstock.core.feedback import Said
from penstock.views.shared_tree import TreeWriter
from penstock.web import changes as changes_module
from penstock.web.changes import Changes
from penstock.web.heard import Heard
from penstock.web.shown_views import ShownViews
from tests.unit.web.shown import FakeLine, published, tree

IRON = {"view": "image/map/Fe", "slice": "1,:3", "max_hz": 50}


class Viewer:
    """Somebody at the other end."""

    def __init__(self, changes: Changes) -> None:
        self.words: asyncio.Queue[str] = asyncio.Queue()
        self.texts: asyncio.Queue[Any] = asyncio.Queue()
        self.parts: asyncio.Queue[bytes] = asyncio.Queue()
        self.takes = asyncio.Event()
        self.takes.set()
        self.task = asyncio.create_task(changes.serve(self.words.get, self._text, self.parts.put))

    async def _text(self, text: str) -> None:
        await self.takes.wait()
        await self.texts.put(msgspec.json.decode(text))

    def watch(self, *watches: Any) -> None:
        self.words.put_nowait(msgspec.json.encode({"watch": list(watches)}).decode())

    async def told(self) -> Any:
        return await asyncio.wait_for(self.texts.get(), 10)

    async def part(self) -> Any:
        return np.frombuffer(await asyncio.wait_for(self.parts.get(), 10))

    async def leave(self) -> None:
        self.task.cancel()
        await asyncio.wait([self.task])


def tried(test: Callable[[TreeWriter, ShownViews], Coroutine[Any, Any, None]]) -> None:
    with published() as (writer, views):
        asyncio.run(test(writer, views))


def test_a_viewer_gets_what_there_is_and_then_every_change() -> None:
    async def test(writer: TreeWriter, views: ShownViews) -> None:
        viewer = Viewer(Changes(views))
        viewer.watch(IRON)
        head = await viewer.told()
        assert (head["view"], head["version"], head["shape"], head["dtype"]) == ("image/map/Fe", 3, [3], "<f8")
        assert (await viewer.part()).tolist() == [50, 51, 52]
        writer.publish(tree(2.0), position=10, version=4)
        assert (await viewer.told())["version"] == 4
        assert (await viewer.part()).tolist() == [100, 102, 104]
        assert viewer.texts.empty()
        await viewer.leave()

    tried(test)


def test_without_a_slice_only_the_change_is_told() -> None:
    async def test(writer: TreeWriter, views: ShownViews) -> None:
        viewer = Viewer(Changes(views))
        viewer.watch({"view": "image/map/Fe"})
        assert await viewer.told() == {"view": "image/map/Fe", "slice": None, "version": 3, "position": 9}
        assert viewer.parts.empty()
        await viewer.leave()

    tried(test)


def test_a_slow_viewer_misses_updates_and_nobody_else_does() -> None:
    async def test(writer: TreeWriter, views: ShownViews) -> None:
        changes = Changes(views)
        slow, quick = Viewer(changes), Viewer(changes)
        for viewer in (slow, quick):
            viewer.watch(IRON)
            assert (await viewer.told())["version"] == 3
        slow.takes.clear()
        for version in range(4, 12):
            writer.publish(tree(float(version)), position=version, version=version)
            assert (await quick.told())["version"] == version
        slow.takes.set()
        versions = [(await slow.told())["version"]]
        while versions[-1] != 11:
            versions.append((await slow.told())["version"])
        assert len(versions) <= 2
        await slow.leave()
        await quick.leave()

    tried(test)


def test_no_more_updates_are_sent_than_are_wanted() -> None:
    async def test(writer: TreeWriter, views: ShownViews) -> None:
        viewer = Viewer(Changes(views))
        viewer.watch({**IRON, "max_hz": 2})
        await viewer.told()
        began_s = asyncio.get_running_loop().time()
        for version in range(4, 30):
            writer.publish(tree(), position=version, version=version)
            await asyncio.sleep(0.005)
        assert (await viewer.told())["version"] == 29
        assert asyncio.get_running_loop().time() - began_s >= 0.45
        await viewer.leave()

    tried(test)


def test_what_two_viewers_want_alike_is_encoded_once() -> None:
    async def test(writer: TreeWriter, views: ShownViews) -> None:
        counted = Counted(views)
        changes = Changes(counted)  # type: ignore[arg-type]
        viewers = [Viewer(changes) for _ in range(20)]
        for viewer in viewers:
            viewer.watch(IRON)
        for viewer in viewers:
            await viewer.told()
        writer.publish(tree(2.0), position=10, version=4)
        for viewer in viewers:
            await viewer.told()
        assert counted.parts == 2
        for viewer in viewers:
            await viewer.leave()

    tried(test)


class Counted:
    def __init__(self, views: ShownViews) -> None:
        self._views = views
        self.parts = 0
        self.looks = 0

    def part(self, *arguments: Any, **options: Any) -> Any:
        self.parts += 1
        return self._views.part(*arguments, **options)

    def versions(self) -> dict[str, int]:
        self.looks += 1
        return self._views.versions()


def test_nobody_is_looked_after_when_nobody_looks() -> None:
    async def test(writer: TreeWriter, views: ShownViews) -> None:
        counted = Counted(views)
        changes = Changes(counted)  # type: ignore[arg-type]
        viewer = Viewer(changes)
        viewer.watch(IRON)
        await viewer.told()
        await viewer.leave()
        looks = counted.looks
        await asyncio.sleep(0.1)
        assert counted.looks == looks

    tried(test)


def test_a_wrong_wish_is_answered_and_the_viewer_stays() -> None:
    async def test(writer: TreeWriter, views: ShownViews) -> None:
        viewer = Viewer(Changes(views))
        for wrong in ("", "[]", "{", '{"watch": [{"view": 3}]}', '{"watch": [{"view": "a", "what": 1}]}'):
            viewer.words.put_nowait(wrong)
            assert "send {" in (await viewer.told())["problem"]
        viewer.watch({"view": "image/map/Cu", "slice": ""}, {**IRON, "slice": "99"})
        problems = [(await viewer.told())["problem"] for _ in range(2)]
        assert "did you mean" in problems[0]
        assert "99 is outside" in problems[1]
        writer.publish(tree(), position=10, version=4)
        await asyncio.sleep(0.3)
        assert viewer.texts.empty(), "the same is said once"
        viewer.watch({"view": "nobody/x", "slice": ""}, {"view": "later/x", "slice": ""})
        assert "no stage" in (await viewer.told())["problem"]
        viewer.watch(IRON)
        assert (await viewer.told())["version"] == 4
        await viewer.leave()

    tried(test)


def test_nothing_is_kept_of_what_nobody_follows_any_more() -> None:
    async def test(writer: TreeWriter, views: ShownViews) -> None:
        changes = Changes(views)
        viewer = Viewer(changes)
        for row in range(30):
            viewer.watch({**IRON, "slice": f"{row}"})
            assert (await viewer.told())["slice"] == f"{row}"
        assert len(changes._encoded) <= 2
        await viewer.leave()

    tried(test)


def test_what_is_kept_for_others_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes_module, "MOST_KEPT", 1000)  # two rows of 50 float64

    async def test(writer: TreeWriter, views: ShownViews) -> None:
        changes = Changes(views)
        viewer = Viewer(changes)
        viewer.watch(*({**IRON, "slice": f"{row}"} for row in range(30)))
        for row in range(30):
            assert (await viewer.told())["slice"] == f"{row}"
            assert len(await viewer.part()) == 50
        assert changes._kept_bytes() <= 1000
        await viewer.leave()

    tried(test)


@pytest.mark.parametrize(
    ("fewer", "expected"), [("max", [152.0, 155.0]), ("every", [50.0, 53.0]), (None, [101.0, 104.0])]
)
def test_a_viewer_says_what_becomes_of_several_elements(fewer: str | None, expected: list[float]) -> None:
    async def test(writer: TreeWriter, views: ShownViews) -> None:
        viewer = Viewer(Changes(views))
        viewer.watch(
            {"view": "image/map/Fe", "slice": "1:4,:6", "max_bytes": 16, **({"fewer": fewer} if fewer else {})}
        )
        head = await viewer.told()
        assert (head["shape"], head["every"], head["fewer"], head["max_bytes"]) == ([1, 2], 3, fewer or "mean", 16)
        assert (await viewer.part()).tolist() == expected
        viewer.watch({**IRON, "fewer": "median"})
        assert "fewer" in (await viewer.told())["problem"]
        await viewer.leave()

    tried(test)


def test_a_viewer_is_told_of_feedback_from_the_number_that_it_names() -> None:
    async def test(_: TreeWriter, views: ShownViews) -> None:
        line = FakeLine()
        for event in range(3):
            line.feedback.take(Said("next", "", event, 0, "fit"), "fit")
        viewer = Viewer(Changes(views, Heard(line, has_run=True)))  # type: ignore[arg-type]
        viewer.words.put_nowait('{"feedback": 1}')
        assert [(await viewer.told())["feedback"]["number"] for _ in range(2)] == [2, 3]
        line.feedback.take(Said("stop", "enough", None, 0, "sum"), "sum")
        for bell in line.bells:
            bell.set()
        assert (await viewer.told())["feedback"]["reason"] == "enough"
        await viewer.leave()
        await asyncio.sleep(0)
        assert line.bells == set()

    tried(test)
