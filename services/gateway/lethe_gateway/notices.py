"""What notices say: that something is deleted soon, that the policy changes. Pure; in each language of the policy."""

from datetime import datetime
from email.message import EmailMessage

from pydantic import BaseModel

from lethe_common.policy import Policy, PolicyBook
from lethe_common.policy.diff import changes, told
from lethe_common.policy.languages import Language
from lethe_common.policy.wording import Wording
from lethe_gateway.published import ADDRESSES
from lethe_gateway.words import Words

_CHANGES_MOST = 40


class Soon(BaseModel):
    """What a notice of deletion says: how many things go, and when the first of them does."""

    count: int
    first_at: datetime


class Coming(BaseModel):
    """What a notice of a change says; the differences are those of the version's file when it is sent."""

    version: int


class Given(BaseModel):
    """What a mail about a disclosure says: to whom facts were given, by which law, when, and the package's digest."""

    authority: str
    legal_reference: str
    at: datetime
    digest: str


class Moved(BaseModel):
    """What goes to another address than the account's: the link to a new one, or the word to an old one."""

    address: str
    token: str = ""


class Notices:
    """Writes them. `public_url` is where people reach the service, without a slash at its end."""

    def __init__(self, book: PolicyBook, words: dict[Language, Words], public_url: str) -> None:
        self._book, self._words, self._public_url = book, words, public_url

    def deletion(self, address: str, soon: Soon, policy: Policy) -> EmailMessage:
        """Some of somebody's things are deleted soon, as this version says: how many and when, not what."""
        values = {"n": soon.count, "day": soon.first_at.date().isoformat(), "url": self._public_url}
        all_words = [self._words[tag] for tag in policy.languages]
        parts = [words("mail.deletion_notice", **values) for words in all_words]
        return _mail(address, all_words[0]("mail.deletion_notice.subject"), parts)

    def change(self, address: str, coming: Coming) -> EmailMessage | None:
        """A version takes effect, with what it changes for whom; None when its file is no more."""
        versions = self._book.versions
        place = next((at for at, policy in enumerate(versions) if policy.version == coming.version), 0)
        if place == 0:
            return None
        older, newer = versions[place - 1], versions[place]
        subject = self._words[older.languages[0]]("mail.policy_change.subject", day=_day(newer, older.languages[0]))
        return _mail(address, subject, [self._change(older, newer, language) for language in older.languages])

    def news(self, address: str, policy: Policy) -> EmailMessage:
        """A request of somebody's was decided about; how, they read signed in."""
        return self._pointing_at_requests(address, "request_news", policy)

    def removed(self, address: str, policy: Policy) -> EmailMessage:
        """A video of somebody's was removed for whom it shows; against that they can turn to the rights desk."""
        return self._pointing_at_requests(address, "video_removed", policy)

    def _pointing_at_requests(self, address: str, template: str, policy: Policy) -> EmailMessage:
        all_words = [self._words[tag] for tag in policy.languages]
        parts = [words(f"mail.{template}", url=f"{self._public_url}/requests") for words in all_words]
        return _mail(address, all_words[0](f"mail.{template}.subject"), parts)

    def breach(self, address: str, text: str, policy: Policy) -> EmailMessage:
        """What an operator tells those whom a breach touches, and whom to ask (GDPR Art. 34(2))."""
        all_words = [self._words[tag] for tag in policy.languages]
        contact = policy.content.controller.contact
        parts = [words("mail.breach_notice", name=policy.content.controller.name) for words in all_words]
        ends = [words("mail.breach_notice.end", contact=contact) for words in all_words]
        return _mail(address, all_words[0]("mail.breach_notice.subject"), [*parts, text, *ends])

    def disclosed(self, address: str, given: Given, policy: Policy) -> EmailMessage:
        """Facts about somebody's account were given to an authority."""
        all_words = [self._words[tag] for tag in policy.languages]
        values = {**given.model_dump(exclude={"at"}), "day": given.at.date().isoformat()}
        values["contact"] = policy.content.controller.contact
        parts = [words("mail.disclosure_notice", **values) for words in all_words]
        return _mail(address, all_words[0]("mail.disclosure_notice.subject"), parts)

    def link(self, address: str, token: str, policy: Policy, minutes: int) -> EmailMessage:
        """Somebody asked for a link to the rights desk, to this address."""
        all_words = [self._words[tag] for tag in policy.languages]
        # Behind `#`: a fragment is never sent to a server, so it stands in no log.
        values = {"link": f"{self._public_url}/requests/link#{token}", "minutes": minutes}
        parts = [words("mail.request_link", **values) for words in all_words]
        return _mail(address, all_words[0]("mail.request_link.subject"), parts)

    def moved(self, template: str, moved: Moved, policy: Policy, minutes: int) -> EmailMessage:
        """A new address is asked to be confirmed (`address_change`), or an old one told that it is none any more."""
        all_words = [self._words[tag] for tag in policy.languages]
        # Behind `#`: a fragment is never sent to a server, so it stands in no log.
        link = f"{self._public_url}/address#{moved.token}"
        values = {"link": link, "minutes": minutes, "contact": policy.content.controller.contact}
        parts = [words(f"mail.{template}", **values) for words in all_words]
        return _mail(moved.address, all_words[0](f"mail.{template}.subject"), parts)

    def _change(self, older: Policy, newer: Policy, language: Language) -> str:
        words, found = self._words[language], changes(older, newer)
        lines = [f"- {told(change, older, newer, language)}" for change in found[:_CHANGES_MOST]]
        if len(found) > _CHANGES_MOST:
            lines.append(words("mail.policy_change.more", n=len(found) - _CHANGES_MOST))
        url = f"{self._public_url}{ADDRESSES['versions']}/{newer.version}?lang={language}"
        values = {"day": _day(newer, language), "version": newer.version, "service": older.content.service_url}
        return words("mail.policy_change", changes="\n".join(lines), url=url, home=self._public_url, **values)


def _day(policy: Policy, language: Language) -> str:
    return Wording(language, policy.languages[0]).moment(policy.effective_at.isoformat())


def _mail(address: str, subject: str, parts: list[str]) -> EmailMessage:
    message = EmailMessage()
    message["To"], message["Subject"] = address, subject
    message.set_content("\n\n".join(parts) + "\n")
    return message
