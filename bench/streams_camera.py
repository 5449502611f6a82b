"""What a camera asks of a store: frames recorded and read at once by others, in time, for long; and small messages."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.children import children
from bench.effort import Effort
from bench.row import Row
from bench.stream_disk import GB, MB, disk_folder, followed_s

__all__ = ["camera_rows", "latency_rows"]

RATE_HZ = 100
FRAME_BYTES = 8 * MB
READERS = 2
KEPT_BYTES = 8 * GB
LATE_BYTES = GB
"""By which there may be more: a segment of 256 MB that grows, and what is appended until retention has looked."""
BARE_FRAMES = 100
GROWTH_BYTES = 64 * MB
"""Of memory of its own that a process may take more at the end than after a fifth of the time: 8 frames."""


def latency_rows(effort: Effort) -> Iterator[Row]:
    """Measure how long small messages take to another process, while frames are recorded in the same store."""
    seconds = max(3.0, 4 * effort.span_s)
    with disk_folder(int(seconds * 2 * 10 * FRAME_BYTES)) as folder:
        store = str(folder / "store")
        with children(
            [
                ("bench.streams_recorder", store, "frames", str(FRAME_BYTES), "10", str(seconds + 1), "0"),
                ("bench.streams_recorder", store, "small", "1024", "1000", str(seconds), "0"),
                ("bench.streams_reader", store, "small"),
            ]
        ) as (frames, small, reader):
            for child in (frames, small, reader):
                child.heard()
            for child in (reader, frames, small):
                child.tell("go")
            sent, _ = small.heard(), frames.heard()
            found = reader.heard()
    if found["count"] != sent["count"]:
        raise RuntimeError(f"{sent['count']} messages were sent, and {found['count']} came")
    for name, key, target in (("p50", "p50_s", 1.0), ("p99", "p99_s", 5.0)):
        yield Row(
            name=f"streams_latency: 1 kB at 1 kHz, beside 10 frames/s, {name}",
            value=found[key] * 1e3, unit="ms", reference=0, of="", target=target, asks="at most",
        )  # fmt: skip


def camera_rows(effort: Effort) -> Iterator[Row]:
    """Measure frames recorded at a camera's pace under a limit of size, and read by two others meanwhile.

    For a minute under 8 GB, for ten with ``--long``; with ``--quick`` for some seconds under a part of that, so that it
    counts there, too.
    """
    seconds = effort.camera_s
    kept = KEPT_BYTES if seconds >= Effort(engine="").camera_s else 2 * GB
    with disk_folder(kept + LATE_BYTES + GB) as folder:
        bare = {is_cached: _bare_hz(folder, is_cached=is_cached) for is_cached in (True, False)}
        found = _recorded(folder, seconds, kept)
    recorder, *readers = found["said"]
    what = f"streams_camera: 8 MB × {RATE_HZ} Hz, {seconds:.0f} s, {READERS} readers, {kept / GB:.0f} GB kept"
    yield Row(
        name=f"{what}: recorded", value=recorder["count"] / recorder["seconds"], unit="frames/s", reference=RATE_HZ,
        of="asked", target_ratio=0.98,
    )  # fmt: skip
    for how, is_cached in (("through the page cache", True), ("past it, and back from the disk", False)):
        yield Row(
            name=f"streams_camera: the same bytes by a bare program, {how}", value=bare[is_cached], unit="frames/s",
            reference=RATE_HZ, of="asked",
        )  # fmt: skip
    for name, value in (
        ("recorded late by", recorder["late_s"] * 1e3),
        ("read, p99 behind", max(reader["p99_s"] for reader in readers) * 1e3),
    ):
        yield Row(name=f"streams_camera: {name}", value=value, unit="ms", reference=0, of="")
    lost = sum(recorder["count"] - reader["count"] + reader["skipped"] + reader["torn"] for reader in readers)
    yield Row(
        name="streams_camera: frames lost, by both readers", value=lost, unit="frames", reference=0, of="", target=0,
        asks="at most",
    )  # fmt: skip
    yield Row(
        name="streams_camera: memory that grew most, of a process", unit="MB", reference=0, of="",
        value=max(each["grown_bytes"] for each in found["said"]) / 1e6, target=GROWTH_BYTES / 1e6, asks="at most",
    )  # fmt: skip
    yield Row(
        name="streams_camera: disk used at most", value=found["most_bytes"] / GB, unit="GB", reference=kept / GB,
        of="what is to be kept", target=(kept + LATE_BYTES) / GB, asks="at most",
    )  # fmt: skip


def _bare_hz(folder: Path, *, is_cached: bool) -> float:
    return BARE_FRAMES / followed_s(folder, FRAME_BYTES, BARE_FRAMES, READERS, is_cached=is_cached)


def _recorded(folder: Path, seconds: float, kept: int) -> dict[str, Any]:
    store = str(folder / "store")
    words = ["bench.streams_recorder", store, "frames", str(FRAME_BYTES), str(RATE_HZ), str(seconds), str(kept)]
    with children([words, *[("bench.streams_reader", store, "frames")] * READERS]) as (recorder, *readers):
        for child in (recorder, *readers):
            child.heard()
        for child in (*readers, recorder):
            child.tell("go")
        said = [child.heard() for child in (recorder, *readers)]
    return {"said": said, "most_bytes": said[0]["most_bytes"]}
