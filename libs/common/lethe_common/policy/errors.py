"""What can be wrong with a profile.

ConfigurationError
├── NoticeTooLate            a version takes effect before people can hear of it as promised
├── AnnouncedOtherwise       a version was announced with another text
├── HistoryMissing           a version that people were told of is not in the folder any more
└── PolicyError              a profile's file is missing, malformed or contradicts itself; names file and line
    ├── UnknownCategory      no rule for this category of data
    ├── UnknownPlan          no such plan in the catalogue, or none in a rule's periods
    ├── UnknownPeriod        the rule states no period of the kind asked for
    ├── UnknownRight         nothing is said of such a request
    ├── UnknownReference     a clause's text names a place that is not in the file
    ├── UnclaimedSentence    a page would say something that no clause stands behind
    └── NotYetInForce        no version of the policy is in force at that time
LetheError
└── UnknownModel      400   no such model, size or length in the catalogue
"""

from lethe_common.errors import ConfigurationError, LetheError


class NoticeTooLate(ConfigurationError):
    """A version of the policy takes effect before people can hear of it as promised; shows the arithmetic."""

    code = "notice_too_late"


class AnnouncedOtherwise(ConfigurationError):
    """A version of the policy was announced with another text."""

    code = "announced_otherwise"

    def __init__(self, version: int) -> None:
        super().__init__(
            f"Version {version} of the policy was announced with another text than its file has now. "
            "Put that text back, or give the new one the next number and a later effective."
        )


class HistoryMissing(ConfigurationError):
    """The folder begins with a version nobody was told of, and lacks the one it follows."""

    code = "history_missing"

    def __init__(self, missing: int, first: int) -> None:
        super().__init__(
            f"People were told of version {missing} of the policy, and the folder begins with version {first}. "
            f"Put the file of version {missing} back as policy.yaml, and version {first} beside it as policy-{first}.yaml."
        )


class PolicyError(ConfigurationError):
    """A profile's file is missing, malformed or contradicts itself."""

    code = "policy_error"


class UnknownCategory(PolicyError):
    """Something is kept for which the policy has no rule."""

    code = "unknown_category"


class UnknownPlan(PolicyError):
    """A plan that the catalogue, or a rule's periods, do not know."""

    code = "unknown_plan"


class UnknownPeriod(PolicyError):
    """A rule that states no period of the kind asked for."""

    code = "unknown_period"


class UnknownRight(PolicyError):
    """Neither the policy nor a law it names says by when such a request is answered."""

    code = "unknown_right"


class UnknownReference(PolicyError):
    """A clause's text names a place that the file does not have."""

    code = "unknown_reference"


class UnclaimedSentence(PolicyError):
    """A page would say something that no clause stands behind."""

    code = "unclaimed_sentence"


class NotYetInForce(PolicyError):
    """The first version of a policy takes effect later than the time asked about."""

    code = "not_yet_in_force"


class UnknownModel(LetheError):
    """Nothing in the catalogue has this model, size and length."""

    code, status = "unknown_model", 400
