"""Acts of destruction: what one says beside the name, by the policy and the certificate of a completed erasure. Pure."""

from lethe_common.policy import Policy, PolicyError
from lethe_common.rpc.acts import ActCategory, ActContent, ActProcessor, ActStore
from lethe_privacy.schemas import ErasureStatement


def content_of(policy: Policy, statement: ErasureStatement) -> ActContent:
    """What is on record of an erasure, in the fields that order No. 179 names; see `lethe_common.rpc.acts`.

    Who processed are all processors of the policy: which of them had something of this person, no service knows.
    """
    content = policy.content
    destroyed = sorted({line.category for line in statement.stores if line.before > line.after})
    return ActContent(
        operator=content.controller.name,
        address=content.controller.address,
        processors=tuple(
            ActProcessor(name=one.name, country=one.country) for one in content.recipients if one.role == "processor"
        ),
        profile=policy.profile,
        service_url=content.service_url,
        categories=tuple(_category(policy, category) for category in destroyed),
        stores=tuple(
            ActStore(store=line.store, category=line.category, before=line.before, after=line.after)
            for line in statement.stores
            if line.before
        ),
        certificate_id=statement.certificate_id,
        build=statement.verifier.build,
        clock=statement.clock,
    )


def _category(policy: Policy, category: str) -> ActCategory:
    try:
        label = policy.rule(category).label
    except PolicyError:
        label = {}
    return ActCategory(category=category, ru=label.get("ru"), en=label.get("en"))
