"""Who receives data: named, alive, under contract, where the law wants them."""

from collections.abc import Iterator

from lethe_common.policy.lint.examined import Examined, Finding, grouped
from lethe_common.policy.parties import Recipient
from lethe_common.policy.references import references_in


def unnamed(examined: Examined) -> Iterator[Finding]:
    """unnamed-recipient: a class of recipients is no recipient."""
    found = [
        (one.id, examined.clauses_about(f"recipients.{one.id}")) for one in examined.content.recipients if not one.name
    ]
    for clauses, ids in grouped(found).items():
        yield examined.finding(
            "unnamed-recipient", f"recipients.{ids[0]}",
            f"{', '.join(ids)}: a kind of recipient is named, but nobody.",
            "State the recipient's legal name.",
            at=_place(examined, ids[0]), clauses=clauses,
        )  # fmt: skip
    sharing = _clauses_about_nobody(examined)
    if sharing:
        yield examined.finding(
            "unnamed-recipient", "recipients",
            f"{', '.join(sharing)} says that data are passed on, but to nobody by name.",
            "List the recipients, or write recipients: [] and say that there are none.",
            clauses=sharing,
        )  # fmt: skip


def _clauses_about_nobody(examined: Examined) -> tuple[str, ...]:
    content = examined.content
    if content.recipients:
        return ()
    if "recipients" not in content.model_fields_set:
        return examined.clauses_at("recipients")
    return tuple(
        clause.id
        for clause in content.clauses
        if any(one.path == "recipients" for text in clause.text.values() for one in references_in(text))
    )


def dead(examined: Examined) -> Iterator[Finding]:
    """dead-recipient: data are said to go where no interface is any more."""
    for one in examined.content.recipients:
        reason = _why_dead(examined, one)
        if reason is not None:
            yield examined.finding(
                "dead-recipient", f"recipients.{one.id}",
                f"{one.name or one.id} {reason}.",
                "Take the recipient out, or name the adapter that reaches it.",
                at=_place(examined, one.id), clauses=examined.clauses_about(f"recipients.{one.id}"),
            )  # fmt: skip


def _why_dead(examined: Examined, one: Recipient) -> str | None:
    if one.adapter_ends is not None and one.adapter_ends <= examined.on:
        return f"shut its interface down on {one.adapter_ends.isoformat()}"
    if one.fields and one.adapter is None:
        return "is said to receive data, but no adapter sends any"
    if one.adapter is not None and examined.adapters is not None and one.adapter not in examined.adapters:
        return f"is reached by {one.adapter}, which is no live adapter"
    return None


def expired(examined: Examined) -> Iterator[Finding]:
    """expired-contract, expired-attestation."""
    for one in examined.content.recipients:
        if one.contract_expires is not None and one.contract_expires <= examined.on:
            yield examined.finding(
                "expired-contract", f"recipients.{one.id}.contract_expires",
                f"The contract with {one.name or one.id} ended on {one.contract_expires.isoformat()}; nothing is sent any more.",
                "Renew it and state its new end.",
                at=_place(examined, one.id), clauses=examined.clauses_about(f"recipients.{one.id}"),
            )  # fmt: skip
    for at, attestation in enumerate(examined.content.attestations):
        if attestation.expires <= examined.on:
            yield examined.finding(
                "expired-attestation", f"attestations.{attestation.what}",
                f"What {attestation.by} attested of {attestation.what} ended on {attestation.expires.isoformat()}.",
                "Have it attested again.",
                at=("attestations", at), clauses=examined.clauses_about(f"attestations.{attestation.what}"),
            )  # fmt: skip


def residency(examined: Examined) -> Iterator[Finding]:
    """residency: a law or the policy says where data are, and something else is said."""
    content = examined.content
    wanted = {region for law in examined.laws if (entry := law.entry("residency")) for region in entry.values}
    if wanted and content.residency not in wanted:
        yield examined.finding(
            "residency", "residency",
            f"The law wants the data in {', '.join(sorted(wanted))}; the policy says {content.residency or 'nothing'}.",
            f"Write residency: {min(wanted)} and put every store there.",
        )  # fmt: skip
    if content.residency is None:
        return
    for one in content.recipients:
        if one.role == "processor" and one.data and one.country != content.residency:
            yield examined.finding(
                "residency", f"recipients.{one.id}.country",
                f"Data are said to stay in {content.residency}, but {one.name or one.id} is in {one.country or 'no stated country'}.",
                "Choose a recipient there, or take the residency out.",
                at=_place(examined, one.id), clauses=examined.clauses_about(f"recipients.{one.id}"),
            )  # fmt: skip


def untransferred(examined: Examined) -> Iterator[Finding]:
    """no-transfer-ground: data leave the controller's country on no stated ground."""
    home = examined.content.controller.country
    for one in examined.content.recipients:
        if home and one.data and one.country and one.country != home and one.transfer is None:
            yield examined.finding(
                "no-transfer-ground", f"recipients.{one.id}.transfer",
                f"{one.name or one.id} is in {one.country}; it is not said on which ground data go there.",
                "State transfer, such as: standard contractual clauses (2021/914).",
                at=_place(examined, one.id), clauses=examined.clauses_about(f"recipients.{one.id}.transfer"),
            )  # fmt: skip


def _place(examined: Examined, recipient: str) -> tuple[str | int, ...]:
    ids = [one.id for one in examined.content.recipients]
    return ("recipients", ids.index(recipient))


RULES = (unnamed, dead, expired, residency, untransferred)
