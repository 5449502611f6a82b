"""What ``penstock serve`` does once its command line is read."""

import json
import ssl
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from select import POLLIN, poll
from typing import Any

import msgspec

from penstock.core.retention import Retained
from penstock.core.stream_address import StreamAddress
from penstock.errors import ParameterError, ServiceError, StreamError
from penstock.services.interrupt import Interrupt
from penstock.services.store_door import StoreDoor, store_door
from penstock.services.stream_server import StreamServer
from penstock.services.stream_tokens import Tokens, read_secret
from penstock.streams.directory import DirectoryStore
from penstock.streams.kept_retention import RetainingStore
from penstock.streams.memory_store import MemoryStore
from penstock.streams.store import Store

__all__ = ["serve_store"]

LOCAL = "127.0.0.1"


def serve_store(
    where: str,
    listen: str,
    *,
    asapo: str,
    asapo_offline: str,
    asapo_online: str,
    secret_file: Path | None,
    revoked: Path | None,
    certificate: Path | None,
    key: Path | None,
    most_clients: int,
    idle_s: float,
    retain_s: float,
    as_json: bool,
) -> int:
    """Serve until somebody asks for an end, and return the exit code; see the command."""
    host, port = _host_and_port(listen, "--listen")
    secret = read_secret(secret_file)
    if revoked is not None and secret is None:
        raise ParameterError("--revoked without a secret: nobody has a token that could be taken back")
    tokens = None if secret is None else Tokens(secret, revoked=revoked)
    tls = _tls(certificate, key)
    with Interrupt("penstock serve: ending; again to end at once\n") as interrupt, _opened(where) as store:
        server = StreamServer(
            store, host, port, tokens=tokens, tls=tls, most_clients=most_clients, idle_s=idle_s,
        )  # fmt: skip
        with (
            server,
            _asapo_door(store, asapo, asapo_offline, asapo_online, tokens) as door,
        ):
            facts: dict[str, Any] = {
                "address": server.address,
                "store": where,
                "tokens": tokens is not None,
                "tls": tls is not None,
            }
            if door is not None:
                facts["asapo"] = door.address
            _say(facts | {"state": "serving"}, _sentence(facts), as_json=as_json)
            ending = poll()
            ending.register(interrupt.pollable, POLLIN)
            said: dict[StreamAddress, object] = {}
            while not ending.poll(retain_s * 1000):
                for address, result in store.retain_all():
                    _tell(address, result, said, as_json=as_json)
                    if interrupt.is_asked:
                        break
        counts = {"served": server.served, "refused": server.refused}
        _say({"state": "ended", **counts}, f"ended; {server.served} connections", as_json=as_json)
    return 0


def _asapo_door(
    store: Store, asapo: str, offline: str, online: str, tokens: Tokens | None
) -> AbstractContextManager[StoreDoor | None]:
    if asapo:
        return store_door("asapo", store, *_host_and_port(asapo, "--asapo"), tokens, offline=offline, online=online)
    if offline or online:
        raise ParameterError("--asapo-offline and --asapo-online say where ASAPO's files go; give --asapo as well")
    return nullcontext()


def _tell(
    address: StreamAddress, result: Retained | StreamError, said: dict[StreamAddress, object], *, as_json: bool
) -> None:
    """Say what was removed, and what keeps the disk from being freed, that only when it has changed."""
    why = str(result) if isinstance(result, StreamError) else tuple(hold.group for hold in result.held_by)
    is_news = bool(why) and said.get(address, ()) != why
    said[address] = why
    if not is_news and (isinstance(result, StreamError) or not result.messages):
        return
    facts = {"error": str(result)} if isinstance(result, StreamError) else msgspec.to_builtins(result)
    _say({"state": "retention", "stream": str(address), **facts}, f"{address}: {result}", as_json=as_json)


def _sentence(facts: dict[str, Any]) -> str:
    who = "who have a token" if facts["tokens"] else "on this machine"
    asapo = f", and to ASAPO's clients at {facts['asapo']}," if "asapo" in facts else ""
    return f"{facts['store']} is served at {facts['address']}{' (TLS)' if facts['tls'] else ''}{asapo} to all {who}"


def _say(facts: dict[str, Any], sentence: str, *, as_json: bool) -> None:
    print(json.dumps(facts) if as_json else sentence, flush=True)


def _host_and_port(written: str, option: str) -> tuple[str, int]:
    host, _, port = written.rpartition(":")
    host = host.removeprefix("[").removesuffix("]") or LOCAL
    if not port.isdecimal() or int(port) > 65_535 or host.startswith("-"):
        raise ParameterError(f'{option} "{written[:100]}": write PORT or HOST:PORT, such as 127.0.0.1:8410')
    return host, int(port)


def _opened(where: str) -> RetainingStore:
    if where in ("memory", "memory:"):
        return MemoryStore()
    return DirectoryStore(where, make=True)


def _tls(certificate: Path | None, key: Path | None) -> ssl.SSLContext | None:
    if certificate is None:
        if key is not None:
            raise ParameterError("--key without --certificate")
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        raise ServiceError(f"certificate {certificate} and key {key or certificate} cannot be used: {error}") from error
    return context
