"""What storage can refuse, on one page. When the server is away it is `lethe_common.errors.Unavailable`.

StorageError
├── ObjectMissing    404   no such object, or it was removed
├── StorageRefused   500   these credentials may not do this; see the store's identities
├── StorageFailed    500   the store answered what it should not
└── WrongSize        500   the stream was not as long as announced; nothing of it was kept
"""

from lethe_common.errors import LetheError


class StorageError(LetheError):
    """The root of storage's refusals. None names a key."""

    code, status = "storage_failed", 500


class ObjectMissing(StorageError):
    """There is no such object, or it was removed."""

    code, status = "object_missing", 404

    def __init__(self) -> None:
        super().__init__("There is no such object, or it was removed.")


class StorageRefused(StorageError):
    """The store does not let these credentials do this."""

    code = "storage_refused"

    def __init__(self, vendor_code: str) -> None:
        super().__init__(f"The object store refused these credentials ({vendor_code}).")


class StorageFailed(StorageError):
    """The store answered what it should not have."""


class WrongSize(StorageError):
    """A stream was not as long as announced, or longer than any object may be."""

    code = "wrong_size"
