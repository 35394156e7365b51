"""Everything retention can run into, on one page. Each sentence tells the next step.

RetentionError
├── PlaceNotSeen     503   a place could not be looked into: nothing is known about it, so nothing is closed
├── SimulationRefused 409  a version of the policy cannot be simulated here
│   ├── PolicyUnreadable 400  its file does not hold together
│   ├── PolicyMisplaced  409  it would not be the next version of this deployment's policy
│   └── PlanUnstated     409  a rule of it has no period for a plan that is on offer
└── HoldRefused      409   a legal hold cannot become what was asked
    ├── HoldUnknown     404   there is no such hold
    ├── ItemGone        410   there is nothing left to keep
    ├── BeingErased     409   its account's erasure has begun
    ├── AlreadyInForce  409   this scope is held, or this hold was approved by somebody else
    ├── AlreadyProposed 409   this scope waits for an approval
    ├── SamePerson      403   who proposed does not approve
    ├── EndPassed       400   its end lies in the past
    └── HoldOver        409   it was lifted, withdrawn or has ended
"""

from typing import ClassVar

from lethe_common.errors import LetheError


class RetentionError(LetheError):
    """The root of retention's errors."""


class PlaceNotSeen(RetentionError):
    """A place could not be looked into."""

    code, status = "place_not_seen", 503

    def __init__(self, place: str) -> None:
        super().__init__(f"The verifier cannot look into {place}.")


class SimulationRefused(RetentionError):
    """A version of the policy cannot be simulated here."""

    code, status = "simulation_refused", 409
    sentence: ClassVar[str] = "This policy cannot be simulated here."

    def __init__(self) -> None:
        super().__init__(self.sentence)


class PolicyUnreadable(SimulationRefused):
    """Its file does not hold together."""

    code, status = "policy_unreadable", 400
    sentence = "This policy does not hold together. `lethe policy lint` names the lines."


class PolicyMisplaced(SimulationRefused):
    """It would not be the next version of this deployment's policy."""

    code = "policy_misplaced"
    sentence = (
        "Only a coming version can be simulated: of the profile that runs here, with a higher `version` and a later "
        "`effective` than the version in force. `lethe policy show --as versions` tells which one that is."
    )


class PlanUnstated(SimulationRefused):
    """A rule of it has no period for a plan that is on offer."""

    code = "plan_unstated"
    sentence = "A rule that counts by plan lacks a plan of catalogue.yaml. State its period under keep.exactly."


class HoldRefused(RetentionError):
    """A legal hold cannot become what was asked."""

    code, status = "hold_refused", 409
    sentence: ClassVar[str] = "The hold cannot be changed like this. Reload the list."

    def __init__(self) -> None:
        super().__init__(self.sentence)


class HoldUnknown(HoldRefused):
    """There is no such hold."""

    code, status = "hold_unknown", 404
    sentence = "There is no hold with this id. Reload the list."


class ItemGone(HoldRefused):
    """There is nothing left to keep."""

    code, status = "item_gone", 410
    sentence = "This was removed already: there is nothing left to keep."


class BeingErased(HoldRefused):
    """Its account's erasure has begun."""

    code = "being_erased"
    sentence = "The erasure of this account has begun and cannot be held any more."


class AlreadyInForce(HoldRefused):
    """This scope is held, or this hold was approved by somebody else."""

    code = "already_in_force"
    sentence = "A hold is in force here already. Lift it first, or leave it."


class AlreadyProposed(HoldRefused):
    """This scope waits for an approval."""

    code = "already_proposed"
    sentence = "A hold is proposed here already. A second operator has to approve it."


class SamePerson(HoldRefused):
    """Who proposed does not approve."""

    code, status = "same_person", 403
    sentence = "Who proposed a hold cannot approve it. Ask a second operator."


class EndPassed(HoldRefused):
    """Its end lies in the past."""

    code, status = "end_passed", 400
    sentence = "The hold's end lies in the past. Propose it with a later end, or with none."


class HoldOver(HoldRefused):
    """It was lifted, withdrawn or has ended."""

    code = "hold_over"
    sentence = "This hold is over. Propose a new one if it is still needed."
