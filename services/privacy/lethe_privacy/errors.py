"""Everything the privacy service can refuse, on one page.

PrivacyError
├── SubjectUnknown    404  there is no such subject, or it is forgotten
├── SubjectGone       410  the subject is being forgotten or is forgotten; nothing of it may begin anew
├── PurposeUnknown    400  nobody is asked about one of these purposes
├── PolicyUnknown     409  the words come from a version of the policy that is not here; read the choices again
├── TooManyChoices    429  so many choices were recorded that only a no is taken
├── TooManyClaims     429  this erasure has enough links; use one of them
├── LogShorter        400  the log of certificates never had as many entries
├── EpochUnknown      500  a key's epoch is not in the keyring: restore the keyring, see docs/operate.md
├── KeyringBroken     500  the keyring cannot be read or written as it must be
└── PlaceNotSeen      503  the verifier could not look somewhere; nothing is certified until it can
"""

from lethe_common.errors import LetheError


class PrivacyError(LetheError):
    """The root of this service's refusals."""


class SubjectUnknown(PrivacyError):
    code, status = "subject_unknown", 404

    def __init__(self) -> None:
        super().__init__("There is no such subject.")


class SubjectGone(PrivacyError):
    code, status = "subject_gone", 410

    def __init__(self) -> None:
        super().__init__("This subject is being forgotten, or is forgotten. Begin with a new one.")


class PurposeUnknown(PrivacyError):
    code, status = "unknown_consent", 400

    def __init__(self) -> None:
        super().__init__("Nobody is asked about one of these purposes. GET /v1/privacy/consents lists those there are.")


class PolicyUnknown(PrivacyError):
    code, status = "policy_changed", 409

    def __init__(self) -> None:
        super().__init__("The policy has changed. Read the choices again, and choose then.")


class TooManyChoices(PrivacyError):
    code, status = "too_many_choices", 429

    def __init__(self) -> None:
        super().__init__("So many choices were recorded that only a no is taken. Write to the contact in the policy.")


class TooManyClaims(PrivacyError):
    code, status = "too_many_claims", 429

    def __init__(self) -> None:
        super().__init__("This erasure has enough links already. Use one of them.")


class LogShorter(PrivacyError):
    code, status = "log_shorter", 400

    def __init__(self, size: int) -> None:
        super().__init__(f"The log of certificates has {size} entries. Ask for a number from 1 up to that.")


class EpochUnknown(PrivacyError):
    code, status = "epoch_unknown", 500

    def __init__(self) -> None:
        super().__init__("The keyring lacks the epoch key of something it must open. Restore the keyring.")


class KeyringBroken(PrivacyError):
    code, status = "keyring_broken", 500


class PlaceNotSeen(PrivacyError):
    code, status = "place_not_seen", 503

    def __init__(self, store: str) -> None:
        super().__init__(f"The verifier could not look into {store}. Nothing is certified until it can.")
