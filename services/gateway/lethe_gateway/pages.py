"""The pages people see: templates filled with words and with what the policy promises. No request in here."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from lethe_common.clock import Clock
from lethe_common.policy import Catalogue, Policy, PolicyBook
from lethe_common.policy.languages import LANGUAGES, Language
from lethe_common.policy.wording import Wording
from lethe_common.rpc.acts import CATEGORY as ACT
from lethe_common.rpc.requests import RefusalGround, RequestKind
from lethe_gateway.identity import EXTERNAL, provider_of
from lethe_gateway.published import ADDRESSES, links
from lethe_gateway.words import Words, load_words

_ROOM = Path(__file__).parent
_TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
# What the scripts say, so that each language lives in one file.
_SCRIPT_WORDS = (
    "js.",
    "request.",
    "register.",
    "state.",
    "source.",
    "card.",
    "run.",
    "hold.",
    "late.",
    "orphan.",
    "refused.",
    "error.",
)


UploadEnd = Literal["hours", "with_video", "until_deleted"]
"""What ends an uploaded image at the latest: hours after its use, its video's end, or its owner's word."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What a page promises, read from the policy and the catalogue that run the timers.

    Periods are as the policy writes them (`P7D`) and told in each page's own words; of a rounded
    one a change of some hours would not be seen. `video_periods`, by plan, count from completion
    where videos are `is_clocked`, else from the day on which their owner deletes them.
    """

    credits: int
    video_periods: dict[str, str]
    is_clocked: bool
    upload_end: UploadEnd
    upload_period: str
    ledger_period: str
    proof_period: str
    act_period: str
    """How long the act of destruction is kept that names the person; empty where none is made."""
    horizon: str
    contact: str
    provider: str
    """What the provider is called that people sign in by; empty where there is none."""


@dataclass(frozen=True, slots=True)
class Change:
    """That the policy changes: on which day, and where it is told what changes."""

    day: str
    address: str


@dataclass(frozen=True, slots=True)
class Asset:
    """A file of the pages, in memory, named by its content's tag."""

    data: bytes
    media_type: str
    etag: str


def terms_of(policy: Policy, catalogue: Catalogue) -> Terms:
    """The promises of a profile."""
    periods = {plan.id: str(policy.period("output.video", plan.retention)) for plan in catalogue.plans.values()}
    return Terms(
        credits=catalogue.opening_plan.opening_credits,
        video_periods=periods,
        is_clocked=policy.is_clocked("output.video"),
        upload_end=_upload_end(policy),
        upload_period=str(policy.keep("upload.image").at_most or ""),
        ledger_period=str(policy.keep("ledger.transfer").at_least or ""),
        proof_period=str(policy.keep("erasure.record").at_least or ""),
        act_period=str(policy.keep(ACT).at_least or "") if ACT in policy.content.data else "",
        horizon=str(policy.content.forgetting.horizon),
        contact=policy.content.controller.contact,
        provider=_provider(policy),
    )


def _provider(policy: Policy) -> str:
    declared = provider_of(policy) if EXTERNAL in policy.content.identity else None
    return "" if declared is None else declared.name


def _upload_end(policy: Policy) -> UploadEnd:
    if policy.rule("upload.image").keep.with_category is not None:
        return "with_video"
    return "hours" if policy.is_clocked("upload.image") else "until_deleted"


def terms_in_force(book: PolicyBook, catalogue: Catalogue, clock: Clock) -> Callable[[], Terms]:
    """Tells the promises of the version that counts at policy time."""
    by_hash = {policy.hash: terms_of(policy, catalogue) for policy in book.versions}
    return lambda: by_hash[book.governing(clock.now()).hash]


class Pages:
    """Renders pages. Made once; holds all templates, words and files in memory.

    `terms` tells those of the policy in force, `coming` the version that takes effect next; asked for each page.
    """

    def __init__(self, terms: Callable[[], Terms], coming: Callable[[], Policy | None] = lambda: None) -> None:
        self._words = load_words()
        self.assets = _load_assets(_ROOM / "static")
        self._templates = Environment(
            loader=FileSystemLoader(_ROOM / "templates"),
            autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, auto_reload=False,
        )  # fmt: skip
        self.terms, self._coming = terms, coming

    def studio(self, language: Language, *, is_signed_in: bool) -> str:
        """The studio: what it is and how to get in, or the studio itself."""
        return self._render("studio.html" if is_signed_in else "welcome.html", language)

    def console(self, language: Language, *, is_signed_in: bool) -> str:
        """The operator's console, or its sign-in."""
        return self._render("console.html" if is_signed_in else "console_sign_in.html", language)

    def retention(self, language: Language) -> str:
        """The console's page of deadlines: forecast, what is overdue, legal holds."""
        return self._render("console_retention.html", language)

    def requests(self, language: Language) -> str:
        """What people ask for by right: filing a request, and following it."""
        return self._render("requests.html", language, kinds=tuple(RequestKind))

    def letters(self, language: Language) -> str:
        """The same for who is not signed in: a way to ask by mail, and to sign in."""
        return self._render("letters.html", language)

    def letter_link(self, language: Language) -> str:
        """Where the mailed link leads."""
        return self._render("letter_link.html", language)

    def desk(self, language: Language) -> str:
        """The console's rights desk."""
        return self._render("console_requests.html", language, grounds=tuple(RefusalGround))

    def registers(self, language: Language) -> str:
        """The console's registers."""
        return self._render("console_registers.html", language)

    def reset(self, language: Language) -> str:
        """Setting a new password; the link's secret stays in the address's fragment."""
        return self._render("reset.html", language)

    def verify(self, language: Language) -> str:
        """Confirming an e-mail address."""
        return self._render("verify.html", language)

    def new_address(self, language: Language) -> str:
        """Confirming a new address."""
        return self._render("address.html", language)

    def unsubscribe(self, language: Language) -> str:
        """Declining mails of one kind."""
        return self._render("unsubscribe.html", language)

    def erasure(self, language: Language) -> str:
        """How far an erasure is, and its certificate; works when the account is gone."""
        return self._render("erasure.html", language)

    def certificates(self, language: Language, head: Mapping[str, Any] | None) -> str:
        """The newest signed head of the log of certificates, for whoever keeps one; None while there is none."""
        shown = None if head is None else {**head["payload"], "key": head["key_id"]}
        if shown is not None:
            shown["moment"] = Wording(language, language).moment(shown["at"])
        return self._render("certificates.html", language, head=shown)

    def problem(self, language: Language, status: int, kind: str | None = None) -> str:
        """A page that is not there (404), no more (410) or not yet (503); or of this kind, as a sign-in that did not work."""
        return self._render("problem.html", language, status=status, kind=kind)

    def _render(self, template: str, language: Language, **more: object) -> str:
        words: Words = self._words[language]
        terms, period = self.terms(), Wording(language, language).period
        kept = {plan: period(written) for plan, written in terms.video_periods.items()}
        script_words = {key: entry for key, entry in words.entries.items() if key.startswith(_SCRIPT_WORDS)}
        return self._templates.get_template(template).render(
            t=words, language=language, languages=LANGUAGES, terms=terms, kept=kept, policy_links=links(language),
            script_words=script_words, asset=self.address, period=period, change=self._change(language), **more,
        )  # fmt: skip

    def _change(self, language: Language) -> Change | None:
        coming = self._coming()
        if coming is None:
            return None
        day = Wording(language, coming.languages[0]).moment(coming.effective_at.isoformat())
        return Change(day, f"{ADDRESSES['versions']}#v{coming.version}")

    def address(self, name: str) -> str:
        """Where a file of the pages is, named by its content."""
        return f"/static/{name}?v={self.assets[name].etag}"


def _load_assets(folder: Path) -> dict[str, Asset]:
    return {file.name: _asset(file) for file in sorted(folder.iterdir()) if file.suffix in _TYPES}


def _asset(file: Path) -> Asset:
    data = file.read_bytes()
    return Asset(data, _TYPES[file.suffix], hashlib.sha256(data).hexdigest()[:16])
