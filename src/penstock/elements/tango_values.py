"""The program beside the sink ``tango``: a Tango device whose attributes are what it reads from its standard input.

A process of its own, as Tango's library serves once in a process, with threads and signals of its own. It ends when its
input does, so it never outlives the sink.
"""

import os
import sys
import threading
from collections.abc import Mapping
from typing import Any, ClassVar, Final

from penstock.elements.tango_device import FormedDevice, register, serve
from penstock.elements.tango_form import Form, Kind, form_of
from penstock.elements.tango_frames import read_frame, write_frame
from penstock.errors import PenstockError
from penstock.extra import extra

with extra("tango"):
    import tango

# PyTango has no types here.
# mypy: disable-error-code="misc"

__all__ = ["PenstockValues", "main"]

_FORMS: Final = (
    Form(name="pipeline", kind=Kind.TEXT, doc="its name"),
    Form(name="run", kind=Kind.TEXT, doc="the name of the run"),
    Form(name="items", kind=Kind.INT, doc="how many were given to the device"),
)


class PenstockValues(FormedDevice):
    """Values of a sink."""

    run_facts: ClassVar[Mapping[str, str]] = {}
    first: ClassVar[list[Any]] = []
    """What is shown from the beginning."""

    def initialize_dynamic_attributes(self) -> None:
        """Begin to read."""
        self._show(self.run_facts, 0, self.first)
        threading.Thread(target=self._read_all, name="values", daemon=True).start()

    def _read_all(self) -> None:
        with tango.EnsureOmniThread():
            try:
                while (frame := read_frame(sys.stdin.buffer)) is not None:
                    self._show(self.run_facts, frame["items"], frame["values"])
            finally:
                _end()

    def _show(self, facts: Mapping[str, str], items: int, values: list[Any]) -> None:
        """Show values; each is a name, a unit, a label and the value."""
        forms = [form_of(name, value, unit=unit, label=label) for name, unit, label, value in values]
        self.shape([*_FORMS, *(form for form in forms if form is not None)])
        self.show({**facts, "items": items, **{name: value for name, _, _, value in values}})
        self.show_state("RUNNING" if items else "ON", f"{facts.get('sink', '')}: {items} items".strip(": "))


def main() -> None:
    """Serve the device that the first frame names, and say on the standard output where, or why not."""
    begin = read_frame(sys.stdin.buffer)
    if begin is None:
        return
    PenstockValues.run_facts, PenstockValues.first = begin["facts"], begin.get("values", [])
    device, server, port = begin["device"], begin["server"], begin["port"]
    said = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    try:
        if port is None:
            register(device, server, PenstockValues.__name__)
        serve(
            PenstockValues,
            device,
            server=server,
            port=port,
            host=begin["host"],
            on_ready=lambda address: write_frame(said, {"address": address}),
        )
    except PenstockError as error:
        write_frame(said, {"problem": str(error)})


def _end() -> None:
    """End the process, with the database told."""
    try:
        tango.Util.instance().unregister_server()
    except tango.DevFailed:  # there is none
        pass
    finally:
        os._exit(0)


if __name__ == "__main__":
    main()
