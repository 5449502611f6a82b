"""How fast views are served while a run goes on, and what that costs the run."""

import json
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.effort import Effort
from bench.row import Row
from bench.web_code import BIG_SHAPE, shown
from penstock.client import connect
from penstock.services.usage import usage_of
from penstock.services.web_service import WebService

__all__ = ["large_rows", "small_rows", "viewers_rows"]

RECORDED_PEER_S = 0.017
"""dranspose 0.2.0, a slice of 2 kB of a view of 80 MB, on a machine of two cores."""
CLIENTS = 4
VIEWERS = 20
MB = 1e6


def small_rows(effort: Effort) -> Iterator[Row]:
    """Measure small slices of a large view."""
    path = f"/api/v1/data/show/big?slice=3,:{2000 // 8}"
    rates, p99s, memory = [], [], 0
    with _served(10.0) as web:
        for _ in range(effort.runs):
            rates.append(_asked(web, path, effort.span_s, CLIENTS)["rate"])
            p99s.append(_asked(web, path, effort.span_s, 1)["p99_s"])
        memory = _resident_bytes(web)
    yield Row(
        name=f"web_small: slices of 2 kB of a view of 80 MB, {CLIENTS} clients", value=statistics.median(rates),
        unit="requests/s", reference=1 / RECORDED_PEER_S, of="recorded: dranspose 0.2.0", target=3000,
    )  # fmt: skip
    yield Row(
        name="web_small: the same, one client, p99", value=statistics.median(p99s) * 1e3, unit="ms",
        reference=RECORDED_PEER_S * 1e3, of="recorded: dranspose 0.2.0", target=2, asks="at most",
    )  # fmt: skip
    yield _memory_row("after slices of 2 kB", memory)


def large_rows(effort: Effort) -> Iterator[Row]:
    """Measure slices of 4 MB."""
    rows = 4 * 1024 * 1024 // (8 * BIG_SHAPE[1])
    path = f"/api/v1/data/show/big?slice=100:{100 + rows}"
    speeds, limits = [], []
    with _served(10.0) as web:
        for _ in range(effort.runs):
            limits.append(_loopback_bytes_per_s(effort.span_s))
            found = _asked(web, path, effort.span_s, 1)
            speeds.append(found["bytes_per_s"])
        memory = _resident_bytes(web)
    yield Row(
        name="web_large: slices of 4 MB of a view of 80 MB", value=statistics.median(speeds) / 1e9, unit="GB/s",
        reference=statistics.median(limits) / 1e9, of="loopback TCP, one connection", target=2,
    )  # fmt: skip
    yield _memory_row("after slices of 4 MB", memory)


def viewers_rows(effort: Effort) -> Iterator[Row]:
    """Measure twenty pages that follow an image of one million pixels at 5 Hz."""
    seconds = max(5.0, 4 * effort.span_s)
    with _served(5.0) as web, connect(web.address) as seen:
        alone = _ticks_per_s(seen, seconds)
        before = _cpu_s(web)
        words = [web.address.replace("http", "ws") + "/api/v1/changes", "show/image", str(seconds), str(VIEWERS)]
        viewers = subprocess.Popen([sys.executable, "-m", "bench.web_viewers", *words], stdout=subprocess.PIPE)
        watched = _ticks_per_s(seen, seconds)
        found = json.loads(viewers.communicate()[0])
        cpu = (_cpu_s(web) - before) / seconds
    yield Row(
        name=f"web_viewers: {VIEWERS} of 1 Mpixel float64 at 5 Hz, processor of the web process", value=cpu,
        unit="cores", reference=0, of="", target=0.15, asks="at most",
    )  # fmt: skip
    yield Row(
        name="web_viewers: sent of a view at most", value=found["largest"] / 2**20, unit="MiB",
        reference=8, of="all of it", target=1, asks="at most",
    )  # fmt: skip
    yield Row(
        name="web_viewers: updates of the viewer with fewest", value=min(found["updates"]) / seconds, unit="/s",
        reference=5, of="published", target_ratio=0.8,
    )  # fmt: skip
    yield Row(
        name="web_viewers: speed of the run beside them", value=watched, unit="ticks/s", reference=alone,
        of="without viewers", target_ratio=0.95,
    )  # fmt: skip


def _memory_row(when: str, memory: int) -> Row:
    return Row(
        name=f"web_memory: resident, of the web process, {when}", value=memory / MB, unit="MB", reference=0, of="",
        target=120, asks="at most",
    )  # fmt: skip


@contextmanager
def _served(rate_hz: float) -> Iterator[WebService]:
    with WebService(port=0) as web, shown(rate_hz).start(web=web) as run:
        with connect(web.address) as seen:
            while "show/ticks" not in seen or float(seen["show/ticks"]) < 3:
                time.sleep(0.1)
        yield web
        run.stop()


def _asked(web: WebService, path: str, seconds: float, clients: int) -> dict[str, float]:
    host, port = web.address.removeprefix("http://").split(":")
    words = [sys.executable, "-m", "bench.web_client", host, port, path, str(seconds)]
    asking = [subprocess.Popen(words, stdout=subprocess.PIPE) for _ in range(clients)]
    answers: list[dict[str, Any]] = [json.loads(each.communicate()[0]) for each in asking]
    took = sorted(second for each in answers for second in each["took"])
    return {
        "rate": sum(each["count"] / each["seconds"] for each in answers),
        "bytes_per_s": sum(each["bytes"] / each["seconds"] for each in answers),
        "p99_s": took[int(0.99 * len(took))],
    }


def _ticks_per_s(seen: Any, seconds: float) -> float:
    before, begin = float(seen["show/ticks"]), time.monotonic()
    time.sleep(seconds)
    return (float(seen["show/ticks"]) - before) / (time.monotonic() - begin)


def _cpu_s(web: WebService) -> float:
    return usage_of(web.pid or 0).cpu_s


def _resident_bytes(web: WebService) -> int:
    """Return what is resident of its own, and of libraries; the views it has looked into are the run's."""
    status = Path(f"/proc/{web.pid}/status").read_text()
    sizes = {line.split(":")[0]: int(line.split()[1]) for line in status.splitlines() if line.startswith("Rss")}
    return 1024 * (sizes["RssAnon"] + sizes["RssFile"])


def _loopback_bytes_per_s(seconds: float) -> float:
    with socket.create_server(("127.0.0.1", 0)) as server:
        sender = socket.create_connection(server.getsockname())
        receiver, _ = server.accept()
    ended = threading.Event()

    def send() -> None:
        data = bytes(4 << 20)
        while not ended.is_set():
            sender.sendall(data)
        sender.close()

    thread = threading.Thread(target=send)
    thread.start()
    room, total, begin = bytearray(4 << 20), 0, time.perf_counter()
    while time.perf_counter() - begin < seconds:
        total += receiver.recv_into(room)
    took = time.perf_counter() - begin
    ended.set()
    while receiver.recv_into(room):
        pass
    thread.join()
    receiver.close()
    return total / took
