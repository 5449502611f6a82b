"""What a reader finds is what was published, whatever was done to the views in between."""

import fcntl
import mmap
import os
import random
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from penstock.errors import PenstockError, RemoteProtocolError, ResultTypeError
from penstock.views import ArrayView, Axis, array_of, attributes_of, walk
from penstock.views import shared_layout as layout
from penstock.views.shared_tree import TreeReader, TreeWriter, make_files

Files = tuple[int, ...]


@pytest.fixture
def files() -> Iterator[Files]:
    fds = make_files("image")
    yield fds
    for fd in fds:
        os.close(fd)


def _same(found: Any, published: Any) -> bool:
    if isinstance(published, Mapping):
        return list(found) == list(published) and all(_same(found[name], published[name]) for name in published)
    if isinstance(published, list):
        return len(found) == len(published) and all(map(_same, found, published))
    if not isinstance(published, ArrayView):
        return type(found) is type(published) and bool(np.array_equal(found, published))
    assert isinstance(found, ArrayView)
    assert found.attributes == published.attributes
    assert (found.dtype, found.shape, found.grows) == (published.dtype, published.shape, published.grows)
    assert np.array_equal(found.fill, published.fill, equal_nan=True)
    for axis, other in zip(found.axes, published.axes, strict=True):
        assert (axis.name, axis.unit) == (other.name, other.unit)
        assert np.array_equal(axis.values, other.values)  # type: ignore[arg-type]  # None equals None
    return found.array.tobytes() == published.array.tobytes()


PLAIN: list[Any] = [None, True, 3, 2.5, "µ", b"b", np.float32(2), np.arange(5), [1, "x"], list("ab") * 900]
WRONG: Any = [1, "x"]
"""What NumPy may write a part of, before it finds that the rest is no number."""


class Trees(RuleBasedStateMachine):
    """Any order of changes, publications, new writers and readers that hold a buffer."""

    @initialize()
    def begin(self) -> None:
        self.fds = make_files("any")
        self.now = 1
        self.writer, self.reader = TreeWriter(self.fds, lambda: self.now), TreeReader(self.fds, lambda: self.now)
        self.head = layout.Head(self.fds[0])
        axes = (Axis("y", "mm", np.arange(9.0)), "x")
        self.fixed = ArrayView((9, 3), fill=np.nan, unit="counts", axes=axes, title="map")
        self.tree: dict[str, Any] = {"fixed": self.fixed, "inner": {"growing": ArrayView((None, 2), "i4", fill=-1)}}
        self.number = 0
        self.is_published = False

    def teardown(self) -> None:
        for fd in getattr(self, "fds", ()):
            os.close(fd)

    @property
    def growing(self) -> ArrayView:
        view = self.tree["inner"]["growing"]
        assert isinstance(view, ArrayView)
        return view

    @rule(row=st.integers(-9, 8), value=st.floats(-9, 9))
    def set_row(self, row: int, value: float) -> None:
        self.fixed.set(row, value)

    @rule(row=st.integers(0, 8), column=st.integers(0, 2))
    def add(self, row: int, column: int) -> None:
        self.fixed.add((row, column), 1.0)

    @rule(count=st.integers(1, 70))
    def append(self, count: int) -> None:
        for number in range(count):
            self.growing.append((number, len(self.growing)))

    @rule(beyond=st.integers(0, 80), value=st.integers(0, 99))
    def set_beyond(self, beyond: int, value: int) -> None:
        self.growing.set(len(self.growing) + beyond, value)

    @rule(beyond=st.integers(0, 80))
    def fail(self, beyond: int) -> None:
        with pytest.raises((ValueError, TypeError)):
            self.growing.set(len(self.growing) + beyond, WRONG)
        with pytest.raises((ValueError, TypeError)):
            self.fixed.set((3, slice(2)), WRONG)
        with pytest.raises((ValueError, TypeError)):
            self.growing.append(WRONG)

    @rule(rows=st.integers(0, 200))
    def restore(self, rows: int) -> None:
        self.growing.restore(np.arange(2 * rows, dtype="i4").reshape(rows, 2))

    @rule(name=st.sampled_from("abc"), rows=st.integers(0, 30), dtype=st.sampled_from(["f8", "u1", "S5", "M8[ns]"]))
    def put_view(self, name: str, rows: int, dtype: str) -> None:
        view = ArrayView((rows, 2), dtype)
        self.tree[name] = self.tree["inner"][name] = view

    @rule(name=st.sampled_from("abc"))
    def take_view(self, name: str) -> None:
        self.tree.pop(name, None)

    @rule(title=st.sampled_from(["", "other"]))
    def rename(self, title: str) -> None:
        self.fixed.title = title

    @rule(
        value=st.sampled_from([None, True, 3, 2.5, "µ", b"b", np.float32(2), np.arange(5), [1, "x"], list("ab") * 900])
    )
    def put_plain(self, value: Any) -> None:
        self.tree["inner"]["plain"] = value

    @rule()
    def put_list(self) -> None:
        self.tree["views"] = [self.fixed, [self.growing, {1: self.fixed}]]

    @rule(state=st.sampled_from([b"", b"state", b"x" * 9000]))
    def publish(self, state: bytes) -> None:
        self.number += 1
        self.writer.publish(self.tree, position=self.number, version=-self.number, state=state)
        self.state = state
        self.is_published = True
        found = self.reader.read()
        assert found is not None
        assert (found.position, found.version, found.state) == (self.number, -self.number, state)
        assert _same(found.tree, self.tree)
        assert self.reader.version == -self.number

    @precondition(lambda self: self.is_published)
    @rule()
    def hold(self) -> None:
        current = self.head.current()
        assert current is not None
        self.head.pin(current, self.now + 10)

    @rule(step=st.integers(1, 20))
    def wait(self, step: int) -> None:
        self.now += step

    @rule()
    def die(self) -> None:
        self.writer = TreeWriter(self.fds, lambda: self.now)

    @precondition(lambda self: self.is_published)
    @rule()
    def die_while_publishing(self) -> None:
        writer = TreeWriter(self.fds, lambda: self.now)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(layout.Head, "finish", _die)
            with pytest.raises(InterruptedError):
                writer.publish({"other": self.fixed}, position=0, version=0)
        self.die()

    @invariant()
    def what_was_published_stays(self) -> None:
        if getattr(self, "is_published", False):
            found = self.reader.read()
            assert found is not None
            assert (found.position, found.state) == (self.number, self.state)


def _die(*arguments: object) -> None:
    raise InterruptedError


class TestTrees(Trees.TestCase):  # type: ignore[misc, valid-type]  # made by hypothesis
    settings = settings(max_examples=100, stateful_step_count=50)


def test_before_the_first_publication_there_is_nothing(files: Files) -> None:
    reader = TreeReader(files)
    assert reader.read() is None
    assert reader.version is None


def test_sinks_read_it_as_the_reducers_own(files: Files) -> None:
    tree = {"map": ArrayView((2, 2), unit="counts", axes=("y", "x")), "n": 3, "names": ["a", "b"]}
    TreeWriter(files).publish(tree, position=0, version=0)
    found = TreeReader(files).read()
    assert found is not None
    for (path, leaf), (other_path, other) in zip(walk(found.tree), walk(tree), strict=True):
        assert path == other_path
        assert np.array_equal(array_of(leaf), array_of(other))
        assert attributes_of(leaf) == attributes_of(other)


def test_what_was_read_does_not_change(files: Files) -> None:
    view = ArrayView((3,), "i8")
    writer, reader = TreeWriter(files), TreeReader(files)
    writer.publish({"view": view}, position=0, version=0)
    found = reader.read()
    for number in range(1, 5):
        view.set(..., number)
        writer.publish({"view": view}, position=number, version=number)
    assert found is not None
    assert found.tree["view"].array.tolist() == [0, 0, 0]
    found.tree["view"].set(0, 9)  # it is the reader's own


def test_what_is_said_of_a_view_may_change(files: Files) -> None:
    view, writer, reader = ArrayView((3,), "i8"), TreeWriter(files), TreeReader(files)
    for number in range(9):
        view.title, view.axes = f"until {number // 3}", (Axis(f"x{number // 3}"),)
        writer.publish({"view": view}, position=number, version=number)
        found = reader.read()
        assert found is not None
        assert found.tree["view"].attributes == view.attributes


def test_what_a_failed_write_left_is_seen(files: Files) -> None:
    view, writer, reader = ArrayView((6,), "i8"), TreeWriter(files), TreeReader(files)
    for number in range(4):
        writer.publish({"view": view}, position=number, version=number)
    with pytest.raises(ValueError, match="invalid literal"):
        view.set(slice(2, 4), WRONG)
    assert view.array.tolist() == [0, 0, 1, 0, 0, 0]  # NumPy writes what it can
    writer.publish({"view": view}, position=9, version=9)
    found = reader.read()
    assert found is not None
    assert found.tree["view"].array.tolist() == view.array.tolist()


def test_arrays_lie_where_vector_instructions_like_them(files: Files) -> None:
    tree = {"a": ArrayView((3,), "u1"), "b": ArrayView((None, 3), "f4"), "c": ArrayView((), "i8")}
    writer = TreeWriter(files)
    writer.publish(tree, position=0, version=0)
    assert all(place.at % 64 == 0 for buffer in writer._buffers for place in buffer._places)


def test_only_what_was_touched_is_copied(files: Files) -> None:
    view = ArrayView((1000, 10), "i8")
    writer = TreeWriter(files)
    for number in range(4):
        writer.publish({"view": view}, position=number, version=0)
    for buffer in writer._buffers[:2]:
        buffer._places[0].room[:] = -1
    view.set(7, 1)
    writer.publish({"view": view}, position=5, version=0)
    view.set(9, 2)
    writer.publish({"view": view}, position=6, version=0)
    found = TreeReader(files).read()
    assert found is not None
    assert sorted(set(found.tree["view"].array.flat)) == [-1, 0, 1, 2]
    assert np.flatnonzero(found.tree["view"].array[:, 0] != -1).tolist() == [7, 8, 9]


def test_the_third_buffer_takes_no_memory_unless_a_reader_holds_one(files: Files) -> None:
    now = 0
    view = ArrayView((1000, 100))
    writer = TreeWriter(files, lambda: now)
    for number in range(5):
        writer.publish({"view": view}, position=number, version=number)
    assert os.fstat(files[3]).st_size == mmap.PAGESIZE
    head = layout.Head(files[0])
    for number in range(5):  # whichever is held, it stays as it is
        current = head.current()
        assert current is not None
        head.pin(current, now + 100)
        sequence = head.sequence(current)
        writer.publish({"view": view}, position=number, version=number)
        writer.publish({"view": view}, position=number, version=number)
        assert head.sequence(current) == sequence
        now += 101


def test_a_wish_that_makes_no_sense_is_passed_over(files: Files) -> None:
    head, writer = layout.Head(files[0]), TreeWriter(files, lambda: 5)
    for number in range(layout.BUFFERS):
        head.pin(number, 1 << 62)
    for number in range(4):
        writer.publish({}, position=number, version=number)
    assert os.fstat(files[3]).st_size == mmap.PAGESIZE


def test_a_reader_that_is_always_overtaken_says_so(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = TreeWriter(files)
    writer.publish({"n": 1}, position=0, version=0)
    reader = TreeReader(files)
    numbers = iter(range(0, 10**6, 2))
    monkeypatch.setattr(layout.Head, "sequence", lambda head, buffer: next(numbers))
    with pytest.raises(PenstockError, match="changed 100 times while it was read"):
        reader.read()


def test_memory_does_not_grow_without_end(files: Files) -> None:
    writer, stays = TreeWriter(files), ArrayView((100,))
    for number in range(300):  # views made anew each time, of changing sizes
        tree = {"stays": stays} | {name: ArrayView((number % 7 + 1, 100)) for name in "abc"}
        writer.publish(tree, position=number, version=number)
    assert sum(os.fstat(fd).st_size for fd in files) < 200_000


def test_views_that_are_replaced_in_turn_leave_no_holes(files: Files) -> None:
    writer, tree = TreeWriter(files), {"a": ArrayView((9, 100)), "b": ArrayView((9, 100))}
    for number in range(300):
        tree["ab"[number // 2 % 2]] = ArrayView((9, 100), fill=number)
        writer.publish(tree, position=number, version=number)
    assert sum(os.fstat(fd).st_size for fd in files) < 200_000
    found = TreeReader(files).read()
    assert found is not None
    assert _same(found.tree, tree)


@pytest.mark.parametrize(
    ("tree", "says"),
    [
        ({"a": {"b": object()}}, r"view a/b: result is a object"),
        ({"a": [1, {2: len}]}, r"view a: result\[1\]\[2\] is a builtin_function_or_method"),
        ({"a": ArrayView((2,), object)}, "view a has dtype object; declare it as numbers or text"),
        ({"a/b": 1}, "'a/b' cannot name a view"),
        ({"a": {3: 1}}, "3 cannot name a view"),
        ({"": 1}, "'' cannot name a view"),
    ],
)
def test_what_cannot_be_published_is_named(files: Files, tree: Any, says: str) -> None:
    writer, view = TreeWriter(files), ArrayView((2,))
    writer.publish({"view": view}, position=1, version=1)
    view.set(0, 1)
    with pytest.raises(ResultTypeError, match=says):
        writer.publish({"view": view, **tree}, position=2, version=2)
    found = TreeReader(files).read()
    assert found is not None
    assert (found.position, found.tree["view"].array.tolist()) == (1, [0.0, 0.0])
    writer.publish({"view": view}, position=3, version=3)
    found = TreeReader(files).read()
    assert found is not None
    assert found.tree["view"].array.tolist() == [1.0, 0.0]


def test_no_room_leaves_what_was_published(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = TreeWriter(files)
    writer.publish({"n": 1}, position=1, version=1)
    monkeypatch.setattr(layout, "free_bytes", lambda: 100)
    view = ArrayView((1000, 1000))
    with pytest.raises(PenstockError, match=r"[\d,]+ bytes more asked for, 100 free"):
        writer.publish({"view": view}, position=2, version=2)
    monkeypatch.undo()
    reader = TreeReader(files)
    assert reader.version == 1
    for position in range(3, 6):
        writer.publish({"view": view}, position=position, version=position)
        found = reader.read()
        assert found is not None
        assert _same(found.tree, {"view": view})


@pytest.mark.parametrize("name", ["", "ä" * 300, "a/b", "nul\0"])
def test_any_name_will_do_and_none_is_left(name: str) -> None:
    fds = make_files(name)
    assert all(not os.get_inheritable(fd) for fd in fds)
    for fd in fds:
        with pytest.raises(PermissionError):
            os.ftruncate(fd, 0)
        os.close(fd)


def _other(size: int, seals: int) -> int:
    fd = os.memfd_create("other", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(fd, size)
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, seals)
    return fd


@pytest.mark.parametrize(("size", "seals"), [(4096, 0), (100, fcntl.F_SEAL_SHRINK), (4096, fcntl.F_SEAL_SHRINK)])
@pytest.mark.parametrize("opened", [TreeReader, TreeWriter])
def test_other_memory_is_refused(opened: Any, size: int, seals: int) -> None:
    fds = [_other(size, seals) for _ in range(4)]
    try:
        with pytest.raises(RemoteProtocolError):
            opened(fds)
        with pytest.raises(ValueError, match="make_files returns 4"):
            opened(fds[:2])
    finally:
        for fd in fds:
            os.close(fd)


def test_damage_is_an_error_and_never_a_crash() -> None:
    chance = random.Random(0)
    tree = {"map": ArrayView((5, 4), axes=(Axis("y", "mm", np.arange(5.0)), "x")), "n": [1, 2], "g": ArrayView((None,))}
    outcomes = set()
    for _ in range(400):
        fds = make_files("damaged")
        try:
            TreeWriter(fds).publish(tree, position=1, version=1, state=b"state")
            reader = TreeReader(fds)
            which = chance.choice([0, 1])  # the first publication is in the first buffer
            at = chance.choice([64, 128 + 8 * chance.randrange(8)]) if which == 0 else chance.randrange(800)
            damage = chance.choice([b"\xff" * 8, bytes(8), chance.randbytes(8), chance.randbytes(1)])
            os.pwrite(fds[which], damage, at)
            outcomes.add(type(reader.read()).__name__)
        except PenstockError as error:
            outcomes.add(type(error).__name__)
        finally:
            for fd in fds:
                os.close(fd)
    assert "RemoteProtocolError" in outcomes
    assert outcomes <= {"RemoteProtocolError", "PenstockError", "Published", "NoneType"}
