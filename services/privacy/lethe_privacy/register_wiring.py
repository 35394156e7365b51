"""Builds the registers: what they answer, before the service may work and after, and what time does to them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lethe_common.bus.requests import Answer
from lethe_common.clock import Sweep
from lethe_common.process import Frame
from lethe_common.rpc import acts as act_calls
from lethe_common.rpc import breaches as breach_calls
from lethe_common.rpc import disclosures as disclosure_calls
from lethe_common.rpc import processors as processor_calls
from lethe_common.rpc.envelope import Call
from lethe_privacy.act_desk import Acts
from lethe_privacy.breach_desk import Breaches
from lethe_privacy.disclosure_desk import Disclosures
from lethe_privacy.gauges import Gauges
from lethe_privacy.itemkeys import ItemKeys
from lethe_privacy.processors import Processors
from lethe_privacy.settings import PrivacySettings


@dataclass(frozen=True, slots=True)
class Registers:
    """Parts of the service that are about registers."""

    answers: Mapping[type[Call[Any, Any]], Answer]
    first_answers: Mapping[type[Call[Any, Any]], Answer]
    sweeps: tuple[Sweep, ...]
    rare_sweeps: tuple[Sweep, ...]
    acts: Acts


def registers_of(frame: Frame, settings: PrivacySettings, keys: ItemKeys, gauges: Gauges) -> Registers:
    """All registers."""
    processors = Processors(frame.database, frame.book, frame.clock, gauges, warn_days=settings.contract_warn_days)
    breaches = Breaches(frame.database, keys, frame.book, frame.clock, gauges, batch=settings.request_sweep_batch)
    disclosures = Disclosures(frame.database, keys, frame.book, frame.clock, batch=settings.request_sweep_batch)
    acts = Acts(frame.database, keys, frame.book, batch=settings.request_sweep_batch)
    return Registers(
        answers={
            processor_calls.ProcessorList: processors.list,
            processor_calls.ProcessorEnter: processors.enter,
            breach_calls.BreachOpen: breaches.open,
            breach_calls.BreachList: breaches.list,
            breach_calls.BreachShow: breaches.show,
            breach_calls.BreachNote: breaches.note,
            disclosure_calls.DisclosureOpen: disclosures.open,
            disclosure_calls.DisclosureList: disclosures.list,
            disclosure_calls.DisclosureShow: disclosures.show,
            disclosure_calls.DisclosureDecide: disclosures.decide,
            disclosure_calls.DisclosureTell: disclosures.tell,
            act_calls.ActList: acts.list,
            act_calls.ActShow: acts.show,
        },
        # Asked by every service before anything may go out, by this one too.
        first_answers={processor_calls.ProcessorContracts: processors.contracts},
        sweeps=(processors.sweep, breaches.sweep),
        rare_sweeps=(disclosures.sweep, acts.sweep),
        acts=acts,
    )
