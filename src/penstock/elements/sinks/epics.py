"""Items and views as EPICS process variables."""

import logging
from typing import Any, ClassVar, Final

from penstock.elements.losses import Losses
from penstock.elements.pva_fields import PvaFields
from penstock.elements.pva_server import PORT, PvaServer
from penstock.elements.sink import RunFacts, Sink
from penstock.elements.text_template import TextTemplate
from penstock.errors import ResultTypeError, ServiceError, SinkError

__all__ = ["EpicsSink"]

_LOG: Final = logging.getLogger("penstock.elements")
_MOST: Final = 10_000
"""Process variables of one sink: whoever makes names of values would fill the memory."""


class EpicsSink(Sink):
    """Serve each field of an item, or each view, as a process variable over EPICS PVAccess; nobody is waited for.

    In a pipeline::

        sinks:
          live: {use: epics, from: fit, prefix: "BL01:FIT:", units: {position: mm}}
          maps: {use: epics, from: image, prefix: "BL01:", when: {every_s: 1}}

    A number or text is an ``NTScalar``, an array of one dimension an ``NTScalarArray``, of more an ``NTNDArray``, whose
    ``uniqueId`` is the message's ``key``. Their time is that of the message, or now. Fields inside of others have
    colons in their names, ``BL01:FIT:pseudo:x``; what is no field is called ``value``. There is a variable from the
    first item on that has it, and until the run ends. Clients that read slowly miss values, as always in EPICS.

    >>> from p4p.client.thread import Context
    >>> from penstock.elements.sink import RunFacts
    >>> sink = EpicsSink("DOC:", address="127.0.0.1:0")
    >>> sink.open(RunFacts(pipeline="p", run="r"))
    >>> sink.write({"pseudo": {"x": 0.5}})
    >>> conf = {"EPICS_PVA_ADDR_LIST": sink.address, "EPICS_PVA_AUTO_ADDR_LIST": "NO"}
    >>> with Context("pva", conf=conf, useenv=False) as client:
    ...     float(client.get("DOC:pseudo:x"))
    0.5
    >>> sink.close(ended_well=True)

    Parameters
    ----------
    prefix
        How the names begin, with ``{field}`` for a field of the item.
    fields
        Which fields; by default all that EPICS has a type for.
    units
        By field; views have their own.
    address
        Of which network, and at which port the variables are looked for, as clients have it in
        ``EPICS_PVA_ADDR_LIST``; several sinks and programs may have the same. Port 0 takes any that is free.
    open_to_network
        Whether ``address`` may be one that other machines can reach. Nobody is asked for a password there.

    Raises
    ------
    ValueError
        If there is no prefix, or the address is none, or open to others without saying so.
    """

    may_wait: ClassVar[bool] = False

    def __init__(
        self,
        prefix: str,
        fields: list[str] | None = None,
        units: dict[str, str] | None = None,
        address: str = f"127.0.0.1:{PORT}",
        *,
        open_to_network: bool = False,
    ) -> None:
        if not prefix:
            raise ValueError('prefix is empty; write how the names begin, such as "BL01:FIT:"')
        self._prefix = TextTemplate(prefix)
        self._fields = PvaFields(tuple(fields or ()), dict(units or {}))
        self._server = PvaServer(address)
        if not self._server.is_local and not open_to_network:
            raise ValueError(
                f"{address} could be reached by every machine of the network, without a password; write 127.0.0.1, or "
                "say open_to_network: true if all of them may look"
            )
        self.losses = Losses(f"epics {prefix}")
        """Values for which there were too many names."""
        self._names: set[str] = set()
        self._left: set[str] = set()

    @property
    def address(self) -> str:
        """Where the variables are looked for, once it is open."""
        return self._server.address

    def open(self, run: RunFacts) -> None:  # noqa: ARG002 - it says nothing of the run
        """Begin to serve.

        Raises
        ------
        SinkError
            If nothing can be served there.
        MissingExtraError
            If p4p is not installed.
        """
        try:
            self._server.open()
        except ServiceError as error:
            raise SinkError(str(error)) from error

    def write(self, item: Any) -> None:  # an item of any kind, or a tree of views
        """Say the values of an item.

        Raises
        ------
        SinkError
            If a field is wanted that is not there, or that EPICS has no type for.
        """
        try:
            prefix = self._prefix.fill(item) if self._prefix.has_fields else self._prefix.fill(None)
            for name, said in self._fields.of(item, self._leave):
                if self._has_room(prefix + name):
                    self._server.say(prefix + name, said)
        except (ResultTypeError, LookupError, ValueError) as error:
            raise SinkError(f"epics: an item cannot be served: {error}") from error

    def close(self, ended_well: bool, outcome: str = "") -> None:  # noqa: ARG002 - clients see that it is gone
        """Serve no more."""
        self._server.close()

    def _has_room(self, name: str) -> bool:
        if name in self._names:
            return True
        if len(self._names) >= _MOST:
            self.losses.add(f"there are {_MOST} process variables already")
            return False
        self._names.add(name)
        return True

    def _leave(self, name: str, why: str) -> None:
        if name not in self._left and len(self._left) < _MOST:
            self._left.add(name)
            _LOG.warning("epics: field %s is left out: %s", name, why)
