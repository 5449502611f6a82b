"""A program that stays and has its days; it needs nothing but Python.

Of the messages that it is given, whose keys are its numbers, some kill it, once or always, and some make it hang.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path


def main(folder: Path) -> None:
    """Answer the sum of each frame's bytes."""
    for line in sys.stdin.buffer:
        frame = json.loads(line)
        data = sys.stdin.buffer.read(frame["bytes"])
        if frame["kind"] != "event":
            continue
        key = frame["item"]["key"]
        if key % 20 == 7 and _is_first(folder / f"died-{key}"):
            os.kill(os.getpid(), signal.SIGKILL)
        if key == 33:
            sys.exit("33 cannot be borne")
        if key == 44 and _is_first(folder / "hung"):
            time.sleep(3600)
        answer = {"number": frame["number"], "result": {"key": key, "sum": sum(data), "pid": os.getpid()}}
        sys.stdout.buffer.write(json.dumps(answer).encode() + b"\n")
        sys.stdout.buffer.flush()


def _is_first(mark: Path) -> bool:
    try:
        mark.touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


if __name__ == "__main__":
    main(Path(sys.argv[1]))
