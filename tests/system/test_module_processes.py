"""Datasets whose parts come from processes of their own, and members of a group that are processes, too."""

import subprocess
import sys
from pathlib import Path

import penstock

PARTS, N = 3, 500
RUN = "c2026/eiger/run 7"
SENDS = Path(__file__).with_name("module_process.py")


def test_processes_send_parts_and_another_puts_them_together(tmp_path: Path) -> None:
    folder = tmp_path / "store"
    senders = [
        subprocess.Popen([sys.executable, SENDS, folder, RUN, str(part), str(PARTS), str(N)])
        for part in range(1, PARTS + 1)
    ]
    try:
        with penstock.open_store(folder, make=True) as store, store.datasets(RUN, parts=PARTS) as datasets:
            found = list(datasets.follow(timeout_s=50, patience_s=50))
            info = datasets.info
    finally:
        for sender in senders:
            sender.kill()
            sender.wait()
    assert [dataset.id for dataset in found] == list(range(1, N + 1))
    for dataset in found:
        assert {part: int(message.array[7]) for part, message in dataset.parts.items()} == {
            part: 100 * dataset.id + part for part in range(1, PARTS + 1)
        }
    assert (info.state, info.count, info.missing) == ("finished", N, 0)


def test_a_producer_that_was_killed_leaves_a_stream_that_goes_on(tmp_path: Path) -> None:
    folder = tmp_path / "store"
    sender = subprocess.Popen([sys.executable, SENDS, folder, RUN, "1", "1", "100000000"])
    try:
        with penstock.open_store(folder, make=True) as store, store.datasets(RUN, parts=1) as datasets:
            for _, _ in zip(range(100), datasets.follow(timeout_s=50), strict=False):
                pass
            sender.kill()
            sender.wait()
            info = store.info(RUN)
            assert (info.state, info.missing) == ("stalled", 0)
            with store.producer(RUN) as out:
                again = out.send(datasets.get(7).parts[1].array, id=7, part=(1, 1)).wait()
                assert again.kind == "duplicate"
                assert out.send(b"", id=info.last_id + 1, part=(1, 1)).wait().kind == "stored"
                out.finish()
            assert store.info(RUN).count == info.count + 1
    finally:
        sender.kill()
        sender.wait()
