"""Policies for tests: the shipped ones with something changed, each in a folder of its own."""

from functools import cache
from pathlib import Path

from lethe_common.policy import Policy, Profile, load_profile
from tests.tree import ROOT

PROFILES = ROOT / "deploy" / "profiles"
NAMES = ("soframe", "soragpt", "aisora2", "videogen", "imageshop")


def written(folder: Path, *replacements: tuple[str, str], profile: str = "aisora2", name: str = "policy.yaml") -> Path:
    """The profile's policy with each text replaced by another one, as a file in the folder."""
    text = (PROFILES / profile / "policy.yaml").read_text()
    for old, new in replacements:
        assert old in text, old
        text = text.replace(old, new)
    file = folder / name
    file.write_text(text)
    return file


def line_with(file: Path, text: str) -> int:
    """The first line, from 1, that has the text."""
    return next(number for number, line in enumerate(file.read_text().splitlines(), 1) if text in line)


@cache
def shipped(name: str) -> Profile:
    """A shipped profile, read once for all tests."""
    return load_profile(PROFILES / name)


def shipped_policy(name: str) -> Policy:
    """A shipped profile's first version."""
    return shipped(name).book.versions[0]


def in_two_versions(folder: Path, effective: str, *replacements: tuple[str, str], profile: str = "aisora2") -> Path:
    """A profile's folder in which a second version, with each text replaced by another one, takes effect at an instant."""
    folder.mkdir(exist_ok=True)
    (folder / "catalogue.yaml").write_bytes((PROFILES / profile / "catalogue.yaml").read_bytes())
    later = (("version: 1\n", "version: 2\n"), ("effective: 2026-11-01", f"effective: {effective}"))
    written(folder, profile=profile)
    written(folder, *later, *replacements, profile=profile, name="policy-2.yaml")
    return folder
