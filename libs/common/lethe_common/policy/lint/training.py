"""Training of models: only after consent, with a record that ends with it, and readable by the trainer alone."""

from collections.abc import Iterator

from lethe_common.policy.lint.examined import Examined, Finding
from lethe_common.policy.training import RECORD, TRAIN, is_prohibited, is_recorded, trainers


def prohibited(examined: Examined) -> Iterator[Finding]:
    """prohibited-training: nobody trains, and yet somebody does."""
    content = examined.content
    if not is_prohibited(content, TRAIN):
        return
    clauses, purpose = examined.clauses_about("prohibited"), content.purposes.get(TRAIN)
    if purpose is not None and purpose.default != "off":
        yield examined.finding(
            "prohibited-training", f"purposes.{TRAIN}.default",
            f"The purpose {TRAIN} is for training, which is prohibited.",
            f"Take training out of prohibited, or write default: off under {TRAIN}.",
            at=("purposes", TRAIN, "default"), clauses=clauses,
        )  # fmt: skip
    for at, one in enumerate(content.recipients):
        if one.trains:
            yield examined.finding(
                "prohibited-training", f"recipients.{one.id}.trains",
                f"{one.name or one.id} is given data for training, which is prohibited.",
                "Take training out of prohibited, or write trains: false.",
                at=("recipients", at, "trains"), clauses=clauses,
            )  # fmt: skip


def unrecorded(examined: Examined) -> Iterator[Finding]:
    """unrecorded-training: what a trainer has been given has to be known, and to be forgotten with the consent."""
    found = [one.name or one.id for one in trainers(examined.content)]
    if found and not is_recorded(examined.content):
        yield examined.finding(
            "unrecorded-training", f"data.{RECORD}",
            f"{', '.join(found)} is given what people consented to, but no record of it ends with their consent.",
            f"State {RECORD}, sealed and deleted, with uses of {TRAIN} alone and keep.until: consent_withdrawn.",
            at=("data", RECORD) if RECORD in examined.content.data else ("data",),
        )  # fmt: skip


def keyless(examined: Examined) -> Iterator[Finding]:
    """keyless-trainer: what nobody of the staff may read has to be sealed to somebody."""
    ids = [one.id for one in examined.content.recipients]
    for one in trainers(examined.content):
        if one.sealed_to is None:
            yield examined.finding(
                "keyless-trainer", f"recipients.{one.id}.sealed_to",
                f"{one.name or one.id} trains with what people made, but no key of theirs is named.",
                "Have them run `lethe training key`, and state the public half as sealed_to.",
                at=("recipients", ids.index(one.id)), clauses=examined.clauses_about(f"recipients.{one.id}"),
            )  # fmt: skip


RULES = (prohibited, unrecorded, keyless)
