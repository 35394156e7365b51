"""Nothing personal is without its three steps: whatever a service, table, prefix or stream holds of somebody is
erased, counted, and exported, or says why not."""

import importlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import pytest

from lethe_billing import account_queries as billing
from lethe_billing import exports as billing_exports
from lethe_common.catalogue import Kind
from lethe_common.events.catalogue import STREAMS
from lethe_common.exports import COLUMNS_NOT_EXPORTED, FILES_EXPORTED, NOT_EXPORTED, SECTIONS
from lethe_common.exports.pages import Query
from lethe_common.rpc.exports import PAGE_CALLS
from lethe_common.services import Service
from lethe_gateway import outcome_queries as gateway
from lethe_gateway import records as gateway_exports
from lethe_jobs import exports as jobs_exports
from lethe_jobs.queries import erasures as jobs
from lethe_jobs.queries import subjects as jobs_subjects
from lethe_privacy import access_queries as accesses
from lethe_privacy import act_queries as acts
from lethe_privacy import disclosure_queries as disclosures
from lethe_privacy import export_queries as privacy
from lethe_privacy import exported as privacy_exports
from lethe_privacy import key_queries as keys
from lethe_privacy import request_queries as requests
from lethe_privacy.erasures import OWNERS
from lethe_retention import exports as retention_exports
from lethe_retention import hold_queries as holds
from lethe_retention import queries as retention
from tests.places.declared import Column, columns, declarations, names
from tests.tree import Source, code, dotted

LAYOUT = "libs/common/lethe_common/exports/layout.py"
# Sealed on the way, and opened where the archive is written; or, what the access log says, by its owner before that.
OPENED_FOR_THE_ARCHIVE = {
    "privacy.access_bodies.sealed",
    "gateway.accounts.email_sealed",
    "gateway.address_changes.email_sealed",
    "gateway.generations.prompt_sealed",
    "gateway.mails.secret_sealed",
    "gateway.training_records.record_sealed",
    "privacy.request_steps.text_sealed",
}
FRAME = {"outbox", "inbox", "parked"}
QUERIES: Mapping[str, Mapping[str, Query]] = {
    "billing": billing_exports.SECTIONS,
    "gateway": gateway_exports.SECTIONS,
    "jobs": jobs_exports.SECTIONS,
    "keys": privacy_exports.SECTIONS,
    "privacy": {**privacy_exports.REQUESTS, **privacy_exports.DISCLOSURES, **privacy_exports.ACCESSES},
    "retention": retention_exports.SECTIONS,
}
"""Each owner's statements, by the schema they read."""
STATEMENTS: Mapping[str, Iterable[str]] = {
    "billing": (billing.COUNT_OF_WALLET, billing.FORGET_WALLET),
    "gateway": (gateway.ERASE_ACCOUNT, gateway.LEFT_OF_ACCOUNT),
    "jobs": (jobs.COUNT, jobs.REMOVE, jobs.FORGET, jobs_subjects.FORGET),
    "keys": (keys.COUNT_KEYS, keys.DESTROY_SUBJECT),
    "privacy": (
        privacy.END_ALL,
        requests.COUNT_OF_SUBJECT,
        requests.FORGET_SUBJECT,
        disclosures.COUNT_OF_SUBJECT,
        disclosures.FORGET_SUBJECT,
        acts.COUNT_OF_SUBJECT,
        accesses.COUNT_OF_SUBJECT,
    ),
    "retention": (retention.COUNT_OF_SUBJECT, retention.FORGET_SUBJECT, holds.FORGET_SUBJECT),
}
"""By what each owner counts and erases."""
_FENCE = "what keeps an erased subject out: it begins with the erasure, and ends days after it"
_RECORD = "the record of the erasure itself"
_LAW = "a law keeps it, without its person; the certificate names the ground"
NOT_ERASED = {
    **dict.fromkeys(("billing.fences", "jobs.fences", "retention.fences"), _FENCE),
    **dict.fromkeys(("privacy.certificates", "privacy.claims", "privacy.erasures", "privacy.facts", "privacy.steps"), _RECORD),
    **dict.fromkeys(("billing.carried", "billing.transfers", "billing.wallets"), _LAW),
    "keys.consents": "a law keeps it; the link to its person is what the erasure deletes",
    "keys.closed_holders": "which ledgers of choices are nobody's any more: it begins with the erasure",
    "keys.generation": "how far a rotation of the keys is, in one row for all",
    "keys.losses": "a reference until the next rotation, which is what the erasure needs",
    "keys.touched": "a reference until the end of the rotation under way",
    "privacy.breach_steps": "they go with their breach, which names nobody",
    "gateway.breach_tellings": "what an operator tells many; it names no subject, and is gone when they are told",
    "gateway.training_days": "which operator gave how much to whom on which day; it names no subject",
    "privacy.disclosure_steps": "which operator did what with a demand; it names no subject",
    "privacy.acts": "a law wants it to name the person; the certificate names the ground and its end",
    "privacy.processors": "contracts with companies, and which operator entered them; it names no subject",
    "privacy.request_steps": "they go with their request, which is deleted and counted",
    "keys.subjects": "the record that this reference is erased; what it chose is emptied",
    "retention.legal_hold_steps": "which operator did what with a hold; it names no subject",
    "retention.orphans": "names of what one store has and another has not; it is gone within days",
}  # fmt: skip
NOT_COUNTED = {
    **NOT_ERASED,
    "jobs.erasures": _FENCE,
    "jobs.subjects": _FENCE,
    "privacy.exports": "",
}
del NOT_COUNTED["privacy.exports"], NOT_COUNTED["billing.transfers"], NOT_COUNTED["keys.consents"]


@dataclass
class Table:
    """A table that holds something personal, and in which columns."""

    name: str
    file: str
    columns: list[str] = field(default_factory=list)


def personal(found: Iterable[Column]) -> dict[str, Table]:
    tables: dict[str, Table] = {}
    for column in found:
        if column.holding is not None and column.holding.category is not None:
            name = f"{column.schema}.{column.table}"
            tables.setdefault(name, Table(name, column.file)).columns.append(column.name)
    return {name: table for name, table in tables.items() if name.partition(".")[2] not in FRAME}


def tables_in(pattern: str, statements: Mapping[str, Iterable[str]]) -> set[str]:
    return {
        f"{schema}.{table.removeprefix(f'{schema}.')}"
        for schema, texts in statements.items()
        for text in texts
        for table in re.findall(pattern, text)
    }


ALL = {schema: tuple(texts) for schema, texts in STATEMENTS.items()}
# Of a legal hold the scope is emptied and the record stays.
ERASED = tables_in(r"(?:DELETE FROM|UPDATE (?=legal_holds|disclosures)) ?([a-z_.]+)", ALL)
# By a function of the owner role, which empties the rows: the working role cannot change them.
ERASED |= {"privacy.access_bodies"} if "forget_accesses" in accesses.FORGET_SUBJECT else set()
COUNTED = tables_in(r"count\(\*\) FROM ([a-z_.]+)", ALL) | {"privacy.exports"}
EXPORTED = {
    f"{schema}.{table}": query.sql
    for schema, sections in QUERIES.items()
    for query in sections.values()
    for table in query.tables
}


def lacking(tables: Mapping[str, Table]) -> Iterator[str]:
    """What is missing, with what to write and where."""
    for name, table in sorted(tables.items()):
        schema = name.partition(".")[0]
        if name not in ERASED and name not in NOT_ERASED:
            yield (
                f"{name} ({table.file}) holds {table.columns} and is never erased. Delete it in the erasure step of its "
                f"service (erasures.py, or ACCOUNT_STORES of the gateway), or say why not in NOT_ERASED of {__name__}."
            )
        if name not in COUNTED and name not in NOT_COUNTED:
            yield (
                f"{name} ({table.file}) is not counted before and after an erasure. Count it where its service reports "
                f"StoreCount, or say why not in NOT_COUNTED of {__name__}."
            )
        if name not in EXPORTED and name not in NOT_EXPORTED:
            yield (
                f"{name} ({table.file}) is in no export. Write a Query into SECTIONS of exports.py of {schema} and its "
                f"Section into {LAYOUT}, or say why not in NOT_EXPORTED there."
            )
        told = EXPORTED.get(name, "").split("FROM")[0]
        for column in table.columns if name in EXPORTED else ():
            if not (re.search(rf"\b{column}\b", told) or {column, f"{name}.{column}"} & COLUMNS_NOT_EXPORTED.keys()):
                yield (
                    f"{name}.{column} ({table.file}) is in no record of an export. Select it in SECTIONS of exports.py of "
                    f"{schema}, or say why not in COLUMNS_NOT_EXPORTED of {LAYOUT}."
                )


def lacking_prefixes(prefixes: Iterable[str], erased: Iterable[str]) -> Iterator[str]:
    for prefix in sorted(prefixes):
        if prefix not in erased:
            yield f"Nobody removes what is under {prefix}/ of an erased subject: use subject_prefix in the erasure step."
        if prefix not in FILES_EXPORTED | NOT_EXPORTED.keys():
            yield f"{prefix}/ is in no export: read it in media_files.py and name it in FILES_EXPORTED of {LAYOUT}."


def erased_prefixes(sources: Iterable[Source]) -> set[str]:
    """The prefixes of which a whole subject's objects are removed somewhere."""
    found = set()
    for source in sources:
        for call in source.calls():
            if dotted(call.func) == "subject_prefix" and call.args and source.member != "lethe_common":
                parts = source.path.with_suffix("").parts
                module = importlib.import_module(".".join(parts[parts.index(source.member or "") :]))
                found.add(str(getattr(module, dotted(call.args[0]))))
    return found


def none(found: Iterable[str]) -> None:
    findings = sorted(found)
    assert not findings, "\n" + "\n".join(findings)


def test_every_table_with_something_personal_is_erased_counted_and_exported() -> None:
    none(lacking(personal(columns())))


def test_every_reason_is_about_a_table_that_needs_one() -> None:
    tables = personal(columns())
    places = (
        tables.keys() | FRAME | STREAMS.keys() | names(Kind.BUCKET_PREFIX) | {"gateway.idempotency", "keys.item_keys"}
    )

    assert NOT_EXPORTED.keys() <= places
    assert NOT_ERASED.keys() | NOT_COUNTED.keys() <= tables.keys()
    assert not NOT_EXPORTED.keys() & EXPORTED.keys()
    assert not NOT_ERASED.keys() & ERASED, "it is erased after all"
    assert all(
        reason.strip() for reason in (*NOT_EXPORTED.values(), *NOT_ERASED.values(), *COLUMNS_NOT_EXPORTED.values())
    )


def test_every_prefix_is_erased_and_exported() -> None:
    none(lacking_prefixes(names(Kind.BUCKET_PREFIX), erased_prefixes(code())))


def test_every_stream_says_why_it_is_not_exported_and_ends_by_itself() -> None:
    none(f"{name} needs a reason in NOT_EXPORTED of {LAYOUT}" for name in STREAMS.keys() - NOT_EXPORTED.keys())
    assert all(stream.max_age.days <= 3 for stream in STREAMS.values())


def test_every_service_that_holds_something_reports_its_erasure_and_answers_for_the_export() -> None:
    holding = {"privacy" if name.startswith("keys.") else name.partition(".")[0] for name in personal(columns())}

    assert holding == {*map(str, OWNERS), Service.PRIVACY}
    assert holding == {*map(str, PAGE_CALLS), Service.GATEWAY}


def test_the_layout_has_exactly_the_sections_that_owners_answer() -> None:
    laid_out = {(str(section.owner), section.name) for section in SECTIONS}
    answered = {("privacy" if schema == "keys" else schema, name) for schema, all_ in QUERIES.items() for name in all_}

    assert laid_out == answered
    assert len(SECTIONS) == len(laid_out)


def test_what_is_kept_sealed_travels_in_no_record_of_another_owner() -> None:
    none(
        f"{column.place} is sealed, and {name} reads it"
        for column in columns()
        if column.holding is not None and column.holding.is_sealed and column.place not in OPENED_FOR_THE_ARCHIVE
        for name, sql in EXPORTED.items()
        if name == f"{column.schema}.{column.table}" and re.search(rf"\b{column.name}\b", sql)
    )


@pytest.mark.parametrize("word", ["never erased", "not counted", "in no export"])
def test_a_new_table_is_told_with_what_to_write_and_where(word: str) -> None:
    table = Table("jobs.postcards", "services/jobs/lethe_jobs/models.py", ["text"])

    (message,) = (told for told in lacking({table.name: table}) if word in told)

    assert "jobs.postcards (services/jobs/lethe_jobs/models.py)" in message
    assert "or say why not in" in message


def test_a_new_column_of_an_exported_table_is_told() -> None:
    table = Table("jobs.runs", "services/jobs/lethe_jobs/models.py", ["model", "nickname"])

    (message,) = lacking({table.name: table})

    assert message.startswith("jobs.runs.nickname (services/jobs/lethe_jobs/models.py) is in no record of an export.")


def test_a_new_prefix_is_told_twice() -> None:
    messages = list(lacking_prefixes({"postcards"}, erased_prefixes(code())))

    assert len(messages) == 2
    assert all("postcards/" in message for message in messages)
    assert declarations()
