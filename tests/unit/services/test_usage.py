"""What processes use, and who descends from whom, of processes that are there."""

import os
import subprocess
import sys
import time

from penstock.services.usage import Gauge, cpu_s_of, descendants, name_of, usage_of


def test_children_and_theirs_are_found_and_named() -> None:
    code = "import subprocess, sys; subprocess.run(['sleep', '60'])"
    with subprocess.Popen([sys.executable, "-c", code]) as child:
        try:
            deadline = time.monotonic() + 60
            while "sleep" not in (names := [name_of(pid) for pid in descendants(os.getpid())]):
                assert time.monotonic() < deadline, names
            assert child.pid in descendants(os.getpid())
            assert len(descendants(os.getpid(), most=1)) == 1
            (sleeper,) = descendants(child.pid)
            assert usage_of(sleeper).max_rss_bytes > 0
        finally:
            for pid in [*descendants(child.pid), child.pid]:
                os.kill(pid, 9)


def test_of_who_has_gone_there_is_nothing_to_say() -> None:
    with subprocess.Popen(["true"]) as child:
        child.wait()
    assert (name_of(child.pid), cpu_s_of(child.pid), descendants(child.pid)) == ("", 0.0, [])
    assert usage_of(child.pid).private_bytes == 0


def test_a_gauge_counts_memory_less_often_the_longer_a_process_lives() -> None:
    gauge = Gauge()
    asked = []
    for second in range(40):
        before = gauge._known.get(os.getpid(), (0, -1, None))[1]
        assert gauge.of(os.getpid(), float(second)).private_bytes > 1 << 20
        if gauge._known[os.getpid()][1] != before:
            asked.append(second)
    assert asked == [0, 2, 6, 16, 26, 36]
    gauge.forget_all_but({0})
    assert not gauge._known
