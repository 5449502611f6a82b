"""Write map.json, which says which images go to whom: blocks of ten, the first of each to the block before it as well.

``python make_map.py 200``
"""

import json
import sys
from pathlib import Path

BLOCK = 10


def text(n: int) -> str:
    """Return the trigger map of n images, a cell a line: equal constraint, same worker."""
    blocks = [sorted({frame // BLOCK, max(frame - 1, 0) // BLOCK}) for frame in range(n)]
    cells = [[{"constraint": block} for block in those] for those in blocks]
    return '{"camera": [\n' + ",\n".join(map(json.dumps, cells)) + "\n]}\n"


if __name__ == "__main__":
    Path(__file__).with_name("map.json").write_text(text(int(sys.argv[1])))
