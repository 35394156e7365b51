"""What people agree to, and promises that contradict one another."""

from collections.abc import Iterator

from lethe_common.policy.lint.examined import Examined, Finding, grouped


def by_use(examined: Examined) -> Iterator[Finding]:
    """consent-by-use: using something is no agreement."""
    acceptance = examined.content.acceptance
    found = [
        (name, examined.clauses_at(f"acceptance.{name}"))
        for name in ("terms", "changes", "consent")
        if getattr(acceptance, name) == "by_use"
    ]
    for clauses, names in grouped(found).items():
        yield examined.finding(
            "consent-by-use", f"acceptance.{names[0]}",
            "Using the service is taken for agreement.",
            "Record the acceptance of the terms, ask for each consent by itself, and give notice of changes.",
            clauses=clauses,
        )  # fmt: skip


def browser_control(examined: Examined) -> Iterator[Finding]:
    """browser-control-only: what is not essential waits for a consent, whatever the browser can block."""
    waits = [cookie.name for cookie in examined.content.cookies if not cookie.is_essential]
    if examined.content.cookie_choice == "browser" and waits:
        yield examined.finding(
            "browser-control-only", "cookie_choice",
            f"{', '.join(waits)} would be set until somebody blocks them in the browser.",
            "Write cookie_choice: asked_first, or set essential ones only.",
        )  # fmt: skip


def unasked(examined: Examined) -> Iterator[Finding]:
    """unasked-cookies: something that is not essential, and nobody asks."""
    waits = [cookie.name for cookie in examined.content.cookies if not cookie.is_essential]
    if examined.content.cookie_choice == "none_needed" and waits:
        yield examined.finding(
            "unasked-cookies", "cookie_choice",
            f"{', '.join(waits)} are not essential, but consent is said not to be needed.",
            "Write cookie_choice: asked_first.",
        )  # fmt: skip


def origins(examined: Examined) -> Iterator[Finding]:
    """contradiction: data said both to be given by people and to be collected without them."""
    for category, rule in examined.content.data.items():
        if {"given", "automatic"} <= set(rule.origin):
            yield examined.finding(
                "contradiction", f"data.{category}.origin",
                f"{category} is said both to be given voluntarily and to be collected automatically.",
                "Split the category, or name one origin.",
                at=("data", category, "origin"),
            )  # fmt: skip


def declined_mail(examined: Examined) -> Iterator[Finding]:
    """contradiction: mail that the contract needs, and that may be declined."""
    content = examined.content
    for name, mail in content.mail.items():
        purpose = content.purposes.get(mail.purpose)
        if mail.opt_out and purpose is not None and purpose.default == "always":
            yield examined.finding(
                "contradiction", f"mail.{name}.opt_out",
                f"Mail of class {name} can be declined, but its purpose {mail.purpose} always applies.",
                "Keep what the contract needs apart from what can be declined.",
                clauses=examined.clauses_about(f"mail.{name}.opt_out"),
            )  # fmt: skip


def needed_and_endless(examined: Examined) -> Iterator[Finding]:
    """contradiction: only as long as needed, and for ever."""
    content = examined.content
    if content.keep_otherwise is None:
        return
    principle = examined.clauses_at("keep_otherwise")
    endless = [
        (category, examined.clauses_about(f"data.{category}.keep"))
        for category, rule in content.data.items()
        if rule.keep.endless
    ]
    for clauses, categories in grouped(endless).items():
        yield examined.finding(
            "contradiction", f"data.{categories[0]}.keep",
            f"Data are kept only as long as needed, yet {', '.join(categories)} for ever.",
            "State a period for each category.",
            at=("data", categories[0], "keep"), clauses=(*principle, *clauses),
        )  # fmt: skip


RULES = (by_use, browser_control, unasked, origins, declined_mail, needed_and_endless)
