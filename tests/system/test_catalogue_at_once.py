"""Several processes make the catalogue of one store at the same moment."""

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

SAYS = """\
import sys
from pathlib import Path
from penstock.core.stream_address import StreamAddress
from penstock.streams.directory.catalogue import Catalogue

print("ready", flush=True)
sys.stdin.readline()
catalogue = Catalogue(Path(sys.argv[1]))
catalogue.change(StreamAddress("b"), lambda old: {**(old or {}), sys.argv[2]: True})
catalogue.close()
"""


def test_what_all_of_them_say_is_kept(tmp_path: Path) -> None:
    for turn in range(5):
        path = tmp_path / f"{turn}.sqlite"
        processes = [
            subprocess.Popen(
                [sys.executable, "-c", SAYS, str(path), str(k)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            )
            for k in range(4)
        ]  # fmt: skip
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        said = [process.communicate(timeout=60)[1] for process in processes]
        assert [process.returncode for process in processes] == [0] * 4, said
        with closing(sqlite3.connect(path)) as database:
            (found,) = database.execute("SELECT value FROM metadata").fetchone()
        assert all(f'"{k}"' in found for k in range(4))
