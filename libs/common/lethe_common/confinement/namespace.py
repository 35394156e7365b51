"""A process in a network namespace of its own, and the sockets that were made inside it for those outside.

A socket belongs for ever to the namespace in which it was made. So whoever is outside is
given listeners and connections made inside, and nothing made outside is ever given in: a socket
from outside, even a listening or an accepted one, can be disconnected and pointed elsewhere
(connect(2), AF_UNSPEC).
"""

import ctypes
import fcntl
import os
import signal
import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 0x1
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS = 1, 4, 24, 38
_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL = 47, 4
_CAPABILITY_VERSION_3 = 0x20080522
_MOST_CAPABILITIES = 64
_LOOPBACK = "127.0.0.1"
_BACKLOG = 512
_ASKED = struct.Struct("!H")
_WENT_WRONG = 125
FORWARDED = (signal.SIGTERM, signal.SIGINT)
"""They are for the command: whoever starts it hands them on."""


class NotConfined(OSError):
    """This kernel, or its administrator, does not let this user make a network namespace."""


@dataclass(frozen=True, slots=True)
class Confined:
    """A running process inside, the outlets' listeners by port, and who makes connections inside."""

    pid: int
    listeners: dict[int, socket.socket]
    insider: socket.socket

    def connection(self, port: int) -> socket.socket:
        """A connection to a port inside, made by the insider. Blocks for a moment.

        Raises:
            ConnectionRefusedError: nobody listens there yet.
        """
        self.insider.sendall(_ASKED.pack(port))
        _, descriptors, _, _ = socket.recv_fds(self.insider, 1, 1)
        if not descriptors:
            raise ConnectionRefusedError
        return socket.socket(fileno=descriptors[0])


def start(command: Sequence[str], outlets: Sequence[int]) -> Confined:
    """Start a command inside. It keeps this process's environment, and loses every capability.

    From then on the signals in `FORWARDED` wait; the caller lets them in once it can hand them on.

    Raises:
        NotConfined: the kernel refused; nothing was started.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    signal.pthread_sigmask(signal.SIG_BLOCK, FORWARDED)
    pid = os.fork()
    if pid == 0:
        _inside(command, outlets, theirs, ours)
    theirs.close()
    # Whoever runs as the same user could otherwise trace this process, which is outside.
    _prctl(_PR_SET_DUMPABLE, 0)
    told, descriptors, _, _ = socket.recv_fds(ours, 1, max(len(outlets), 1))
    if not told or len(descriptors) != len(outlets):
        os.waitpid(pid, 0)
        raise NotConfined("A network namespace could not be made: see unprivileged user namespaces, or start as root.")
    listeners = {port: socket.socket(fileno=each) for port, each in zip(outlets, descriptors, strict=True)}
    return Confined(pid, listeners, ours)


def _inside(command: Sequence[str], outlets: Sequence[int], told: socket.socket, ours: socket.socket) -> None:
    """The child: into the namespace, listeners out, an insider left behind, all rights dropped, then the command."""
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, FORWARDED)
        ours.close()
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        _enter()
        listeners = [_listener(port) for port in outlets]
        socket.send_fds(told, [b"."], [each.fileno() for each in listeners]) if listeners else told.sendall(b".")
        if os.fork() == 0:
            _drop_rights()
            _serve_connections(told)
        for each in (*listeners, told):
            each.close()
        _drop_rights()
        os.execvp(command[0], list(command))  # noqa: S606  the command is the caller's own
    finally:
        os._exit(_WENT_WRONG)


def _enter() -> None:
    user, group = os.geteuid(), os.getegid()
    # As root a network namespace is enough; anybody else needs a user namespace around it.
    kinds = _CLONE_NEWNET if user == 0 else _CLONE_NEWUSER | _CLONE_NEWNET
    if _libc().unshare(kinds) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    if user != 0:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as handle:
        request = struct.pack("16sh22x", b"lo", 0)
        flags = struct.unpack("16sh22x", fcntl.ioctl(handle, _SIOCGIFFLAGS, request))[1]
        fcntl.ioctl(handle, _SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", flags | _IFF_UP))


def _listener(port: int) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind((_LOOPBACK, port))
    made.listen(_BACKLOG)
    return made


def _serve_connections(asked: socket.socket) -> None:
    """The insider: makes connections for whoever is outside, until that one has left."""
    while request := asked.recv(_ASKED.size):
        made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            made.connect((_LOOPBACK, _ASKED.unpack(request)[0]))
        except OSError:
            asked.sendall(b"-")
        else:
            socket.send_fds(asked, [b"+"], [made.fileno()])
        made.close()
    os._exit(0)


def _drop_rights() -> None:
    """Give up every capability for good: with CAP_SYS_ADMIN one could step back into the namespace outside."""
    for capability in range(_MOST_CAPABILITIES):
        _libc().prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)
    _libc().prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
    header, nothing = struct.pack("Ii", _CAPABILITY_VERSION_3, 0), bytes(24)
    if _libc().capset(header, nothing) != 0:
        raise OSError(ctypes.get_errno(), "capset")
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)


def _prctl(option: int, value: int) -> None:
    if _libc().prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
