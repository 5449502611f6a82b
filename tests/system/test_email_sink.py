"""Items as e-mail, handed to a real mail server."""

import asyncio
import shutil
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult

from penstock.elements.sink import RunFacts
from penstock.elements.sinks.email import EmailSink
from penstock.errors import SinkError

FACTS = RunFacts(pipeline="supernova", run="r", sink="mail")


class Mailbox:
    """What a mail server does with what it gets."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.users: list[tuple[bytes, bytes]] = []
        self.answers: list[str] = []
        self.came = threading.Condition()

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        if self.answers:
            return self.answers.pop(0)
        mail = message_from_bytes(envelope.content, policy=policy.default)
        with self.came:
            self.mails.append(mail)
            self.came.notify_all()
        return "250 taken"

    def authenticate(self, server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        self.users.append((data.login, data.password))
        return AuthResult(success=data.password == b"right", handled=False)

    def wait(self, count: int) -> None:
        with self.came:
            assert self.came.wait_for(lambda: len(self.mails) >= count, 30)


def body(mail: EmailMessage) -> str:
    text: str = mail.get_content()
    return text.replace("\r\n", "\n")  # as lines end on the wire


@contextmanager
def serving(mailbox: Mailbox, **options: Any) -> Iterator[int]:
    """Run a mail server; gives its port."""
    loop, ready, ports = asyncio.new_event_loop(), threading.Event(), []

    async def start() -> asyncio.Server:
        return await loop.create_server(lambda: SMTP(mailbox, loop=loop, **options), "127.0.0.1", 0)

    def run() -> None:
        server = loop.run_until_complete(start())
        ports.append(server.sockets[0].getsockname()[1])
        ready.set()
        loop.run_forever()
        server.close()
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(server.wait_closed())
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()

    thread = threading.Thread(target=run)
    thread.start()
    assert ready.wait(30)
    try:
        yield ports[0]
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()


def plain(port: int, **arguments: Any) -> EmailSink:
    told = {"to": "shift@lab.example", "server": "127.0.0.1", "text": "{n}", "security": "none", **arguments}
    sink = EmailSink(**told, port=port)
    sink.open(FACTS)
    return sink


def test_an_item_is_a_mail() -> None:
    mailbox = Mailbox()
    with serving(mailbox) as port:
        sink = plain(
            port,
            to=["shift@lab.example", "pi@lab.example"],
            sender="beamline@lab.example",
            subject="{detector}: größer",
            text="{detector} at {significance:.1f} σ",
        )
        sink.write({"detector": "IceCube\nBcc: all@lab.example", "significance": 5.12})
        sink.close(ended_well=True)
    (mail,) = mailbox.mails
    assert mail["Subject"] == "IceCube Bcc: all@lab.example: größer"
    assert (mail["From"], mail["To"]) == ("beamline@lab.example", "shift@lab.example, pi@lab.example")
    assert mail["Bcc"] is None
    assert mail["Auto-Submitted"] == "auto-generated"
    assert body(mail) == "IceCube\nBcc: all@lab.example at 5.1 σ\n"


def test_a_storm_is_one_mail_at_once_and_one_with_the_rest() -> None:
    mailbox = Mailbox()
    with serving(mailbox) as port:
        sink = plain(port, every_s=1000, most_lines=3)
        sink.write({"n": 0})
        mailbox.wait(1)
        for number in range(1, 101):
            sink.write({"n": number})
        sink.close(ended_well=True)
    first, second = mailbox.mails
    assert (first["Subject"], body(first)) == ("supernova", "0\n")
    assert second["Subject"] == "supernova (100 messages)"
    assert body(second) == "1\n2\n3\n… and 97 more\n"


def test_what_may_succeed_later_is_tried_again_and_what_may_not_is_said() -> None:
    mailbox = Mailbox()
    with serving(mailbox) as port:
        mailbox.answers = ["451 try later"]
        sink = plain(port)
        sink._patience._first_s = 0.001
        sink.write({"n": 1})
        mailbox.wait(1)
        sink.close(ended_well=True)
        mailbox.answers = ["554 this is spam"]
        sink = plain(port)
        sink.write({"n": 1})
        with pytest.raises(SinkError, match=f"127.0.0.1:{port}: no mail was sent: 554 this is spam"):
            sink.close(ended_well=True)


def test_a_password_travels_encrypted_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("no openssl to make a certificate with")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subject = ("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1")
    made = ("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject)
    subprocess.run([*made, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    mailbox = Mailbox()
    options = {"tls_context": context, "require_starttls": True, "authenticator": mailbox.authenticate}
    with serving(mailbox, auth_required=True, **options) as port:
        login: dict[str, Any] = {"security": "starttls", "user": "beamline", "password_env": "SMTP_PASSWORD"}
        monkeypatch.setenv("SMTP_PASSWORD", "right")
        sink = plain(port, **login)
        sink.write({"n": 1})
        with pytest.raises(SinkError, match="CERTIFICATE_VERIFY_FAILED"):
            sink.close(ended_well=True)
        assert not mailbox.users

        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        sink = plain(port, **login)
        sink.write({"n": 2})
        sink.close(ended_well=True)
        assert [body(mail) for mail in mailbox.mails] == ["2\n"]
        assert mailbox.users == [(b"beamline", b"right")]

        monkeypatch.setenv("SMTP_PASSWORD", "wrong")
        sink = plain(port, **login)
        sink.write({"n": 3})
        with pytest.raises(SinkError, match="535") as error:
            sink.close(ended_well=True)
        assert "wrong" not in str(error.value)


def test_an_item_without_the_field_is_named() -> None:
    sink = plain(9)
    with pytest.raises(SinkError, match='email: no field "n"'):
        sink.write({"m": 1})
    sink.close(ended_well=True)


def test_a_password_that_is_not_set_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SMTP_PASSWORD", raising=False)
    with pytest.raises(SinkError, match="the password is taken from the environment, and SMTP_PASSWORD is not set"):
        plain(9, security="tls", user="u", password_env="SMTP_PASSWORD")


def made(**arguments: Any) -> Callable[[], EmailSink]:
    return lambda: EmailSink(**{"to": "a@b", "server": "s", "text": "x", **arguments})


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (made(to="shift"), '"shift" is no address of a mail'),
        (made(to=[]), "nobody gets the mail"),
        (made(to="a@b\nBcc:c@d"), "is no address of a mail"),
        (made(sender="me"), '"me" is no address'),
        (made(security="ssl"), "security is 'ssl'"),
        (made(user="u"), "belong together"),
        (made(user="u", password_env="P", security="none"), "in the clear"),
        (made(text="{"), r"write \{\{ and"),
        (made(tries=0), "0 tries"),
        (made(every_s=-1), "every_s is -1"),
        (made(timeout_s=0), "timeout_s is 0"),
    ],
)
def test_what_is_not_right_is_said_when_it_is_made(make: Callable[[], Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        make()
