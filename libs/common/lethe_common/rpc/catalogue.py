"""All calls there are."""

from typing import Any

from lethe_common.rpc import (
    acts,
    announcements,
    billing,
    breaches,
    consents,
    disclosures,
    exports,
    facts,
    gateway,
    jobs,
    legal_holds,
    operators,
    orphans,
    privacy,
    processors,
    requests,
    retention,
    simulation,
)
from lethe_common.rpc.envelope import Call
from lethe_common.services import Service

CALLS: tuple[type[Call[Any, Any]], ...] = (
    *billing.CALLS,
    *gateway.CALLS,
    *jobs.CALLS,
    *privacy.CALLS,
    *consents.CALLS,
    *requests.CALLS,
    *facts.CALLS,
    *announcements.CALLS,
    *processors.CALLS,
    *breaches.CALLS,
    *disclosures.CALLS,
    *acts.CALLS,
    *exports.CALLS,
    *retention.CALLS,
    *legal_holds.CALLS,
    *orphans.CALLS,
    *simulation.CALLS,
    *operators.OPERATOR_CALLS,
)


def answered_by(service: Service) -> list[type[Call[Any, Any]]]:
    """The calls a service answers."""
    return [call for call in CALLS if call.callee is service]


def asked_by(service: Service) -> list[type[Call[Any, Any]]]:
    """The calls a service may make."""
    return [call for call in CALLS if service in call.callers]
