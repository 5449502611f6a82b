"""How a death is said."""

import signal

import pytest

from penstock.services.child import Child, Death

CHILD = Child(number=1, name="worker 2", pid=77)


@pytest.mark.parametrize(
    ("death", "said"),
    [
        (Death(child=CHILD, code=0), "worker 2 (process 77) ended with code 0"),
        (
            Death(child=CHILD, code=1, text="Traceback …\nValueError: no\n"),
            "worker 2 (process 77) ended with code 1: ValueError: no",
        ),
        (Death(child=CHILD, signal=signal.SIGKILL), "worker 2 (process 77) was killed by SIGKILL"),
        (
            Death(child=CHILD, signal=signal.SIGSEGV, text="Fatal Python error: …"),
            "worker 2 (process 77) was killed by SIGSEGV",
        ),
        (Death(child=CHILD, signal=40), "worker 2 (process 77) was killed by signal 40"),
        (Death(child=CHILD), "worker 2 (process 77) died with the process that had started it"),
    ],
)
def test_a_death_is_said_in_a_sentence(death: Death, said: str) -> None:
    assert str(death) == said
