"""What goes wrong on purpose: faults by chance and at given points, the same for the same seed, and their count.

It decides; sending, waiting and closing is for whoever reads the instructions.
"""

import math
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np

from penstock.errors import CheckError, Problem
from penstock.simulators.simulator import Packets

__all__ = ["FAULTS", "Disconnect", "Faults", "Injector", "Instruction", "Send", "Silence"]

FAULTS = {
    "lost": "=P    a frame is not sent",
    "doubled": "=P    a frame is sent twice",
    "late": "=P    a frame is sent after 3 to 10 later ones",
    "corrupt": "=P    a bit of a frame's header or row is flipped",
    "reordered": "=P    a frame is sent after the next one",
    "silence": "=S@N    nothing is sent for S seconds before point N",
    "disconnect": "@N    the connection is closed before point N and made again",
}
"""Each fault: how it is written, with P from 0 to 1 the part of the frames it happens to, and what it does."""

_EXAMPLE = "lost=0.01,late=0.01,silence=5@200,disconnect@300"
_LEAST_LATE, _MOST_LATE = 3, 10


@dataclass(frozen=True, slots=True)
class Send:
    """Send a frame, as it is or spoilt."""

    point: int
    packets: Packets


@dataclass(frozen=True, slots=True)
class Silence:
    """Send nothing for ``s`` seconds before a point."""

    point: int
    s: float


@dataclass(frozen=True, slots=True)
class Disconnect:
    """Close the connection before a point, and come back."""

    point: int


Instruction = Send | Silence | Disconnect


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """What goes wrong; nothing by default.

    A frame suffers one fault at most, so the chances add up to 1 at most. Points are counted from 0 over all scans that
    are sent.
    """

    lost: float = 0.0
    doubled: float = 0.0
    late: float = 0.0
    corrupt: float = 0.0
    reordered: float = 0.0
    silences: tuple[Silence, ...] = ()
    disconnects: tuple[Disconnect, ...] = ()

    def __post_init__(self) -> None:
        problems = [
            Problem(where=name, text=f"{chance:g} is no part of the frames", remedy="write a number from 0 to 1")
            for name, chance in self.chances.items()
            if not 0 <= chance <= 1
        ]
        if not problems and (together := sum(self.chances.values())) > 1 + 1e-9:
            text = f"the parts of the frames add up to {together:g}"
            problems.append(Problem(where="", text=text, remedy="a frame suffers one fault at most: write less than 1"))
        for silence in self.silences:
            if not (silence.s >= 0 and math.isfinite(silence.s)):
                text = f"{silence.s:g} is no number of seconds"
                problems.append(Problem(where="silence", text=text, remedy="write it as in silence=5@200"))
        if problems:
            raise CheckError(problems)

    @property
    def chances(self) -> dict[str, float]:
        """The part of the frames that suffers each fault by chance."""
        return {field.name: getattr(self, field.name) for field in fields(self) if field.type is float}

    @classmethod
    def parse(cls, text: str) -> "Faults":
        """Read what is written as in ``lost=0.01,silence=5@200,disconnect@300``; see `FAULTS`.

        Raises
        ------
        CheckError
            If it cannot be read; every mistake is named.

        Examples
        --------
        >>> str(Faults.parse("disconnect@300, lost=0.01"))
        'lost=0.01,disconnect@300'
        """
        words = [word.strip() for word in text.split(",")] if text.strip() else []
        reading = _Reading(words)
        if reading.problems:
            raise CheckError(reading.problems)
        return cls(**reading.chances, silences=tuple(reading.silences), disconnects=tuple(reading.disconnects))

    def __str__(self) -> str:
        words = [f"{name}={chance!r}" for name, chance in self.chances.items() if chance]
        words += [f"silence={silence.s!r}@{silence.point}" for silence in self.silences]
        words += [f"disconnect@{disconnect.point}" for disconnect in self.disconnects]
        return ",".join(words)

    def beyond(self, points: int) -> list[Problem]:
        """Return what is wrong if so many points are sent: faults that would never happen."""
        placed: dict[str, tuple[Silence, ...] | tuple[Disconnect, ...]] = {
            "silence": self.silences, "disconnect": self.disconnects,
        }  # fmt: skip
        return [
            Problem(where=name, text=f"there is no point {fault.point}", remedy=f"points go from 0 to {points - 1}")
            for name, faults in placed.items()
            for fault in faults
            if not 0 <= fault.point < points
        ]


class _Reading:
    """What the words say, and what is wrong with them."""

    def __init__(self, words: list[str]) -> None:
        self.chances: dict[str, float] = {}
        self.silences: list[Silence] = []
        self.disconnects: list[Disconnect] = []
        self.problems: list[Problem] = []
        for word in words:
            if problem := self._take(word):
                self.problems.append(Problem(where="", text=f'"{word}" {problem[0]}', remedy=problem[1]))

    def _take(self, word: str) -> tuple[str, str] | None:
        """Take a word; return what is wrong with it and what would be right."""
        before, at, point = word.partition("@")
        name, equals, value = before.partition("=")
        if name not in FAULTS:
            return "is no fault", f"there are {', '.join(FAULTS)}, as in {_EXAMPLE}"
        if name in ("silence", "disconnect"):
            return self._place(name, value if equals else None, point if at else None)
        if at or not (_is_number(value) and 0 <= float(value) <= 1):
            return "does not say how often", f"write {name} and a number from 0 to 1, as in {name}=0.01"
        if name in self.chances:
            return f"comes after another {name}", "say it once"
        self.chances[name] = float(value)
        return None

    def _place(self, name: str, seconds: str | None, point: str | None) -> tuple[str, str] | None:
        example = "silence=5@200" if name == "silence" else "disconnect@300"
        if point is None or not (point.isascii() and point.isdecimal()):
            return "does not say at which point", f"write it as in {example}"
        if name == "disconnect":
            if seconds is not None:
                return "says more than the point", f"write it as in {example}"
            self.disconnects.append(Disconnect(int(point)))
        elif seconds is None or not _is_number(seconds) or float(seconds) < 0:
            return "does not say for how many seconds", f"write it as in {example}"
        else:
            self.silences.append(Silence(int(point), float(seconds)))
        return None


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text)) and "_" not in text
    except ValueError:
        return False


@dataclass(slots=True)
class _Held:
    """A frame that waits for later ones to overtake it."""

    fault: str
    send: Send
    wanted: int
    overtaken: int = 0


class Injector:
    """Turn the frames of a scan into instructions in which the faults have happened.

    Parameters
    ----------
    faults
        What goes wrong.
    seed
        Of chance; the same one, name and frames give the same instructions.
    name
        Of the instrument, so that several with one seed do not suffer at the same points.
    spoilable
        What the simulator says.
    """

    def __init__(self, faults: Faults, seed: int, name: str = "", spoilable: int | None = None) -> None:
        self._faults = faults
        self._spoilable = spoilable
        self._dice = np.random.default_rng((seed, zlib.crc32(name.encode())))
        self._held: list[_Held] = []
        self.counts = dict.fromkeys(FAULTS, 0)
        """How often each fault has happened so far. A frame that was held back counts when it is sent, and only if one
        that can be read has overtaken it."""

    def feed(self, point: int, packets: Packets) -> Iterator[Instruction]:
        """Yield what is to be done when a point's turn has come.

        Parameters
        ----------
        point
            Counted from 0 over all scans.
        packets
            Its frame, which is not changed.
        """
        yield from self._placed(point)
        fault, share = self._fault()
        if fault in ("late", "reordered"):
            wanted = 1 if fault == "reordered" else _LEAST_LATE + int(share * (_MOST_LATE - _LEAST_LATE + 1))
            self._held.append(_Held(fault, Send(point, packets), wanted))
            return
        if fault == "corrupt":
            yield Send(point, _damaged(packets, share, self._spoilable))
        elif fault != "lost":
            yield Send(point, packets)
            if fault == "doubled":
                yield Send(point, packets)
        if fault:
            self.counts[fault] += 1  # behind the yields, because who stops between them has not sent it
        if fault in ("", "doubled"):
            yield from self._overtake(point)

    def finish(self) -> Iterator[Instruction]:
        """Yield what is to be done before the end of a scan: frames still held back are sent, in their order."""
        held, self._held = self._held, []
        for each in held:
            yield each.send
            self.counts[each.fault] += each.overtaken > 0

    def _placed(self, point: int) -> Iterator[Instruction]:
        for silence in self._faults.silences:
            if silence.point == point:
                self.counts["silence"] += 1
                yield silence
        for disconnect in self._faults.disconnects:
            if disconnect.point == point:
                self.counts["disconnect"] += 1
                yield disconnect

    def _fault(self) -> tuple[str, float]:
        """Draw what happens to a frame, empty if nothing does, and a number from 0 to 1 for how."""
        chance, share = self._dice.random(2).tolist()
        for name, part in self._faults.chances.items():
            if chance < part:
                return name, share
            chance -= part
        return "", share

    def _overtake(self, point: int) -> Iterator[Send]:
        """Note that a point's frame was sent; yield those overtaken by enough of them now, which overtake in turn."""
        for each in self._held:
            each.overtaken += each.send.point < point
        while ready := next((each for each in self._held if each.overtaken >= each.wanted), None):
            self._held.remove(ready)
            yield ready.send
            self.counts[ready.fault] += 1
            yield from self._overtake(ready.send.point)


def _damaged(packets: Packets, share: float, spoilable: int | None) -> Packets:
    """Flip the highest bit of one byte of the text at the beginning.

    Not of pixels: they carry no checksum, so nobody could notice. Not the last byte: without the end of its line a row
    would take the next one along.
    """
    (text, *parts), *more = packets
    place = int(share * (len(text) - 1 if spoilable is None else spoilable))
    spoilt = bytearray(text)
    spoilt[place] ^= 0x80
    return [[bytes(spoilt), *parts], *more]
