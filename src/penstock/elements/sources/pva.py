"""EPICS images, monitored over PVAccess."""

from typing import Any

from penstock.core.decoder import Traits
from penstock.core.message import Message
from penstock.elements.ntndarray import NTNDARRAY, message_of_ntndarray
from penstock.elements.pva_source import PvaSource
from penstock.errors import SourceError

__all__ = ["PvaImageSource"]


class PvaImageSource(PvaSource):
    """EPICS images (NTNDArray) over PVAccess, as areaDetector has them: monitored, numbered by ``uniqueId``.

    In a pipeline::

        sources:
          camera: {use: pva, pv: "13SIM1:Pva1:Image"}

    A server may leave out images that a reader is too slow for; then their numbers are missing, and are counted as
    gaps. If the server goes, it is looked for; the image that it says again when it is back counts once. Nothing says
    where a scan begins or ends. Compressed images are decoded where they are asked for.

    Parameters
    ----------
    pv
        Name of the process variable, such as ``13SIM1:Pva1:Image``.
    address
        Where it is looked for: addresses of servers or of networks, separated by spaces, each with ``:port`` where it
        is not the usual one; by default as the environment says (``EPICS_PVA_ADDR_LIST`` and its like).
    with_last
        Whether the image counts that was there before this source was, and may be of an earlier scan.
    queue
        How many images the server and this client keep for each other, so that a short delay loses none.
    connect_s
        How long it may take until the first answer, in s; 0 waits for ever.
    ahead_MB
        How much may lie unread, in MB; what comes then is lost, and counted.

    Raises
    ------
    ValueError
        If an argument is wrong.
    """

    traits = Traits(number="uniqueId", has_start=False, has_end=False, clock="timeStamp")

    def __init__(
        self,
        pv: str,
        address: str = "",
        *,
        with_last: bool = False,
        queue: int = 64,
        connect_s: float = 30.0,
        ahead_MB: float = 256.0,
    ) -> None:
        super().__init__(pv, address=address, queue=queue, connect_s=connect_s, ahead_MB=ahead_MB)
        self._is_first = not with_last
        self._last: tuple[Any, Any] = (None, None)

    def message_of(self, name: str, said: Any, received_ns: int) -> Message | None:
        """Return the message of an image; see the base."""
        if not str(said.getID()).startswith(NTNDARRAY):
            raise SourceError(f"{name} is of type {said.getID() or 'structure'}, no NTNDArray; read it by use: pv")
        message = message_of_ntndarray(said, received_ns)
        is_first, self._is_first = self._is_first, False
        if message is None or is_first:
            return None
        last, self._last = self._last, (message.key, message.timestamp_ns)
        return None if self._last == last else message
