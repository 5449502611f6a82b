"""A program as a worker, as users write one: it reads each frame whole, and answers with its length. No library."""

import json
import sys


def main() -> None:
    """Answer until the standard input ends."""
    for line in sys.stdin.buffer:
        frame = json.loads(line)
        data = sys.stdin.buffer.read(frame["bytes"])
        if frame["kind"] == "event":
            sys.stdout.write(json.dumps({"number": frame["number"], "result": len(data)}) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
