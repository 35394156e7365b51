"""What can go wrong on the command line. Each message says what to do next.

CommandError
├── NotStarted      the suite, or a part of it, did not come up
├── PortTaken       somebody else listens where we were told to
├── ProgramMissing  a server's program is nowhere to be found
├── FolderRefused   the data folder cannot be used as it is
├── NotRunning      nothing runs on this data folder
├── ClockRefused    policy time cannot be moved that way
├── ProfileMissing  there is no such profile
├── BackupRefused   a backup cannot be taken or restored as it is
├── PolicyRefused   a policy's file is wrong, or there is no such language
├── NotReached      nobody answers at the address
├── ApiRefused      the service said no, and why
└── KeyMissing      no API key, or no operator token, was given
"""


class CommandError(Exception):
    """Printed as one sentence; the command ends with status 1."""


class NotStarted(CommandError):
    """A program did not become ready."""


class PortTaken(CommandError):
    """A port that was asked for is in use."""


class ProgramMissing(CommandError):
    """A server's program was found neither among the installed packages nor on PATH."""


class FolderRefused(CommandError):
    """The data folder is in use, or not usable."""


class NotRunning(CommandError):
    """No `lethe up` answers for this data folder."""


class ClockRefused(CommandError):
    """The clock is real, or the step is not forward, or somebody is late."""


class ProfileMissing(CommandError):
    """No folder with policy.yaml and catalogue.yaml by that name."""


class BackupRefused(CommandError):
    """A backup is not whole or not ours, or the ledger of facts is not the newest; or none can be taken."""


class PolicyRefused(CommandError):
    """A policy's file is wrong; the message names its lines."""


class NotReached(CommandError):
    """Nobody answers at the address."""


class ApiRefused(CommandError):
    """The service said no. `status` is the HTTP status, `code` the refusal's own; empty where it has none."""

    def __init__(self, status: int, message: str, code: str = "") -> None:
        super().__init__(message)
        self.status, self.code = status, code


class KeyMissing(CommandError):
    """No API key, or no operator token, was given."""
