"""Items as e-mail."""

import os
import smtplib
import ssl
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from typing import Annotated, Any, ClassVar, Final, Literal

from penstock.elements.gathered_sending import GatheredSending
from penstock.elements.gathering import Gathered, Gathering
from penstock.elements.http_post import secret
from penstock.elements.network_address import listed_addresses
from penstock.elements.patience import Patience
from penstock.elements.sink import RunFacts, Sink
from penstock.elements.text_template import TextTemplate
from penstock.errors import SinkError
from penstock.extra import extra

with extra("run"):
    from annotated_types import Ge, Gt

__all__ = ["EmailSink"]

_PORTS: Final = {"starttls": 587, "tls": 465, "none": 25}
"""RFC 6409, RFC 8314 and RFC 5321."""
_TEMPORARY: Final = range(400, 500)
"""Answers after which the same may succeed; RFC 5321, 4.2.1."""


class EmailSink(Sink):
    """Send an e-mail for each item; in a storm, one at once and then one that has them all, once in a while.

    In a pipeline::

        sinks:
          mail:
            use: email
            from: alerts
            to: [shift@lab.example]
            server: smtp.lab.example
            subject: "{detector}: {kind}"
            text: "{detector} at {time}: significance {significance:.1f}"
            user: beamline
            password_env: SMTP_PASSWORD

    >>> from penstock.elements.sink import RunFacts
    >>> sink = EmailSink("shift@lab.example", "127.0.0.1", port=9, security="none", text="{}", tries=1)
    >>> sink.open(RunFacts(pipeline="p", run="r"))
    >>> sink.write(3)
    >>> sink.close(ended_well=True)
    Traceback (most recent call last):
    ...
    penstock.errors.SinkError: 127.0.0.1:9: no mail was sent: [Errno 111] Connection refused

    Parameters
    ----------
    to
        An address, or a list.
    server
        Name of the mail server.
    text
        With ``{field}`` for a field of the item, ``{field:.2f}`` for it as Python formats it.
    subject
        Likewise; by default the name of the pipeline. Of several items it is that of the first, with their number.
    sender
        By default ``penstock@`` and this machine's name.
    port
        By default 587, 465 or 25, as ``security`` says.
    security
        ``starttls``: encrypted from the second word on; ``tls``: from the first; ``none``: not at all.
    user, password_env
        Whom the server knows, and the variable of the environment that holds the password.
    every_s
        How long it is at least from one mail to the next.
    most_lines
        Texts of one mail; of others it says how many there were.
    timeout_s, tries
        How long the server may take for a word, and how often is attempted to send a mail.

    Raises
    ------
    ValueError
        If an address is none, braces do not fit, a password would travel in the clear, or a number is out of bounds.
    """

    may_wait: ClassVar[bool] = False  # it has a thread of its own

    def __init__(
        self,
        to: str | list[str],
        server: str,
        text: str,
        subject: str = "",
        sender: str = "",
        port: Annotated[int, Ge(0)] = 0,
        security: Literal["starttls", "tls", "none"] = "starttls",
        user: str = "",
        password_env: str = "",
        every_s: Annotated[float, Ge(0)] = 300.0,
        most_lines: Annotated[int, Ge(1)] = 100,
        timeout_s: Annotated[float, Gt(0)] = 30.0,
        tries: Annotated[int, Ge(1)] = 5,
    ) -> None:
        self._to = listed_addresses(to)
        for address in (*self._to, *([sender] if sender else [])):
            if "@" not in address or any(ord(letter) < 33 for letter in address):
                raise ValueError(f'"{address}" is no address of a mail; write name@host')
        if not self._to:
            raise ValueError("nobody gets the mail; write to: name@host")
        if security not in _PORTS:
            raise ValueError(f'security is {security!r}; it must be "starttls", "tls" or "none"')
        if bool(user) != bool(password_env):
            raise ValueError("user and password_env belong together; give both, or none")
        if user and security == "none":
            raise ValueError("the password would travel in the clear; use security: starttls")
        if timeout_s <= 0:
            raise ValueError(f"timeout_s is {timeout_s}; it must be above 0")
        self._server, self._port, self._security = server, port or _PORTS[security], security
        self._user, self._password_env = user, password_env
        self._text, self._subject, self._sender = TextTemplate(text), TextTemplate(subject), sender
        self._timeout_s = timeout_s
        self._tries = tries
        self._gathering = Gathering(every_s, most_lines)
        self._patience = Patience(tries, first_s=2.0, most_s=120.0)
        self._password = self._pipeline = ""
        self._sending: GatheredSending | None = None

    @property
    def _where(self) -> str:
        return f"{self._server}:{self._port}"

    def open(self, run: RunFacts) -> None:
        """Take the password from the environment; nothing is sent yet.

        Raises
        ------
        SinkError
            If it is not there.
        """
        self._password = secret(self._password_env, "the password") if self._password_env else ""
        self._pipeline = run.pipeline
        self._sending = GatheredSending(self._gathering, self._send)
        self._sending.start()

    def write(self, item: Any) -> None:  # an item of any kind
        """Send it, now or with others.

        Raises
        ------
        SinkError
            If the item lacks a field, or an earlier mail could not be sent.
        """
        if self._sending is None:
            return
        try:
            subject = " ".join(self._subject.fill(item).split())  # no line may end in it
            text = self._text.fill(item)
        except (LookupError, ValueError) as error:
            raise SinkError(f"email: {error}") from error
        self._sending.add(f"{subject}\0{text}")

    def hasten(self) -> None:
        """Pause for 5 s from now on, and no longer."""
        self._patience.hasten()

    def close(self, ended_well: bool, outcome: str = "") -> None:  # noqa: ARG002 - it tells of items only
        """Send what has gathered, and end.

        Raises
        ------
        SinkError
            If a mail could not be sent.
        """
        sending, self._sending = self._sending, None
        self._patience.hasten()
        if sending is not None:
            sending.close()

    def _send(self, gathered: Gathered) -> None:
        mail = self._mail(gathered)
        attempt = 0
        while True:
            attempt += 1
            try:
                self._hand_over(mail)
            except (OSError, smtplib.SMTPException) as error:
                if not _may_help(error) or not self._patience.wait(attempt):
                    tries = f" after {attempt} attempts" if attempt > 1 else ""
                    raise SinkError(f"{self._where}: no mail was sent{tries}: {_said(error)}") from error
            else:
                return

    def _hand_over(self, mail: EmailMessage) -> None:
        context = ssl.create_default_context() if self._security != "none" else None
        kind: Any = smtplib.SMTP_SSL if self._security == "tls" else smtplib.SMTP
        options = {"context": context} if self._security == "tls" else {}
        with kind(self._server, self._port, timeout=self._timeout_s, **options) as server:
            if self._security == "starttls":
                server.starttls(context=context)
            if self._user:
                server.login(self._user, self._password)
            server.send_message(mail)

    def _mail(self, gathered: Gathered) -> EmailMessage:
        subjects, texts = zip(*[each.split("\0", 1) for each in gathered.texts], strict=True)
        mail = EmailMessage()
        subject = subjects[0] or self._pipeline
        mail["Subject"] = subject if gathered.count == 1 else f"{subject} ({gathered.count} messages)"
        mail["From"] = self._sender or f"penstock@{os.uname().nodename}"
        mail["To"] = ", ".join(self._to)
        mail["Date"] = formatdate()
        mail["Message-ID"] = make_msgid(domain=os.uname().nodename)
        mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: no absence note answers it
        mail.set_content(Gathered(texts=tuple(texts), more=gathered.more).lines() + "\n")
        return mail


def _may_help(error: Exception) -> bool:
    """Whether the same may succeed later."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return all(code in _TEMPORARY for code, _ in error.recipients.values())
    if isinstance(error, smtplib.SMTPResponseException):
        return error.smtp_code in _TEMPORARY
    return not isinstance(error, ssl.SSLCertVerificationError | smtplib.SMTPNotSupportedError)


def _said(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPResponseException):
        text = error.smtp_error
        return f"{error.smtp_code} {text.decode('utf-8', 'replace') if isinstance(text, bytes) else text}"
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return "; ".join(
            f"{to}: {code} {text.decode('utf-8', 'replace')}" for to, (code, text) in error.recipients.items()
        )
    return str(error) or type(error).__name__
