"""Where user code keeps state."""

from penstock.elements.state_root import object_roots


class Counts:
    """A user's object."""

    def __init__(self) -> None:
        self.total, self.last = 3, "b"


class Nothing:
    """A user's object that holds nothing yet."""


def test_looking_for_state_leaves_an_object_as_it_was() -> None:
    for thing, expected in ((Counts(), {"total": 3, "last": "b"}), (Nothing(), {})):
        roots, _ = object_roots(thing, {})
        assert roots[0].read() == expected
        assert list(vars(thing).items()) == list(expected.items())
