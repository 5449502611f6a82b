"""What source and sink of Hopskotch have in common: its addresses, its credentials, its forms of messages.

All three are those of hop-client, which is asked for them; brokers are talked to elsewhere.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self
from urllib.parse import unquote, urlsplit

from penstock.elements.kafka_client import names_of
from penstock.errors import PenstockError
from penstock.extra import extra

__all__ = ["Credential", "HopAddress", "is_test", "require_hop", "unpacked"]

_TEST: Final = "_test"


@dataclass(frozen=True, slots=True, kw_only=True)
class HopAddress:
    """``kafka://[USER@]HOST[:PORT]/TOPIC``."""

    broker: str
    topics: tuple[str, ...]
    user: str = ""

    @classmethod
    def parse(cls, url: str) -> Self:
        """Read an address.

        >>> HopAddress.parse("kafka://kafka.scimma.org/gcn.circular,igwn.gwalert").topics
        ('gcn.circular', 'igwn.gwalert')

        Raises
        ------
        ValueError
            If it is none, or holds a password.
        """
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise ValueError(f'"{url}" is no address: {error}; write kafka://HOST:PORT/TOPIC') from error
        if parts.password is not None:
            raise ValueError("an address holds no password; `hop auth add` stores it where hop-client looks for it")
        if parts.scheme != "kafka" or not parts.hostname or "," in parts.netloc or parts.query or parts.fragment:
            raise ValueError(f'"{url}" is no address of Hopskotch; write kafka://HOST:PORT/TOPIC')
        topics = names_of(parts.path.strip("/"), "topic")
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        broker = host if port is None else f"{host}:{port}"
        return cls(broker=broker, topics=tuple(topics), user=unquote(parts.username or ""))


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """Who we are to a broker; nobody if authentication is not wanted."""

    settings: Mapping[str, Any]
    """Of librdkafka."""
    user: str = ""
    auth: Any = None
    """hop-client's own."""

    @classmethod
    def found(cls, address: HopAddress, kind: type[PenstockError]) -> Self:
        """Return the credential that hop-client has stored for a broker, and for the user if the address names one.

        Raises
        ------
        PenstockError
            Of ``kind``: there is none, or more than one, or others may read the file.
        """
        require_hop()
        from hop.auth import load_auth, select_matching_auth

        try:
            auth = select_matching_auth(load_auth(), address.broker, address.user or None)
        except FileNotFoundError as error:
            text = f"no credential in {error.filename}; `hop auth add` stores one, auth: false does without"
            raise kind(f"Hopskotch at {address.broker}: {text}") from error
        except (RuntimeError, KeyError, OSError) as error:  # of which hop-client's own errors are
            text = getattr(error, "message", None) or str(error)
            raise kind(f"Hopskotch at {address.broker}: {text}") from error
        return cls(settings=auth(), user=auth.username, auth=auth)


def require_hop() -> None:
    """Make sure that hop-client is there.

    Raises
    ------
    MissingExtraError
        If not.
    """
    with extra("hop"):
        import hop  # noqa: F401


def is_test(record: Any) -> bool:  # a record of Kafka
    """Whether a record is marked as a test, which nobody shall act upon."""
    return any(name == _TEST for name, _ in record.headers() or ())


def unpacked(record: Any) -> Any:  # a record of Kafka, and whatever it holds
    """Return what a record holds: JSON as values, blobs as bytes, Avro as a list, other formats as their model.

    Raises
    ------
    Exception
        Of any kind, if it cannot be read.
    """
    from hop.io import Deserializer
    from hop.models import AvroBlob, Blob, JSONBlob

    model = Deserializer.deserialize(record)
    return model.content if isinstance(model, AvroBlob | Blob | JSONBlob) else model
