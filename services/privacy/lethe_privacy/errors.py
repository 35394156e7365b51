"""Everything the privacy service can refuse, on one page.

PrivacyError
├── SubjectUnknown    404  there is no such subject, or it is forgotten
├── SubjectGone       410  the subject is being forgotten or is forgotten; nothing of it may begin anew
├── PurposeUnknown    400  nobody is asked about one of these purposes
├── PolicyUnknown     409  the words come from a version of the policy that is not here; read the choices again
├── TooManyChoices    429  so many choices were recorded that only a no is taken
├── TooManyClaims     429  this erasure has enough links; use one of them
├── RequestUnknown    404  there is no such request, or it is somebody else's
├── KindNotTaken      404  neither the policy nor a law it names knows such a request
├── StepOutOfTurn     409  this cannot be done with a request that is so far
├── ExtensionNotAllowed 409 it was extended before, no law allows it, or it is too late for it
├── NotRestricted     409  the request restricts nothing, or not any more
├── TooManyOpen       429  this person has as many open requests as the desk takes
├── GroundNeeded      400  a refusal needs its ground
├── TextNeeded        400  the person has to be told in words
├── NameReserved      400  an operator's name that stands for the person or the suite
├── StaffMayNotRead   403  the policy gives nobody of the staff access to what is written
├── RecipientUnknown  404  the policy in force has no recipient of this id
├── ContractBackwards 400  a contract would end before it begins
├── BreachUnknown     404  there is no such breach
├── BreachClosed      409  the breach is closed; open another one
├── BreachTextNeeded  400  a note says something, and so does closing what is still owed
├── CategoryUnknown   400  the policy has no such category, or none of these lies there
├── DutyUnknown       400  no law that the policy names demands this notification
├── ReferenceNeeded   400  a notification says where it is found
├── NotThen           400  a time at which this cannot have been
├── DisclosureUnknown 404  there is no such demand
├── DisclosureOver    409  the demand was decided already, or its subject is erased
├── SameApprover      409  who approved does not approve again
├── NotApproved       409  not enough operators have approved
├── DelayNeedsGround  400  telling the subject later needs a law that allows it, and a date
├── TooManyExports    429  there are as many archives as one may have; delete one
├── AccessLogBroken   422  the access log does not hold; the message names the first place
├── LogShorter        400  the log of certificates never had as many entries
├── LedgerBehind      409  the ledger of facts does not reach to a fact that is known: bring back the newest one
├── LedgerOther       409  this is another ledger of facts than the data knew
├── EpochUnknown      500  a key's epoch is not in the keyring: restore the keyring, see docs/operate.md
├── KeyringLost       500  the epoch of the store's class keys is not in the keyring: restore it, see docs/operate.md
├── GenerationIncomplete 500  a new generation has not as many keys as the old one; the old one stays in use
├── KeyBackupInvalid  422  a key backup is damaged, or sealed to another recovery key
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


class RequestUnknown(PrivacyError):
    code, status = "request_unknown", 404

    def __init__(self) -> None:
        super().__init__("There is no such request. Check the id, or list the requests.")


class KindNotTaken(PrivacyError):
    code, status = "kind_not_taken", 404

    def __init__(self) -> None:
        super().__init__("The policy says nothing of such a request. Send it as an enquiry, or write to the contact.")


class StepOutOfTurn(PrivacyError):
    code, status = "step_out_of_turn", 409

    def __init__(self) -> None:
        super().__init__("This cannot be done with a request in this state. Show it again to see what was done.")


class ExtensionNotAllowed(PrivacyError):
    code, status = "extension_not_allowed", 409

    def __init__(self) -> None:
        super().__init__(
            "The time of this request cannot be extended: it was before, no law allows it, or its first time is over. "
            "Answer it, or refuse it with its ground."
        )


class NotRestricted(PrivacyError):
    code, status = "not_restricted", 409

    def __init__(self) -> None:
        super().__init__("This request restricts nothing, or not any more. Show it to see what was done.")


class TooManyOpen(PrivacyError):
    code, status = "too_many_requests_open", 429

    def __init__(self) -> None:
        super().__init__("So many requests of yours are open that none is added. Wait for an answer, or write to one.")


class GroundNeeded(PrivacyError):
    code, status = "ground_needed", 400

    def __init__(self) -> None:
        super().__init__("A refusal needs one of the grounds that the console and `lethe requests refuse --help` list.")


class TextNeeded(PrivacyError):
    code, status = "text_needed", 400

    def __init__(self) -> None:
        super().__init__("The person has to be told this in words. Write a text.")


class NameReserved(PrivacyError):
    code, status = "name_reserved", 400

    def __init__(self) -> None:
        super().__init__("This name stands for the person, or for the suite itself. Sign with your own.")


class StaffMayNotRead(PrivacyError):
    code, status = "staff_may_not_read", 403

    def __init__(self) -> None:
        super().__init__(
            "The policy gives nobody of the staff access to what people write (staff_access of support.ticket)."
        )


class RecipientUnknown(PrivacyError):
    code, status = "recipient_unknown", 404

    def __init__(self) -> None:
        super().__init__(
            "The policy in force has no recipient of this id. List the register, or declare it there first."
        )


class ContractBackwards(PrivacyError):
    code, status = "contract_backwards", 400

    def __init__(self) -> None:
        super().__init__("This contract would end before it begins. Check both dates.")


class BreachUnknown(PrivacyError):
    code, status = "breach_unknown", 404

    def __init__(self) -> None:
        super().__init__("There is no such breach. Check the id, or list the register.")


class BreachClosed(PrivacyError):
    code, status = "breach_closed", 409

    def __init__(self) -> None:
        super().__init__("This breach is closed. Open another one for what became known since.")


class BreachTextNeeded(PrivacyError):
    code, status = "breach_text_needed", 400

    def __init__(self) -> None:
        super().__init__("Say it in words; closing what somebody should still hear of, say why they need not.")


class CategoryUnknown(PrivacyError):
    code, status = "category_unknown", 400

    def __init__(self) -> None:
        super().__init__("Name categories of the policy in force, and places in which these are kept.")


class DutyUnknown(PrivacyError):
    code, status = "duty_unknown", 400

    def __init__(self) -> None:
        super().__init__("No law that the policy names demands this notification. Show the breach to see which do.")


class ReferenceNeeded(PrivacyError):
    code, status = "reference_needed", 400

    def __init__(self) -> None:
        super().__init__("Say where the notification is found, such as its number at the authority.")


class NotThen(PrivacyError):
    code, status = "not_then", 400

    def __init__(self) -> None:
        super().__init__("This cannot have been at that time: not before it became known, and not in the future.")


class ActUnknown(PrivacyError):
    code, status = "act_unknown", 404

    def __init__(self) -> None:
        super().__init__("There is no such demand. Check the id, or list the register.")


class DisclosureUnknown(PrivacyError):
    code, status = "disclosure_unknown", 404

    def __init__(self) -> None:
        super().__init__("There is no such demand. Check the id, or list the register.")


class DisclosureOver(PrivacyError):
    code, status = "disclosure_over", 409

    def __init__(self) -> None:
        super().__init__("This was decided already, or whom it is about is erased. Reload the register.")


class SameApprover(PrivacyError):
    code, status = "same_approver", 409

    def __init__(self) -> None:
        super().__init__("You have approved this already. Another operator has to.")


class NotApproved(PrivacyError):
    code, status = "not_approved", 409

    def __init__(self) -> None:
        super().__init__("Nothing is put together before enough different operators have approved it.")


class DelayNeedsGround(PrivacyError):
    code, status = "delay_needs_ground", 400

    def __init__(self) -> None:
        super().__init__("To tell the person later, name the law that allows it, and until when.")


class TooManyExports(PrivacyError):
    code, status = "too_many_exports", 429

    def __init__(self, most: int) -> None:
        super().__init__(f"There are {most} exports already. Download and delete one, or wait until its time is over.")


class LogShorter(PrivacyError):
    code, status = "log_shorter", 400

    def __init__(self, size: int) -> None:
        super().__init__(f"The log of certificates has {size} entries. Ask for a number from 1 up to that.")


class AccessLogBroken(PrivacyError):
    code, status = "access_log_broken", 422


class LedgerBehind(PrivacyError):
    code, status = "ledger_behind", 409

    def __init__(self) -> None:
        super().__init__(
            "The ledger of facts is older than the data, or no longer reaches back to it. "
            "Bring back the newest database lethe_facts; see docs/operate.md."
        )


class LedgerOther(PrivacyError):
    code, status = "ledger_other", 409

    def __init__(self) -> None:
        super().__init__(
            "This is another ledger of facts than the one these data knew. "
            "Bring back the database lethe_facts that belongs to them; see docs/operate.md."
        )


class EpochUnknown(PrivacyError):
    code, status = "epoch_unknown", 500

    def __init__(self) -> None:
        super().__init__("The keyring lacks the epoch key of something it must open. Restore the keyring.")


class KeyringLost(PrivacyError):
    code, status = "keyring_lost", 500

    def __init__(self) -> None:
        super().__init__(
            "The keyring lacks the epoch key around all class keys. Nothing is begun anew beside them: "
            "bring the keyring back, or run `lethe keys restore` with a key backup."
        )


class GenerationIncomplete(PrivacyError):
    code, status = "generation_incomplete", 500

    def __init__(self) -> None:
        super().__init__("The new generation has not as many keys as the old one, which stays in use. Report this.")


class KeyBackupInvalid(PrivacyError):
    code, status = "key_backup_invalid", 422


class KeyringBroken(PrivacyError):
    code, status = "keyring_broken", 500


class PlaceNotSeen(PrivacyError):
    code, status = "place_not_seen", 503

    def __init__(self, store: str) -> None:
        super().__init__(f"The verifier could not look into {store}. Nothing is certified until it can.")
