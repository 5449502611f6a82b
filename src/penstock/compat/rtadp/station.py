"""What a process of rta-dp is at, and what each command makes of it: pure, a state and a list of things to do.

The states are those that rta-dp publishes, in its words and in its order. Who does what is said, and to
what, is somebody else's business.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto

from penstock.compat.rtadp.messages import EVERYBODY, Command

__all__ = ["Act", "Deed", "Measure", "Say", "Station", "state_of_analysis"]


class Deed(Enum):
    """What is to be done with the pipeline."""

    RELEASE_DATA = auto()
    HOLD_DATA = auto()
    RELEASE_PROCESSING = auto()
    HOLD_PROCESSING = auto()
    DISCARD = auto()
    """Give up whatever waits."""
    END = auto()
    """Give up whatever waits, and end."""
    END_CLEANLY = auto()
    """Bring out whatever has come, and end."""


@dataclass(frozen=True, slots=True)
class Act:
    """Do something."""

    deed: Deed


@dataclass(frozen=True, slots=True)
class Say:
    """Publish a state."""

    source: str
    state: str


@dataclass(frozen=True, slots=True)
class Measure:
    """Send what there is to measure of every analysis to somebody."""

    target: str


Step = Act | Say | Measure


def state_of_analysis(*, is_data_stopped: bool, is_processing: bool) -> str:
    """Return the state of a manager, which follows from two switches.

    >>> state_of_analysis(is_data_stopped=False, is_processing=True)
    'Processing'
    """
    if is_processing:
        return "Wait for data" if is_data_stopped else "Processing"
    return "Initialised" if is_data_stopped else "Wait for processing"


class Station:
    """The state of one process, its analyses included.

    Parameters
    ----------
    name
        Of the process.
    analyses
        Their full names, such as ``RTADP1-Rate``.

    Examples
    --------
    >>> station = Station("RTADP1", ["RTADP1-Rate"])
    >>> station.begin()[-1]
    Say(source='RTADP1', state='Waiting')
    >>> [step.state for step in station.start() if isinstance(step, Say)]
    ['Processing', 'Wait for data', 'Processing']
    """

    def __init__(self, name: str, analyses: Sequence[str]) -> None:
        self.name = name
        self.analyses = tuple(analyses)
        self.state = "Initialised"
        self.is_data_stopped = True
        self.is_processing = False
        self.is_ending = False

    @property
    def state_of_analyses(self) -> str:
        """The state that all analyses are in."""
        return state_of_analysis(is_data_stopped=self.is_data_stopped, is_processing=self.is_processing)

    def begin(self) -> list[Step]:
        """Be there: nothing is taken in and nothing processed until somebody says so."""
        steps: list[Step] = [Act(Deed.HOLD_DATA), Act(Deed.HOLD_PROCESSING), Say(self.name, self.state)]
        return [*steps, *self._say_analyses(), self._become("Waiting")]

    def is_meant(self, command: Command) -> bool:
        """Whether a command is for this process."""
        return command.pidtarget == self.name or command.pidtarget in EVERYBODY

    def obey(self, command: Command) -> list[Step]:
        """Return what a command asks for; nothing if it is for others, unknown, or too late."""
        if not self.is_meant(command) or self.is_ending:
            return []
        match command.subtype:
            case "start":
                return self.start()
            case "stop":
                return self.stop()
            case "startdata":
                return self.start_data()
            case "stopdata":
                return self.stop_data()
            case "startprocessing":
                return self.start_processing()
            case "stopprocessing":
                return self.stop_processing()
            case "reset":
                return self.reset()
            case "getstatus":
                return [Measure(command.pidsource)]
            case "shutdown":
                return self.shut_down()
            case "cleanedshutdown":
                return self.shut_down_cleanly()
        return []

    def start(self) -> list[Step]:
        """Process, then take data in."""
        return [*self.start_processing(), *self.start_data()]

    def stop(self) -> list[Step]:
        """Take no data in, then process no more; what waits is kept."""
        return [*self.stop_data(), *self.stop_processing()]

    def start_data(self) -> list[Step]:
        """Take data in."""
        self.is_data_stopped = False
        return [Act(Deed.RELEASE_DATA), *self._say_analyses()]

    def stop_data(self) -> list[Step]:
        """Take no data in."""
        self.is_data_stopped = True
        return [Act(Deed.HOLD_DATA), *self._say_analyses()]

    def start_processing(self) -> list[Step]:
        """Process what there is."""
        said = self._become("Processing")
        self.is_processing = True
        return [Act(Deed.RELEASE_PROCESSING), said, *self._say_analyses()]

    def stop_processing(self) -> list[Step]:
        """Begin with nothing more."""
        said = self._become("Waiting")
        self.is_processing = False
        return [Act(Deed.HOLD_PROCESSING), said, *self._say_analyses()]

    def reset(self) -> list[Step]:
        """Stop, and give up what waits."""
        return [*self.stop(), Act(Deed.DISCARD), self._become("Waiting")]

    def shut_down(self) -> list[Step]:
        """Stop, give up what waits, and end."""
        self.is_ending = True
        return [*self.stop(), Act(Deed.END)]

    def shut_down_cleanly(self) -> list[Step]:
        """Take nothing more in, bring out what has come, and end; where nothing is processed, shut down."""
        if self.state != "Processing":
            return self.shut_down()
        self.is_ending = True
        self.state = "EndingProcessing"
        return [*self.stop_data(), Act(Deed.END_CLEANLY)]

    def ended(self) -> list[Step]:
        """Say what is said last, when what had come has been brought out."""
        self.is_data_stopped, self.is_processing = True, False
        return [self._become("Waiting"), *self._say_analyses()]

    def _become(self, state: str) -> Say:
        self.state = state
        return Say(self.name, state)

    def _say_analyses(self) -> list[Step]:
        return [Say(name, self.state_of_analyses) for name in self.analyses]
