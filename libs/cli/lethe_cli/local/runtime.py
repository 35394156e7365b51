"""`runtime.json`: what runs now, where it listens, which processes it is made of. No secrets."""

from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel

from lethe_cli.errors import FolderRefused, NotRunning
from lethe_cli.local.folder import DataFolder, write_private


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


def read(folder: DataFolder) -> Runtime:
    """What the `lethe up` that runs on this folder wrote.

    Raises:
        NotRunning: none does; after a kill or a power cut the file is there all the same.
        FolderRefused: the folder is closed to us.
    """
    try:
        if folder.is_in_use:
            return Runtime.model_validate_json(folder.runtime.read_bytes())
    except FileNotFoundError:
        pass  # taken by one that has only begun, or has ended meanwhile
    except OSError as error:
        raise FolderRefused(f"{folder.path} cannot be read ({error.strerror}). Be who started `lethe up`.") from error
    raise NotRunning(f"Nothing runs on {folder.path}. Start it with `lethe up`, or name its folder with --data.")
