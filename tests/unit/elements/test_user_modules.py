"""Classes that users name: found, of the right kind and whole, or refused with what would be right."""

from pathlib import Path

import pytest

from penstock.core.decoder import Decoder
from penstock.elements.decoders import find_decoder, new_decoder
from penstock.elements.user_modules import find_class
from penstock.errors import CheckError
from penstock.protocols import DECODERS
from penstock.protocols.stins import StinsDecoder

pytestmark = pytest.mark.usefixtures("imports_end_here")

CODE = """
from penstock.elements import Decoder, Traits


class Whole(Decoder):
    traits = Traits(socket="sub")

    def feed(self, parts, received_ns):
        yield from ()


class Wide(Whole):
    def __init__(self, channels):
        pass


class Part(Decoder):
    traits = Traits(socket="sub")


class Mute(Decoder):
    feed = Whole.feed


def function():
    pass
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "counter.py").write_text(CODE)
    return tmp_path


def test_a_class_is_found_in_the_folder(folder: Path) -> None:
    assert find_class("counter:Whole", folder, Decoder, "penstock.elements").__name__ == "Whole"
    assert find_decoder("counter:Whole", folder).traits.socket == "sub"
    assert find_decoder("stins", folder) is StinsDecoder


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("counter:function", "counter:function: a function is no Decoder; subclass penstock.elements.Decoder"),
        ("counter:Traits", "counter:Traits: Traits is no Decoder; subclass penstock.elements.Decoder"),
        ("counter:Part", "counter:Part: Part is abstract; write the methods feed"),
        ("counter:Mute", "counter:Mute: Mute has no traits; write traits = Traits("),
        ("counter:Hole", 'counter:Hole: counter has no "Hole"; did you mean "Whole"?'),
        ("conter:Whole", 'conter: there is no module "conter" in {folder} or installed; did you mean "counter"?'),
        ("stinks", f"no protocol is called 'stinks'; there are {', '.join(DECODERS)}, or write module:cla"),
    ],
)
def test_what_is_no_decoder_says_what_would_be(folder: Path, name: str, says: str) -> None:
    with pytest.raises(CheckError) as raised:
        find_decoder(name, folder)
    assert str(raised.value).startswith(says.format(folder=folder))


def test_a_decoder_is_made_without_arguments(folder: Path) -> None:
    assert type(new_decoder("counter:Whole", folder)).__name__ == "Whole"
    with pytest.raises(CheckError, match=r"counter:Wide: Wide could not be made: TypeError: .*made without arguments"):
        new_decoder("counter:Wide", folder)


def test_a_library_that_is_missing_is_named_with_the_users_line(folder: Path) -> None:
    (folder / "needy.py").write_text('from penstock.extra import extra\nwith extra("dev"):\n    import no_such_thing\n')
    says = r'\(needy\.py, line \d\): .*"penstock\[dev\]" brings it; mend line \d of .*needy\.py'
    with pytest.raises(CheckError, match=says):
        find_class("needy:Whole", folder, Decoder, "penstock.elements")
