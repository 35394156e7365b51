"""Values that no page, deadline or consent is made of, each with what it is for. Nothing else may change nothing."""

from tests.generator.trees import Path_

_ENTRIES = {"data", "purposes", "mail", "pages"}
PURPOSE_OF = {
    "clauses.mechanism": "what keeps a clause; for whoever proves it",
    "clauses.proof": "how a clause is proven; for whoever proves it",
    "clauses.about": "a place that is told of by a nearer clause as well, or is in no table",
    "acceptance.changes": "whether a new version has to be accepted",
    "aggregates.k": "how small a group statistics tell of",
    "aggregates.period": "over which time statistics are made",
    "aggregates.rounding": "how coarsely statistics count",
    "analytics.recipient": "who gets it; recipients are told by themselves",
    "age.ask": "how a newcomer's age is asked",
    "age.unsaid": "what becomes of a newcomer over the API who says no age",
    "age.consent_in": "from which age somebody consents alone, by country",
    "age.consent": "who is asked for consents",
    "attestations": "what a person vouches for is told by its text; who, when and until when is for the linter",
    "attestations.by": "who vouches; for the linter and the certificate",
    "attestations.evidence": "where the record is; for whoever proves it",
    "attestations.expires": "until when somebody vouches; the linter looks at it",
    "attestations.on": "since when somebody vouches",
    "backups.stores": "which stores are backed up; counts where a longest period includes backups",
    "backups.keep": "how long a backup is kept; counts where a longest period includes backups",
    "controller.calendar": "which days work, for the clocks of requests",
    "cookie_choice": "how cookies are asked for; the linter looks at it",
    "cookies.purpose": "which consent a cookie waits for; its own text tells it",
    "data.*.custody": "who holds it; for the stores",
    "data.*.erase": "what an erasure does with it",
    "data.*.ground": "why it outlives an erasure; in certificates",
    "data.*.fides": "the fideslang key; for other tools",
    "data.*.grace": "how much later it may be gone; counts where a longest period includes it",
    "data.*.partition": "what is dropped as a whole; counts where a longest period includes it",
    "data.*.keep.remains": "whether a longest period includes backups; counts where something is backed up",
    "data.*.on_plan_change": "which plan counts; matters where plans have different periods",
    "data.*.on_policy_change": "which version counts; matters together with a period that changes",
    "data.*.precision.geo": "how exactly a place is kept; for the log",
    "data.*.precision.ip": "how exactly an address is kept; for the log",
    "data.*.precision.user_agent": "how exactly a browser is kept; for the log",
    "data.*.staff_access.logged": "which roles may open it",
    "disclosure.approvals": "how many people approve a disclosure",
    "identity": "how people sign in",
    "jurisdictions": "which law packs the linter looks at",
    "mail.*.opt_out": "whether a class of mail can be declined",
    "mail.*.purpose": "which purpose a class of mail serves",
    "mail.*.text.en": "what a class of mail is called where it is declined",
    "mail.*.text.ru": "what a class of mail is called where it is declined",
    "notice.channels": "how people hear of a version",
    "notice.controller_change": "how early they hear of another controller",
    "notice.material": "which changes they hear of",
    "notice.significant": "which changes they hear of by mail",
    "pages.*": "where a page is that somebody else publishes",
    "permissions": "what is asked of a device, when it is asked",
    "prohibited": "what egress and the gate never let through",
    "profile": "which book a version belongs to; the book refuses one of another profile",
    "purposes.*.default": "whether it is asked for; matters where something is used for it",
    "recipients.adapter": "what reaches them",
    "recipients.biometrics": "what the linter holds them to",
    "recipients.hosts": "where egress lets through",
    "residency": "what the linter holds recipients to",
}


def general(path: Path_) -> str:
    """A path without names and positions: `data.*.keep.at_most`, `recipients.hosts`."""
    steps = [step for step in path if isinstance(step, str)]
    return ".".join("*" if at == 1 and steps[0] in _ENTRIES else step for at, step in enumerate(steps))
