"""Mail out over SMTP (aiosmtplib). TLS from the start with `smtps://`, else STARTTLS where it is offered."""

import socket
from collections.abc import Awaitable, Callable
from email.message import EmailMessage
from email.utils import formatdate, parseaddr
from urllib.parse import unquote, urlsplit

import aiosmtplib
from pydantic import SecretStr

from lethe_common.catalogue import Kind, declare, each, held, impersonal
from lethe_common.clock import wall
from lethe_common.egress import EgressRefused
from lethe_common.errors import LetheError, Unavailable

_TIMEOUT_SECONDS = 20.0
_TLS_PORT, _SUBMISSION_PORT = 465, 587
HEADERS = declare(
    Kind.HEADER,
    {
        "To": held("identity.email", is_sealed=False),
        **each(("From", "Subject"), impersonal("the operator's address; a sentence of the template")),
        "List-Unsubscribe": held("identity.credentials", is_sealed=False),
        "List-Unsubscribe-Post": impersonal("the same in every mail that can be declined"),
        **each(("Date", "Message-ID"), impersonal("when it was sent, and a random id")),
    },
)
"""What stands above a mail. It travels to the recipient's server and rests here nowhere."""


Tunnel = Callable[[str, int], Awaitable[socket.socket]]
"""A connection to a host and port, or a refusal; of `lethe_common.egress`."""


class MailNotSent(LetheError):
    """The server is away or refused the mail. `cause` names the kind of failure, never the address."""

    code = "mail_not_sent"

    def __init__(self, cause: str) -> None:
        super().__init__("The mail could not be handed over. It is tried again later.")
        self.cause = cause


class Smtp:
    """One SMTP server, from a URL such as `smtp://user:password@host:587`."""

    def __init__(self, url: SecretStr, sender: str, tunnel: Tunnel | None = None) -> None:
        parts = urlsplit(url.get_secret_value())
        self._host, self._port, self._is_tls = parts.hostname or "127.0.0.1", parts.port, parts.scheme == "smtps"
        self._user = unquote(parts.username) if parts.username else None
        self._password = unquote(parts.password) if parts.password else None
        self._sender, self._tunnel = sender, tunnel

    @property
    def host(self) -> str:
        """Where it is."""
        return self._host

    @property
    def _domain(self) -> str:
        return parseaddr(self._sender)[1].rpartition("@")[2] or "localhost"

    @property
    def _usual_port(self) -> int:
        return _TLS_PORT if self._is_tls else _SUBMISSION_PORT

    async def send(self, message: EmailMessage, name: str) -> None:
        """Hand one mail over. Under the same `name` it has the same Message-ID (RFC 5322, section 3.6.4).

        So if it has to be handed over again, because nobody knows whether it was taken, it is one mail for who gets it.

        Raises:
            MailNotSent: it was not taken.
        """
        message["From"] = self._sender
        message["Date"] = formatdate(wall().timestamp())
        message["Message-ID"] = f"<{name}@{self._domain}>"
        try:
            connection = (
                None if self._tunnel is None else await self._tunnel(self._host, self._port or self._usual_port)
            )
            await aiosmtplib.send(
                message,
                hostname=self._host,
                port=self._port if connection is None else None,
                sock=connection,
                username=self._user,
                password=self._password,
                use_tls=self._is_tls,
                timeout=_TIMEOUT_SECONDS,
            )
        except (aiosmtplib.SMTPException, OSError, EgressRefused, Unavailable) as error:
            raise MailNotSent(type(error).__name__) from error
