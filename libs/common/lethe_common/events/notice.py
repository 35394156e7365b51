"""Mail asked for. The gateway alone knows addresses, languages and preferences."""

from typing import ClassVar, Literal

from lethe_common.events.envelope import Event
from lethe_common.identifiers import MailId, SubjectRef
from lethe_common.services import Service


class MailRequested(Event):
    """A subject is to be told something by mail.

    What the mail needs beyond its template (a reset link's secret, say) waits
    sealed in the gateway under `mail_id`.
    """

    type: ClassVar[str] = "notice.mail.requested.v1"
    speakers: ClassVar[tuple[Service, ...]] = (Service.GATEWAY,)
    listeners: ClassVar[tuple[Service, ...]] = (Service.GATEWAY,)

    mail_id: MailId
    subject_ref: SubjectRef
    template: Literal[
        "password_reset", "verify_email", "deletion_notice", "policy_change", "request_news", "address_change",
        "address_changed", "request_link", "video_removed", "breach_notice", "disclosure_notice",
    ]  # fmt: skip
