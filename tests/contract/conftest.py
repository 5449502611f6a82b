"""What conformance runs share: no waiting for the disk."""

import os

import pytest


@pytest.fixture(autouse=True)
def no_wait_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let what is synced stay in memory: a kill cannot tell the difference, and a test can bring about no power loss.

    What happens when a sync fails is tested in tests/unit/streams/directory, whose syncs are real.
    """
    for name in ("fsync", "fdatasync"):
        monkeypatch.setattr(os, name, lambda _fd: None)
