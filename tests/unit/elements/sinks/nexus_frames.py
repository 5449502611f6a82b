"""Frames of one detector for tests of files, also for the processes they start."""

from pathlib import Path
from typing import Any

import numpy as np

from penstock.core.block import Block
from penstock.core.message import Message
from penstock.core.timestamp import Timestamp
from penstock.elements.sink import RunFacts

__all__ = ["facts", "frames"]


def facts(folder: Path | str, **other: Any) -> RunFacts:
    return RunFacts(
        pipeline="mx", run="r7", started=Timestamp(10**18), version="0.1", folder=str(folder), sink="file", **other
    )


def frames(first: int, count: int, shape: tuple[int, ...] = (20, 30), dtype: str = "u2") -> Block:
    messages = [
        Message(
            key=k, timestamp_ns=10**9 * k, array=np.full(shape, k, dtype),
            metadata={"exposure": k / 4, "name": f"frame {k}"},
        )
        for k in range(first, first + count)
    ]  # fmt: skip
    return Block.of("eiger", messages, first + 1)
