"""The capturer: writes what an instrument sends to a file, as it came, with the times of reception.

It decodes along only to tell what it has got and when a scan is over; what cannot be decoded is written all the same.
"""

import gzip
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Literal, cast

from penstock.core.message import Kind, Message
from penstock.elements.decoder_mistake import decoder_mistake
from penstock.elements.decoders import new_decoder
from penstock.errors import CheckError, RemoteProtocolError, SinkError, SourceError
from penstock.formats.recording import RecordingTraits, encode_closing, encode_opening, encode_record
from penstock.transport.tcp import TcpClient
from penstock.transport.zmq import ZmqReceiver

__all__ = ["Capturer"]

PATIENCE_S = 0.1


class Capturer:
    """Write one instrument's messages to one file.

    Parameters
    ----------
    protocol
        Such as ``xspress3``, or ``module:class`` of a decoder, from the current folder or installed.
    address
        Of the instrument.
    path
        The file; with the ending ``.gz`` it is compressed.
    force
        Write over a file that exists.
    connect_s
        How long it may take until the instrument is reached, in s; 0 waits for ever.

    Raises
    ------
    SourceError
        If there is no such protocol or address, or the instrument does not answer.
    SinkError
        If the file exists or cannot be written.
    """

    def __init__(
        self, protocol: str, address: str, path: Path, *, force: bool = False, connect_s: float = 30.0
    ) -> None:
        try:
            self._decoder = new_decoder(protocol, Path.cwd())
        except CheckError as error:
            raise SourceError(str(error)) from error
        if path.exists() and not force:
            raise SinkError(f"{path} exists; choose another name, or write over it with --force")
        self.protocol = protocol
        self.address = address
        self.path = path
        self.records = self.bytes = 0
        """Written so far; bytes are those of the parts."""
        self.messages = self.unparsable = self.scans = 0
        """Decoded along the way; a scan is counted at its end."""
        self.mistake = ""
        """What is wrong with the decoder itself, if anything; packets are written all the same."""
        self._connect_s = connect_s
        self._force = force
        self._stop = False
        self._unflushed = False

    def stop(self) -> None:
        """Make `run` end soon; may be called from a signal handler or another thread."""
        self._stop = True

    def run(
        self, *, scans: int = 0, records: int = 0, seconds: float = 0.0, progress: Callable[[], None] = lambda: None
    ) -> None:
        """Write until something says stop: `stop`, the instrument that closes, or a limit; 0 is none.

        The file is complete however this ends, also by an exception such as ``KeyboardInterrupt``.
        """
        receiver = self._receiver()
        deadline = time.monotonic() + seconds if seconds else float("inf")
        stream = self._open()
        try:
            receiver.open()
            self._write(stream, encode_opening(self._traits()))
            while not self._is_done(scans, records) and time.monotonic() < deadline and self._take(receiver, stream):
                progress()
        except SourceError:
            if not self.records:
                self.path.unlink()
            raise
        finally:
            receiver.close()
            self._close(stream)

    def _is_done(self, scans: int, records: int) -> bool:
        return self._stop or bool(scans and self.scans >= scans) or bool(records and self.records >= records)

    def _take(self, receiver: "ZmqReceiver | TcpClient", stream: IO[bytes]) -> bool:
        """Write what lies ready, or wait a moment; return false when nothing will come any more."""
        if isinstance(receiver, ZmqReceiver):
            parts: Sequence[bytes | memoryview] | None = receiver.receive()
            if parts is None:
                self._idle(receiver, stream)
                return True
        else:
            piece = receiver.receive()
            if piece is None:
                self._idle(receiver, stream)
                return True
            if not piece:
                return False
            parts = [piece]
        received_ns = time.time_ns()
        self._write(stream, encode_record(parts, received_ns))
        self._unflushed = True
        self.records += 1
        self.bytes += sum(len(part) for part in parts)
        self._decode(parts, received_ns)
        return True

    def _idle(self, receiver: "ZmqReceiver | TcpClient", stream: IO[bytes]) -> None:
        """Wait a moment; what came until now can be read from the file meanwhile."""
        if self._unflushed:
            self._unflushed = False
            self._write(stream, b"", is_flushed=True)
        receiver.wait(PATIENCE_S)

    def _decode(self, parts: Sequence[bytes | memoryview], received_ns: int) -> None:
        while True:
            message: Message | None = None
            try:
                for message in self._decoder.feed(parts, received_ns):
                    self.scans += message.kind is Kind.END
                    self.messages += 1
            except RemoteProtocolError:
                self.unparsable += 1
                if self._decoder.is_byte_stream:
                    parts = ()
                    continue
            except Exception as error:  # noqa: BLE001 - a decoder may be user code; what it was given is kept
                self.unparsable += 1
                self.mistake = self.mistake or decoder_mistake(self._decoder, message, error)
            return

    def _receiver(self) -> "ZmqReceiver | TcpClient":
        kind = self._decoder.traits.socket
        if kind == "http":
            text = f"{self.protocol} posts to a pipeline and cannot be fetched; record the run with record: true"
            raise SourceError(text)
        if kind == "tcp":
            return TcpClient(self.address, greeting=self._decoder.greeting(), connect_s=self._connect_s)
        return ZmqReceiver("pull" if kind == "pull" else "sub", self.address, connect_s=self._connect_s)

    def _traits(self) -> RecordingTraits:
        return RecordingTraits(protocol=self.protocol, socket=self._decoder.traits.socket, address=self.address)

    def _open(self) -> IO[bytes]:
        mode: Literal["wb", "xb"] = "wb" if self._force else "xb"
        try:
            if self.path.suffix == ".gz":
                return cast("IO[bytes]", gzip.open(self.path, mode))
            return self.path.open(mode)
        except OSError as error:
            raise SinkError(f"{self.path} cannot be written: {error.strerror}") from error

    def _close(self, stream: IO[bytes]) -> None:
        try:
            stream.write(encode_closing(self.records))
            stream.close()
        except OSError as error:
            raise SinkError(f"{self.path} cannot be written to its end: {error.strerror}") from error

    def _write(self, stream: IO[bytes], data: bytes, *, is_flushed: bool = False) -> None:
        try:
            stream.write(data)
            if is_flushed:
                stream.flush()
        except OSError as error:
            raise SinkError(f"{self.path} cannot be written: {error.strerror}") from error
