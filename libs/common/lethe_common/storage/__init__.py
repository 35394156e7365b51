"""The object store: streams in and out, versions, and removal that can be verified."""

from lethe_common.storage.errors import ObjectMissing, StorageError, StorageFailed, StorageRefused, WrongSize
from lethe_common.storage.limits import Limits
from lethe_common.storage.names import item_prefix, nested_prefix, new_object_prefix, new_subject_random, subject_prefix
from lethe_common.storage.reading import ObjectFacts
from lethe_common.storage.removal import Remains, Removed
from lethe_common.storage.sets import ObjectVersion, RemovedSet
from lethe_common.storage.store import Storage
from lethe_common.storage.streams import file_chunks, whole
from lethe_common.storage.writing import Stored

__all__ = [
    "Limits",
    "ObjectFacts",
    "ObjectMissing",
    "ObjectVersion",
    "Remains",
    "Removed",
    "RemovedSet",
    "Storage",
    "StorageError",
    "StorageFailed",
    "StorageRefused",
    "Stored",
    "WrongSize",
    "file_chunks",
    "item_prefix",
    "nested_prefix",
    "new_object_prefix",
    "new_subject_random",
    "subject_prefix",
    "whole",
]
