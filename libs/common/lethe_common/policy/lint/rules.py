"""All rules, and running them."""

from collections.abc import Callable, Iterable, Mapping
from datetime import date
from pathlib import Path

from lethe_common.policy.document import PolicyFile
from lethe_common.policy.lint import agreement, forms, law, parts, proofs, recipients, statements, storage, training
from lethe_common.policy.lint.examined import Examined, Finding
from lethe_common.policy.lint.succession import succession
from lethe_common.policy.policy import FILE_NAME
from lethe_common.policy.source import Reading, read_file

Rule = Callable[[Examined], Iterable[Finding]]

RULES: tuple[Rule, ...] = (
    *statements.RULES,
    *storage.RULES,
    *forms.RULES,
    *parts.RULES,
    *agreement.RULES,
    *recipients.RULES,
    *training.RULES,
    *law.RULES,
    *proofs.RULES,
)


def lint(
    reading: Reading[PolicyFile],
    on: date,
    *,
    adapters: frozenset[str] | None = None,
    held: Mapping[str, frozenset[str]] | None = None,
) -> list[Finding]:
    """Every finding in a file that was read, in the order of its lines, as of a day."""
    examined = Examined(reading.content, on, reading.line, adapters, held)
    return sorted(finding for rule in RULES for finding in rule(examined))


def lint_file(file: Path, on: date) -> list[Finding]:
    """Every finding in one file, read as a draft: what is missing is found, not refused.

    Raises:
        PolicyError: it cannot be read, or something in it is not merely missing but wrong.
    """
    return lint(read_file(file, PolicyFile, as_draft=True), on)


def lint_files(files: list[Path], on: date) -> dict[Path, list[Finding]]:
    """The findings in each of several versions, and in what they say of one another.

    Raises:
        PolicyError: as `lint_file`.
    """
    found = {file: lint_file(file, on) for file in files}
    between = succession(files, on)
    return {file: sorted([*findings, *between.get(file, ())]) for file, findings in found.items()}


def lint_folder(folder: Path, on: date) -> dict[str, list[Finding]]:
    """The findings in every version of a profile's folder, by file name.

    Raises:
        PolicyError: as `lint_file`.
    """
    files = [folder / FILE_NAME, *sorted(folder.glob("policy-*.yaml"))]
    return {file.name: findings for file, findings in lint_files(files, on).items()}
