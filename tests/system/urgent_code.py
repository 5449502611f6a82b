"""Two lanes of plain values: the urgent one gives something when somebody is at work on the other."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PATIENCE_S = 30.0
SLOW_S = 0.05


def low(n: int) -> Iterator[tuple[str, int]]:
    for number in range(n):
        yield "low", number


def high(n: int, folder: str) -> Iterator[tuple[str, int]]:
    wait_for(Path(folder, "begun"))
    for number in range(n):
        yield "high", number
    Path(folder, "given").touch()
    wait_for(Path(folder, "urgent"))


def wait_for(path: Path) -> None:
    until = time.monotonic() + PATIENCE_S
    while not path.exists():
        assert time.monotonic() < until, f"{path.name} never came"
        time.sleep(0.001)


def work(item: Any, folder: str, kills: bool = False) -> Any:
    """Write down what is begun; be slow with the low lane until the high one has had its turn."""
    lane, number = item.metadata["value"] if hasattr(item, "metadata") else item
    with Path(folder, "order").open("a") as file:
        file.write(f"{lane} {number}\n")
    if lane == "high":
        Path(folder, "urgent").touch()
        if kills and number == 1 and not Path(folder, "killed").exists():
            Path(folder, "killed").touch()
            os.kill(os.getpid(), signal.SIGKILL)
    elif not Path(folder, "urgent").exists():
        Path(folder, "begun").touch()
        wait_for(Path(folder, "given"))
        time.sleep(SLOW_S)
    return lane, number
