"""Why an archive is not taken for what it says it is."""

from enum import StrEnum

from lethe_common.errors import LetheError


class ArchiveReason(StrEnum):
    """In words for whoever holds the file."""

    NO_ZIP = "it is no zip file, or was cut; download it again"
    NO_MANIFEST = "it has no manifest.json, so it is no export or was cut; download it again"
    UNKNOWN_FORMAT = "its format is not known here; use a newer version of this program"
    MISSING_FILE = "a file that the manifest lists is not in it; download it again"
    UNKNOWN_FILE = "it holds a file that the manifest does not list; somebody added it"
    CHANGED = "a file in it is not what the manifest says; it was changed or damaged"
    TOO_LARGE = "a document in it is larger than any export's"


class ArchiveInvalid(LetheError):
    """The file is no export, or not a whole and unchanged one."""

    code, status = "archive_invalid", 400

    def __init__(self, reason: ArchiveReason) -> None:
        super().__init__(f"This is not a whole export: {reason}.")
        self.reason = reason
