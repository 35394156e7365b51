"""The one way out: whatever a service sends to anybody outside passes here, or is not sent.

Denied by default. Who may be sent what is the policy's list of recipients; each
passage is checked before anything is resolved or dialled, each redirect again, and
what is refused is counted and shown to operators without its content. Where a
service runs without a network of its own, the porter carries for it.
"""

from lethe_common.egress.client import Answer, Attachment, Egress, Outbound
from lethe_common.egress.limits import Limits
from lethe_common.egress.porter import Porter, PorterWay
from lethe_common.egress.recipients import Passage, Recipient, Recipients
from lethe_common.egress.refusals import EgressRefused, Reason, Refusal, Refusals
from lethe_common.egress.transport import EgressTransport, SyncEgressTransport
from lethe_common.egress.ways import DirectWay, Way

__all__ = [
    "Answer",
    "Attachment",
    "DirectWay",
    "Egress",
    "EgressRefused",
    "EgressTransport",
    "Limits",
    "Outbound",
    "Passage",
    "Porter",
    "PorterWay",
    "Reason",
    "Recipient",
    "Recipients",
    "Refusal",
    "Refusals",
    "SyncEgressTransport",
    "Way",
]
