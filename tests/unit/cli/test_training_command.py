import json
from pathlib import Path

from typer.testing import CliRunner, Result

from lethe_cli.__main__ import build
from lethe_cli.errors import CommandError
from lethe_common.handovers import private_key, public_half

NAME = "0123456789abcdef" * 2


def lethe(*words: str | Path) -> Result:
    return CliRunner().invoke(build(), ["training", *map(str, words)])


def test_a_trainers_key_is_made_once_and_its_public_half_said(tmp_path: Path) -> None:
    file = tmp_path / "key.pem"

    said, again = lethe("key", "-o", file), lethe("key", "-o", file)

    assert said.stdout.strip() == public_half(private_key(file.read_bytes()))
    assert file.stat().st_mode & 0o077 == 0
    assert isinstance(again.exception, CommandError)
    assert said.stdout.strip() == public_half(private_key(file.read_bytes()))


def test_without_a_list_of_what_may_be_used_on_nothing_is_opened(tmp_path: Path) -> None:
    lethe("key", "-o", tmp_path / "key.pem")
    (tmp_path / "sealed").mkdir()

    said = lethe("open", tmp_path / "sealed", "--key", tmp_path / "key.pem", "-o", tmp_path / "opened")

    assert isinstance(said.exception, CommandError)
    assert "standing.json" in str(said.exception)


def test_what_is_no_item_stays_where_it_is_whatever_the_list_says(tmp_path: Path) -> None:
    sealed, opened = tmp_path / "sealed", tmp_path / "opened"
    sealed.mkdir()
    opened.mkdir()
    lethe("key", "-o", tmp_path / "key.pem")
    (sealed / "standing.json").write_text(json.dumps([]))
    for file in (sealed / f"{NAME}.sealed", opened / f"{NAME}.mp4", opened / f"{NAME}.json"):
        file.write_bytes(b"an item")
    (opened / "model.bin").write_bytes(b"somebody's own")

    said = lethe("open", sealed, "--key", tmp_path / "key.pem", "-o", opened, "--json")

    assert json.loads(said.stdout) == {"opened": 0, "deleted": [NAME]}
    assert sorted(file.name for file in tmp_path.rglob("*") if file.is_file()) == [
        "key.pem", "model.bin", "standing.json",
    ]  # fmt: skip
