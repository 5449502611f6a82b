"""Meter and progress on a real terminal: one display for all, with what is printed above it."""

import sys
from collections.abc import Callable
from pathlib import Path

from pictures.terminal import Terminal, lines
from tests.system.commands import COMMAND

TWO = """
import sys
import time
from pathlib import Path
from penstock.elements.steps.meter import Meter
from penstock.elements.steps.progress import Progress

progress, meter = Progress(total=8, label="frames"), Meter("I0", unit="A", low=0, high=2)
for number in range(4):
    progress(number)
    meter({"I0": 0.5})
    print("item", number)
while not Path("go").exists():
    time.sleep(0.002)
    meter({"I0": 1.0})
progress.close()
meter.close()
print("end")
"""

OTHER = """
import sys
from penstock.elements.steps.progress import Progress
from penstock.elements.terminal_display import TERMINAL
step = Progress()
step(None)
print(sys.stderr.isatty(), type(TERMINAL._surface).__name__)
step.close()
"""


def _shows(*wanted: str) -> Callable[[list[str]], bool]:
    def is_shown(found: list[str]) -> bool:
        written = [line for line in found if line]
        return len(written) >= len(wanted) and all(map(str.startswith, written[-len(wanted) :], wanted))

    return is_shown


def test_two_steps_and_what_is_printed(tmp_path: Path) -> None:
    with Terminal([sys.executable, "-c", TWO], tmp_path, columns=70, rows=12) as terminal:
        frames, current = "frames  4 of 8  [##########----------]  50 %  ", "I0      1 A  [##########----------]  "
        assert terminal.shows(_shows("item 3", frames, current))
        assert lines(terminal.screen)[:4] == [f"item {number}" for number in range(4)]
        assert _has_no_cursor(terminal)
        (tmp_path / "go").touch()
        assert terminal.end() == 0
        assert not _has_no_cursor(terminal)
        found = [line for line in lines(terminal.screen) if line]
    assert found[:4] == [f"item {number}" for number in range(4)]
    assert found[4].startswith("frames  4 of 8 in ")
    assert found[5].startswith("I0  1 A  [##########----------]  (")
    assert found[6:] == ["end"]


def test_a_narrow_terminal_is_not_torn(tmp_path: Path) -> None:
    with Terminal([sys.executable, "-c", TWO], tmp_path, columns=24, rows=12) as terminal:
        assert terminal.shows(_shows("item 3", "frames  4 of 8  [#####", "I0      1 A  [########"))
        assert len([line for line in lines(terminal.screen) if line]) == 6


def test_another_process_does_not_draw_over_it(tmp_path: Path) -> None:
    asking = "with open('said', 'w') as out: subprocess.run([sys.executable, 'other.py'], stdout=out, check=True)\n"
    (tmp_path / "other.py").write_text(OTHER)
    (tmp_path / "both.py").write_text("import subprocess\n" + TWO.replace("while not", f"{asking}while not"))
    with Terminal([sys.executable, "both.py"], tmp_path, columns=70, rows=14) as terminal:
        assert terminal.shows(_shows("frames  4 of 8", "I0      1 A"))  # which it is only when the other has ended
        assert (tmp_path / "said").read_text() == "True _Plain\n"
        assert _has_no_cursor(terminal)


def _has_no_cursor(terminal: Terminal) -> bool:
    return bool(terminal.screen.cursor.hidden)


COUNTDOWN = """
import time
from pathlib import Path
from penstock.core import Message
from penstock.elements import Source, Traits

class Countdown(Source):
    traits = Traits(number="n", has_start=False, has_end=False)

    def __init__(self, start: int) -> None:
        self.left = start

    def read(self, now_ns):
        if self.left == 1 and not Path("go").exists():
            return self.reading([], now_ns)
        self.left -= 1
        message = Message(timestamp_ns=now_ns, metadata={"left": self.left})
        return self.reading([message], now_ns, ended=not self.left)

def left(message):
    return message.metadata["left"]
"""

PIPELINE = """
sources:
  n: {use: "countdown:Countdown", start: 5}
stages:
  watch: {from: n, steps: ["countdown:left", {meter: {label: still}}, {progress: {total: 5}}]}
"""


def test_below_the_ledger_of_a_run(tmp_path: Path) -> None:
    (tmp_path / "countdown.py").write_text(COUNTDOWN)
    (tmp_path / "p.yaml").write_text(PIPELINE)
    words = [*COMMAND, "run", "p.yaml", "--engine", "inline"]
    with Terminal(words, tmp_path, columns=110, rows=30) as terminal:
        rows = _shows("still     1", "progress  4 of 5  [################----]  80 %")
        assert terminal.shows(lambda found: rows(found) and found[1].startswith(" from"))
        (tmp_path / "go").touch()
        assert terminal.end() == 0
        found = [line for line in lines(terminal.screen) if line]
        assert not _has_no_cursor(terminal)
    assert found[0].startswith("still")
    assert found[1].startswith("progress  5 of 5 in ")
    assert not any("[####" in line for line in found)
