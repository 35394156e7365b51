"""Policies for tests: the shipped ones with something changed, each in a folder of its own."""

from functools import cache
from pathlib import Path

from lethe_common.policy import Policy, Profile, load_profile
from tests.tree import ROOT

PROFILES = ROOT / "deploy" / "profiles"
NAMES = ("soframe", "soragpt", "aisora2", "videogen", "imageshop")


def written(folder: Path, *replacements: tuple[str, str], profile: str = "aisora2", name: str = "policy.yaml") -> Path:
    """The profile's policy with each text replaced by another one, as a file in the folder."""
    text = (PROFILES / profile / "policy.yaml").read_text()
    for old, new in replacements:
        assert old in text, old
        text = text.replace(old, new)
    file = folder / name
    file.write_text(text)
    return file


def line_with(file: Path, text: str) -> int:
    """The first line, from 1, that has the text."""
    return next(number for number, line in enumerate(file.read_text().splitlines(), 1) if text in line)


def trainer(sealed_to: str) -> tuple[str, str]:
    """What names a trainer, for any profile: its key, 64 hex digits."""
    entry = f"""
  - id: trainer
    name: Example Models Ltd
    role: processor
    country: IE
    purposes: [train_models]
    data: [content.prompt, output.video]
    transfer: "Ireland is in the EEA"
    contract_expires: 2027-12-31
    deletion: on_request
    trains: true
    sealed_to: "{sealed_to}"
"""
    return "\nrecipients:\n", f"\nrecipients:{entry}"


def trained_by(sealed_to: str) -> list[tuple[str, str]]:
    """What has aisora2, which prohibits it, give a trainer what people consent to."""
    use = "      - {purpose: train_models, basis: {EU: A6-1-a, MD: consent}}\n"
    record = (
        '  training.record:\n    label: {en: "records of training", ru: "записи об обучении"}\n    dpv: suite:TrainingRecord\n'
        f'    fides: user.content\n    origin: [generated]\n    stores: ["pg:gateway"]\n    uses:\n{use}'
        "    keep: {until: consent_withdrawn, at_most: P7D}\n    erase: delete\n    protect: sealed\n"
    )
    words = '{en: "training models", ru: "обучение моделей"}'
    service = "      - {purpose: service, basis: {EU: A6-1-b, MD: contract}}\n"
    return [
        ("[advertising, sale, training, profiling]", "[advertising, sale, profiling]"),
        ("\npurposes:\n", f"\npurposes:\n  train_models: {{text: {words}, default: opt_in}}\n"),
        (f"{service}    keep: {{with: output.video}}", f"{service}{use}    keep: {{with: output.video}}"),
        ('["s3:output.video", "pg:jobs"]\n    uses:\n', f'["s3:output.video", "pg:jobs"]\n    uses:\n{use}'),
        ("  mail.queue:\n", f"{record}  mail.queue:\n"),
        trainer(sealed_to),
    ]


@cache
def shipped(name: str) -> Profile:
    """A shipped profile, read once for all tests."""
    return load_profile(PROFILES / name)


def shipped_policy(name: str) -> Policy:
    """A shipped profile's first version."""
    return shipped(name).book.versions[0]


def in_two_versions(folder: Path, effective: str, *replacements: tuple[str, str], profile: str = "aisora2") -> Path:
    """A profile's folder in which a second version, with each text replaced by another one, takes effect at an instant."""
    folder.mkdir(exist_ok=True)
    (folder / "catalogue.yaml").write_bytes((PROFILES / profile / "catalogue.yaml").read_bytes())
    later = (("version: 1\n", "version: 2\n"), ("effective: 2026-11-01", f"effective: {effective}"))
    written(folder, profile=profile)
    written(folder, *later, *replacements, profile=profile, name="policy-2.yaml")
    return folder
