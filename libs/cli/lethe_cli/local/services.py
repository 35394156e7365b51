"""The five services as children, and the environment each of them is given."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from lethe_cli.local.bucket import BUCKET
from lethe_cli.local.folder import DataFolder
from lethe_cli.local.nats_server import NatsServer
from lethe_cli.local.ports import LOOPBACK
from lethe_cli.local.postgres import Postgres
from lethe_cli.local.programs import BACKGROUND, BETWEEN, Program
from lethe_cli.local.readiness import is_ready
from lethe_cli.local.secrets import Secrets
from lethe_common.database.roles import FACTS_DATABASE, KEYS_DATABASE, VERIFIER, database_of, owner, working
from lethe_common.services import Service

# Passed on, because people steer interpreters and certificates with them; nothing else of ours is.
_INHERITED = ("PATH", "HOME", "LANG", "PYTHONPATH", "VIRTUAL_ENV", "SSL_CERT_FILE", "PYTHONDONTWRITEBYTECODE")
_LOOKS_FOR_ITSELF = (Service.RETENTION, Service.PRIVACY)
"""The services that see absence with the verifier's credentials."""
_REACHED_BY = {"0.0.0.0": LOOPBACK, "::": "::1"}  # noqa: S104  one listens at these; nobody can call them
_STORES = (Service.GATEWAY, Service.JOBS)
_NICENESS = {Service.RETENTION: BACKGROUND, Service.JOBS: BETWEEN}


@dataclass(frozen=True, slots=True)
class Servers:
    """The three servers as the services find them."""

    postgres: Postgres
    nats: NatsServer
    s3_endpoint: str


@dataclass(frozen=True, slots=True)
class PublicPorts:
    """Where the gateway faces people: studio and API at `host`, and the operator's console, on loopback whatever that is."""

    host: str
    port: int
    console_port: int

    @property
    def url(self) -> str:
        """How it is reached from this machine."""
        host = _REACHED_BY.get(self.host, self.host)
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    @property
    def console_url(self) -> str:
        return f"http://{LOOPBACK}:{self.console_port}"


@dataclass(frozen=True, slots=True)
class Replica:
    """One process of a service. The first has the service's name; `public` is where a gateway faces people."""

    service: Service
    number: int
    health_port: int
    public: PublicPorts

    @property
    def name(self) -> str:
        """What it is called in logs, on the control socket and by the clock: `gateway`, `gateway-2`."""
        return self.service.value if self.number == 1 else f"{self.service}-{self.number}"


@dataclass(frozen=True, slots=True)
class ServiceEnvironment:
    """Makes each service's environment; every variable is described in docs/operate.md."""

    folder: DataFolder
    secrets: Secrets
    servers: Servers
    public: PublicPorts
    profile: Path
    is_virtual: bool
    extra: Mapping[str, str]

    def of(self, replica: Replica) -> dict[str, str]:
        """Everything one process reads, and nothing that belongs to another service."""
        service = replica.service
        variables = {
            **self._common(replica),
            **self._store(service),
            **(self._verifier() if service in _LOOKS_FOR_ITSELF else {}),
            **(self._gateway(replica.public) if service is Service.GATEWAY else {}),
            **(self._privacy() if service is Service.PRIVACY else {}),
        }
        inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        own = {f"LETHE_{name}": value for name, value in variables.items()}
        return {**inherited, "TMPDIR": str(self.folder.tmp.resolve()), "PYTHONUNBUFFERED": "1", **own, **self.extra}

    def _common(self, replica: Replica) -> dict[str, str]:
        service, postgres, nats = replica.service, self.servers.postgres, self.servers.nats
        clock = {"CLOCK_FILE": str(self.folder.clock.resolve())} if self.is_virtual else {}
        return {
            "DATABASE_URL": postgres.url(working(service), database_of(service)),
            "DATABASE_OWNER_URL": postgres.url(owner(service), database_of(service)),
            "NATS_URL": nats.url,
            "NATS_MONITOR_URL": nats.monitor_url,
            "NATS_USER": service.value,
            "NATS_PASSWORD": self.secrets.nats[service],
            "S3_ENDPOINT": self.servers.s3_endpoint,
            "S3_BUCKET": BUCKET,
            "S3_SECURE": "false",
            "PROFILE": str(self.profile),
            "HEALTH_PORT": str(replica.health_port),
            "PROCESS_NAME": replica.name,
            **clock,
        }

    def _store(self, service: Service) -> dict[str, str]:
        if service not in _STORES:
            return {}
        key = self.secrets.s3[service.value]
        return {"S3_ACCESS_KEY": key.access_key, "S3_SECRET_KEY": key.secret_key}

    def _verifier(self) -> dict[str, str]:
        key, postgres = self.secrets.s3["verifier"], self.servers.postgres
        return {
            "VERIFIER_DATABASE_URL": postgres.url(VERIFIER),
            "VERIFIER_KEYS_DATABASE_URL": postgres.url(VERIFIER, KEYS_DATABASE),
            "S3_VERIFIER_ACCESS_KEY": key.access_key,
            "S3_VERIFIER_SECRET_KEY": key.secret_key,
        }

    def _gateway(self, public: PublicPorts) -> dict[str, str]:
        return {
            "HOST": public.host,
            "PORT": str(public.port),
            "CONSOLE_PORT": str(public.console_port),
            "PUBLIC_URL": self.public.url,
            "OPERATOR_TOKEN": self.secrets.operator_token,
            "PEPPER": self.secrets.pepper,
        }

    def _privacy(self) -> dict[str, str]:
        postgres = self.servers.postgres
        return {
            "KEYS_DATABASE_URL": postgres.url(working(Service.PRIVACY), KEYS_DATABASE),
            "KEYS_DATABASE_OWNER_URL": postgres.url(owner(Service.PRIVACY), KEYS_DATABASE),
            "VERIFIER_FACTS_DATABASE_URL": postgres.url(VERIFIER, FACTS_DATABASE),
            "KEYRING": str(self.folder.keyring.resolve()),
            "KEY_BACKUPS": str(self.folder.key_backups.resolve()),
            "RECOVERY_KEY": str(self.folder.recovery_key.resolve()),
            "SIGNING_KEY": str(self.folder.signing_key.resolve()),
        }


def program(replica: Replica, environment: ServiceEnvironment) -> Program:
    """One process of a service as a child of the runner."""
    return Program(
        name=replica.name,
        arguments=(sys.executable, "-m", f"lethe_{replica.service}"),
        module=f"lethe_{replica.service}",
        environment=environment.of(replica),
        folder=environment.folder.path.resolve(),
        is_ready=partial(is_ready, f"http://{LOOPBACK}:{replica.health_port}/readyz"),
        niceness=_NICENESS.get(replica.service, 0),
    )
