"""The drill of a lost keyring, by the commands that an operator has: nothing of it comes back by itself, all of it from a backup."""

import shutil
import subprocess
import sys
from pathlib import Path

from lethe_cli.local.folder import DataFolder
from tests.flows.steps import SMALL_CREDITS
from tests.suite import answered, fresh_suite, until

ORDER = {"prompt": "a boat under two keys", "size": "640x360", "seconds": "4"}


def test_a_lost_keyring_is_put_back_from_its_backup_and_everything_opens_again(tmp_path: Path) -> None:
    with fresh_suite() as suite:
        folder, recovery_key = DataFolder(suite.data), tmp_path / "recovery.pem"

        def lethe(*arguments: str) -> subprocess.CompletedProcess[str]:
            command = [sys.executable, "-m", "lethe_cli", *arguments, "--data", str(suite.data)]
            return subprocess.run(command, capture_output=True, text=True, check=False)

        unsealable = lethe("keys", "backup")
        made = lethe("keys", "recovery-key", "new", "-o", str(recovery_key))
        again = lethe("keys", "recovery-key", "new", "-o", str(recovery_key))
        taken = lethe("keys", "backup")
        (backup,) = folder.key_backups.glob("*.keys")
        account = suite.open_account()
        with account.http() as http:
            answered(http.post("/v1/videos", json=ORDER))
            suite.stop("privacy")
            shutil.rmtree(folder.keyring)
            wrong = lethe("keys", "restore", str(recovery_key), "--recovery-key", str(recovery_key))
            restored = lethe("keys", "restore", str(backup), "--recovery-key", str(recovery_key))
            suite.start("privacy")
            shown = until(lambda: answered(http.get("/v1/videos"))["data"], "the list")

        assert [one.returncode for one in (unsealable, made, again, taken, wrong, restored)] == [1, 0, 1, 0, 1, 0]
        assert "lethe keys recovery-key new" in unsealable.stderr
        assert "never overwritten" in again.stderr
        assert "the keys of generation 0 again" in restored.stdout
        assert [one["prompt"] for one in shown] == [ORDER["prompt"]]
        assert account.balance()["available"] == 600 - SMALL_CREDITS
