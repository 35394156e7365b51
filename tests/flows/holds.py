"""Legal holds as operators place and lift them, on the command line."""

import json
import subprocess
import sys
from typing import Any

from tests.suite import RunningSuite

REASON = "Court of Example, 12/345"


def hold(suite: RunningSuite, scope: str) -> str:
    """In force, by two operators, on the command line."""
    proposed = lethe(suite, "propose", scope, "--reason", REASON, "--operator", "A. Clerk")
    approved = lethe(suite, "approve", proposed["hold_id"], "--operator", "B. Counsel")
    assert (proposed["state"], approved["state"]) == ("proposed", "in_force")
    return str(approved["hold_id"])


def lethe(suite: RunningSuite, *arguments: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "lethe_cli", "holds", *arguments, "--data", str(suite.data), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer
