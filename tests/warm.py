"""What tests fork from: a process that has imported the command line, what `lethe up` needs and the services (see forked.py).

`python -m tests.warm DESCRIPTOR PACKAGE…`
"""

import importlib
import socket
import sys

from lethe_cli.local.forkserver import Become, served


def main() -> None:
    """Serve, and in a child be what was asked for."""
    descriptor, *packages = sys.argv[1:]
    if "lethe_cli" in packages:
        importlib.import_module("lethe_cli.local.suite")
    Become(served(socket.socket(fileno=int(descriptor)), packages)).run()


if __name__ == "__main__":
    main()
