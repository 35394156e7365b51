"""Consents as people meet them: what they are asked in their language, and what they answered."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass

from lethe_common.bus import Bus
from lethe_common.clock import Clock
from lethe_common.consents import Asked, Way, asked
from lethe_common.identifiers import SubjectRef
from lethe_common.policy import Policy
from lethe_common.policy.languages import Language
from lethe_common.rpc.consents import (
    ConsentsChange,
    ConsentsChangeQuestion,
    ConsentsShow,
    ConsentsShowQuestion,
    LastChoice,
)
from lethe_gateway.ages import Told, must_be_let_in, must_consent_alone
from lethe_gateway.errors import ConsentNeeded, PolicyChanged, UnknownConsent


@dataclass(frozen=True, slots=True)
class Answers:
    """Yes or no to purposes, with the version and the language of the words that were answered."""

    policy: Policy
    language: Language
    wishes: Mapping[str, bool]


@dataclass(frozen=True, slots=True)
class Stance:
    """One purpose as it is asked about, and what was said of it last; None when nothing was."""

    asked: Asked
    last: LastChoice | None

    @property
    def is_allowed(self) -> bool:
        """What counts now: without a word, a consent is not given and an objection not made."""
        return self.asked.default == "opt_out" if self.last is None else self.last.is_allowed


SaidNo = Callable[[str, Collection[str]], Awaitable[None]]
"""Ends what was kept by the consent of somebody who does not allow these purposes any more."""


class Consents:
    """Asks the privacy service, which keeps the ledger. Who says yes has to be old enough for it."""

    def __init__(self, bus: Bus, policy: Callable[[], Policy], clock: Clock, said_no: SaidNo) -> None:
        self._bus, self._policy, self._clock, self._said_no = bus, policy, clock, said_no

    @property
    def policy(self) -> Policy:
        """The version that counts now."""
        return self._policy()

    async def show(self, subject_ref: str, language: Language) -> list[Stance]:
        """Every purpose that people decide, with what this one decided."""
        question = ConsentsShowQuestion(subject_ref=SubjectRef.trusted(subject_ref))
        answer = await self._bus.ask(ConsentsShow, question)
        return _stances(asked(self._policy(), language), answer.choices)

    async def change(self, subject_ref: str, answers: Answers, way: Way) -> list[Stance]:
        """Record answers; they count from then on.

        Raises:
            Refused: the privacy service does not know the version, or takes no more.
        """
        answer = await self._bus.ask(ConsentsChange, _question(subject_ref, answers, way))
        await self._said_no(subject_ref, [purpose for purpose, is_yes in answers.wishes.items() if not is_yes])
        return _stances(asked(answers.policy, answers.language), answer.choices)

    async def sign_up(self, subject_ref: str, answers: Answers) -> None:
        """Record what a newcomer answered, and apart from it that the terms were accepted."""
        question = _question(subject_ref, answers, Way.SIGN_UP)
        await self._bus.ask(ConsentsChange, question.model_copy(update={"accepts_terms": True}))

    async def decline(self, subject_ref: str, purpose: str) -> None:
        """A no to one purpose, by a mailed link. Repeating it, or declining what is not asked any more, changes nothing."""
        policy = self._policy()
        if purpose in asked(policy, policy.languages[0]):
            await self.change(subject_ref, Answers(policy, policy.languages[0], {purpose: False}), Way.LINK)

    def answers(self, wishes: Mapping[str, bool], version: int | None, language: Language, told: Told) -> Answers:
        """Answers that are fit to be recorded. `version` is the one whose words were shown, where the client knows.

        Raises:
            UnknownConsent: nobody is asked about one of the purposes.
            AgeNotTold, AgeNotAsked, ParentNeeded: as `ages.must_consent_alone`.
            PolicyChanged: the words were those of another version.
        """
        policy = self._policy()
        if version is not None and version != policy.version:
            raise PolicyChanged
        if not wishes.keys() <= asked(policy, language).keys():
            raise UnknownConsent
        must_consent_alone(policy, wishes, told, self._clock.now().date())
        return Answers(policy, language, wishes)

    def answers_at_sign_up(
        self, wishes: Mapping[str, bool], version: int | None, language: Language, told: Told
    ) -> Answers:
        """The same of a newcomer: what is asked at sign-up and was not answered is a no.

        Raises:
            TooYoung: they are not let in at all.
            ConsentNeeded: without one of them no account is opened.
            UnknownConsent, PolicyChanged, AgeNotTold, AgeNotAsked, ParentNeeded: as `answers`.
        """
        must_be_let_in(self._policy(), told, self._clock.now().date())
        given = self.answers(wishes, version, language, told)
        here = at_sign_up(given.policy, language)
        for one in here:
            if one.is_condition and not wishes.get(one.purpose):
                raise ConsentNeeded(one.text)
        return Answers(given.policy, language, {**{one.purpose: False for one in here}, **wishes})


def at_sign_up(policy: Policy, language: Language) -> list[Asked]:
    """The consents that newcomers are asked for."""
    return [one for one in asked(policy, language).values() if (one.where, one.default) == ("sign_up", "opt_in")]


def _question(subject_ref: str, answers: Answers, way: Way) -> ConsentsChangeQuestion:
    return ConsentsChangeQuestion(
        subject_ref=SubjectRef.trusted(subject_ref),
        wishes=dict(answers.wishes),
        policy_hash=answers.policy.hash,
        language=answers.language,
        way=way,
    )


def _stances(about: Mapping[str, Asked], choices: tuple[LastChoice, ...]) -> list[Stance]:
    last = {one.purpose: one for one in choices}
    return [Stance(one, last.get(purpose)) for purpose, one in about.items()]
