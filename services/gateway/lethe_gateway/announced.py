"""HTTP behind the door: the first line says who is calling (PROXY protocol, version 1; see `lethe_common.door`)."""

import asyncio
import ipaddress

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_LONGEST_LINE_BYTES = 107
_LINE_WORDS = 6


class AnnouncedProtocol(HttpToolsProtocol):
    """Takes the caller's address from that line. A connection without it did not come through the door, and ends."""

    _waiting: bytes | None = b""

    def data_received(self, data: bytes) -> None:
        """Bytes arrived: of the line until it is whole, of requests from then on."""
        if self._waiting is None:
            super().data_received(data)
            return
        line, ending, rest = (self._waiting + data).partition(b"\r\n")
        if len(line) > _LONGEST_LINE_BYTES or (ending and not self._is_announced(line)):
            self._refuse()
        elif not ending:
            self._waiting = line
        else:
            self._waiting = None
            if rest:
                super().data_received(rest)

    def _is_announced(self, line: bytes) -> bool:
        words = line.decode("ascii", "replace").split(" ")
        if len(words) != _LINE_WORDS or words[0] != "PROXY":
            return False
        try:
            self.client = (str(ipaddress.ip_address(words[2])), int(words[4]))
        except ValueError:
            return False
        return True

    def _refuse(self) -> None:
        transport: asyncio.Transport = self.transport
        transport.abort()
