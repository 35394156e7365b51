"""`runtime.json`: what runs now, where it listens, which processes it is made of. No secrets."""

from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel

from lethe_cli.errors import NotRunning
from lethe_cli.local.folder import write_private


class Runtime(BaseModel):
    """One running suite. `url` and `console_url` are absent when only the servers run.

    `services` are its processes by name, `urls` and `console_urls` where each gateway is.
    """

    pid: int
    started_at: datetime
    profile: str
    store: Literal["seaweed", "minio"]
    clock: Literal["real", "virtual"]
    url: str | None
    console_url: str | None
    postgres_port: int
    nats_url: str
    nats_monitor_url: str
    s3_endpoint: str
    s3_bucket: str
    postgres_folder: str
    services: list[str]
    health_ports: dict[str, int]
    urls: list[str] = []
    console_urls: list[str] = []
    pids: dict[str, int] = {}
    is_ready: bool = False

    def write(self, file: Path) -> None:
        """Replace the file, whole."""
        write_private(file, self.model_dump_json(indent=2).encode())


def read(file: Path) -> Runtime:
    """What the last `lethe up` on this folder wrote.

    Raises:
        NotRunning: there is no such file.
    """
    try:
        return Runtime.model_validate_json(file.read_bytes())
    except FileNotFoundError as error:
        raise NotRunning(
            f"Nothing runs on {file.parent}. Start it with `lethe up`, or name its folder with --data."
        ) from error
