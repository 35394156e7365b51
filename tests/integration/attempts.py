"""Run inside a confined process: every way out that comes to mind, and what became of each, as JSON on standard output."""

import asyncio
import ctypes
import http.client
import json
import os
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
from prometheus_client import CollectorRegistry

from lethe_common.clock import RealClock
from lethe_common.egress import Attachment, Egress, EgressRefused, Outbound, PorterWay, Recipient, Recipients, Refusals

_SECONDS = 3
_CLONE_NEWNET = 0x40000000
_PIDFD_GETFD = 438


def main() -> None:
    told = json.loads(sys.argv[1])
    host, port, canary = told["host"], told["port"], told["canary"]
    url = f"http://{host}:{port}/v1"
    attempts: dict[str, Callable[[], object]] = {
        "raw socket": lambda: _tcp(host, port, canary),
        "raw socket to loopback outside": lambda: _tcp("127.0.0.1", told["loopback_port"], canary),
        "datagram": lambda: _udp(host, canary),
        "IPv6": lambda: socket.create_connection(("2606:2800:220:1:248:1893:25c8:1946", 80), _SECONDS),
        "name": lambda: socket.getaddrinfo(f"{canary}.example.org", 80),
        "urllib": lambda: urllib.request.urlopen(url, canary.encode(), _SECONDS),
        "http.client": lambda: http.client.HTTPConnection(host, port, timeout=_SECONDS).request("GET", f"/{canary}"),
        "SDK with a transport of its own": lambda: httpx2.Client(transport=httpx2.HTTPTransport()).post(url, json={"who": canary}),
        "URL query": lambda: httpx2.get(url, params={"who": canary}, trust_env=False, timeout=_SECONDS),
        "file name": lambda: httpx2.post(url, files={"a": (canary, b"x")}, trust_env=False, timeout=_SECONDS),
        "another program": lambda: subprocess.run(["curl", "-sS", "-m", "3", f"{url}?{canary}"], check=True, capture_output=True),
        "back into the namespace outside": lambda: _step_back(told["outside_pid"], host, port),
        "a socket of a process outside": lambda: _steal(told["outside_pid"], told["outside_fd"]),
        "an address of its own": lambda: subprocess.run(["ip", "link", "add", "out0", "type", "veth"], check=True, capture_output=True),
    }  # fmt: skip
    outcomes = {name: _outcome(attempt) for name, attempt in attempts.items()}
    outcomes |= asyncio.run(_by_egress(told))
    json.dump(outcomes, sys.stdout)


def _outcome(attempt: Callable[[], object]) -> str:
    try:
        attempt()
    except (OSError, httpx2.TransportError, subprocess.SubprocessError) as error:
        return f"failed: {type(error).__name__}"
    return "got out"


async def _by_egress(told: dict[str, Any]) -> dict[str, str]:
    """The same through the porter: the declared host is reached, another one and another field are not."""
    # What this process believes to be declared is its own matter: the porter has a list of its own.
    believed = Recipient(
        "renderer",
        frozenset({told["declared_host"], told["host"]}),
        frozenset({"service", "anything"}),
        frozenset({"prompt", "who"}),
        ports=frozenset({told["declared_port"], told["port"]}),
    )
    recipients = Recipients(lambda: [believed])
    egress = Egress(recipients, PorterWay(Path(told["socket"])), Refusals(CollectorRegistry(), RealClock().now))
    declared, other = (
        f"http://{told[host]}:{told[port]}" for host, port in (("declared_host", "declared_port"), ("host", "port"))
    )
    prompt = {"prompt": "a paper boat"}
    requests = {
        "egress, declared": Outbound("renderer", "service", "POST", f"{declared}/v1", prompt),
        "egress, other host": Outbound("renderer", "service", "POST", f"{other}/v1", prompt),
        "egress, other field": Outbound("renderer", "service", "POST", f"{declared}/v1", {"who": told["canary"]}),
        "egress, other purpose": Outbound("renderer", "anything", "POST", f"{declared}/v1", prompt),
        "egress, URL query": Outbound("renderer", "service", "GET", f"{declared}/v1?{told['canary']}"),
        "egress, file name": Outbound(
            "renderer", "service", "POST", f"{declared}/v1", {}, {told["canary"]: Attachment("image/png", b"x")}
        ),
    }
    outcomes: dict[str, str] = {}
    for name, request in requests.items():
        try:
            outcomes[name] = f"answered {(await egress.send(request)).status}"
        except EgressRefused as refused:
            outcomes[name] = f"refused: {refused.reason}"
    return outcomes


def _tcp(host: str, port: int, canary: str) -> None:
    with socket.create_connection((host, port), _SECONDS) as out:
        out.sendall(canary.encode())


def _udp(host: str, canary: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        out.sendto(canary.encode(), (host, 53))


def _step_back(pid: int, host: str, port: int) -> None:
    namespace = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY)
    if ctypes.CDLL(None, use_errno=True).setns(namespace, _CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")
    _tcp(host, port, "stepped back")


def _steal(pid: int, descriptor: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    held = os.pidfd_open(pid)
    if libc.syscall(_PIDFD_GETFD, held, descriptor, 0) < 0:
        raise OSError(ctypes.get_errno(), "pidfd_getfd")


if __name__ == "__main__":
    main()
