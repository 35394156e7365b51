"""Profiles: folders with policy.yaml and catalogue.yaml, by name or by path."""

from pathlib import Path

from lethe_cli.errors import ProfileMissing

_FILES = ("policy.yaml", "catalogue.yaml")
_PLACE = Path("deploy") / "profiles"


def find(name_or_folder: str) -> Path:
    """The folder of a profile.

    A name is looked up in `deploy/profiles/` of the checkout this command belongs
    to, then of the current folder; anything else is a path.

    Raises:
        ProfileMissing: no such folder, or one of its two files is missing.
    """
    checkout = Path(__file__).resolve().parents[4]
    places = [root / _PLACE / name_or_folder for root in (checkout, Path.cwd())]
    for folder in (*places, Path(name_or_folder)):
        if all((folder / file).is_file() for file in _FILES):
            return folder.resolve()
    raise ProfileMissing(
        f"There is no profile by that name or folder. A profile is a folder with {' and '.join(_FILES)}; "
        f"those that come with Lethe are in {_PLACE}/."
    )
