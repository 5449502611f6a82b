"""A writer that is killed at any moment leaves a whole tree, and its successor goes on from there."""

import os
import random
import subprocess
import sys

import pytest

from penstock.views.shared_tree import Published, TreeReader, make_files
from tests.unit.views import publishing


def _read(reader: TreeReader) -> Published | None:
    found = reader.read()
    if found is not None:
        wrong = publishing.offence(found)
        assert not wrong, f"{wrong} at {found.position}"
    return found


def _followed(reader: TreeReader, writer: "subprocess.Popen[bytes]", last: int, chance: random.Random) -> int:
    """Read until the writer has gone some way, and return how far it was seen to be."""
    target = last + chance.randrange(1, 400)
    position = last
    while position < target and writer.poll() is None:
        found = _read(reader)
        now = -1 if found is None else found.position
        assert now >= position
        position = now
    for _ in range(chance.randrange(2000)):
        reader.version  # noqa: B018  # some time, but not always the same
    return position


@pytest.mark.parametrize("seed", range(3))
def test_a_killed_writer_leaves_a_whole_tree(seed: int) -> None:
    chance = random.Random(seed)
    fds = make_files("cells")
    reader, last = TreeReader(fds), -1
    try:
        for _ in range(6):
            words = [sys.executable, publishing.__file__, *map(str, fds)]
            with subprocess.Popen(words, pass_fds=fds, stderr=subprocess.PIPE) as writer:
                try:
                    position = _followed(reader, writer, last, chance)
                finally:
                    writer.kill()
                assert writer.stderr is not None
                assert writer.stderr.read() == b""
            found = _read(reader)
            assert found is not None
            assert found.position >= position
            last = found.position
    finally:
        for fd in fds:
            os.close(fd)
