"""Who is given what to train models with, by the policy; and why nobody is, where nobody is. Pure.

What people created is given to a trainer only where they consented (`train_models`), sealed to the key that the policy
names (`Recipient.sealed_to`), and each time with a record that ends with the consent.
"""

from collections.abc import Iterator
from enum import StrEnum

from lethe_common.policy.document import PolicyFile
from lethe_common.policy.parties import Recipient
from lethe_common.policy.rules import Fact

TRAIN = "train_models"
"""The purpose; who is a trainer has it, and trains."""
RECORD = "training.record"
GIVEN = ("content.prompt", "output.video")
"""What one item consists of: the words and the video made of them."""


class Obstacle(StrEnum):
    """Why nothing is given to a recipient, by the policy alone."""

    PROHIBITED = "training_prohibited"
    WITHOUT_CONSENT = "training_without_consent"
    UNRECORDED = "training_unrecorded"
    NO_TRAINER = "no_trainer"
    NO_KEY = "trainer_without_key"


def is_prohibited(content: PolicyFile, purpose: str) -> bool:
    """Whether a policy rules a purpose out, whatever else it says of it."""
    return purpose == TRAIN and "training" in content.prohibited


def is_trainer(recipient: Recipient) -> bool:
    """Whether a recipient is one that trains models with what people consented to."""
    return recipient.trains and TRAIN in recipient.purposes


def trainers(content: PolicyFile) -> Iterator[Recipient]:
    """All of them."""
    return (one for one in content.recipients if is_trainer(one))


def obstacle(content: PolicyFile, recipient_id: str) -> Obstacle | None:
    """What stands against giving anything to a recipient; None when nothing does."""
    purpose = content.purposes.get(TRAIN)
    trainer = next((one for one in trainers(content) if one.id == recipient_id), None)
    rules = (
        (Obstacle.PROHIBITED, is_prohibited(content, TRAIN)),
        (Obstacle.WITHOUT_CONSENT, purpose is None or purpose.default != "opt_in"),
        (Obstacle.NO_TRAINER, trainer is None or not _may_have_all(content, trainer)),
        (Obstacle.UNRECORDED, not is_recorded(content)),
        (Obstacle.NO_KEY, trainer is not None and trainer.sealed_to is None),
    )
    return next((found for found, stands_against in rules if stands_against), None)


def is_recorded(content: PolicyFile) -> bool:
    """Whether there is a record of what is given that ends with the consent, and serves nothing else."""
    rule = content.data.get(RECORD)
    return (
        rule is not None
        and [use.purpose for use in rule.uses] == [TRAIN]
        and rule.keep.until is Fact.CONSENT_WITHDRAWN
        and rule.erase == "delete"
        and rule.protect == "sealed"
    )


def _may_have_all(content: PolicyFile, trainer: Recipient) -> bool:
    uses = {category: {use.purpose for use in rule.uses} for category, rule in content.data.items()}
    return all(category in trainer.data and TRAIN in uses.get(category, set()) for category in GIVEN)
