"""What an operator deploys says the same as the code: credentials, start order, health, rights."""

import ast
import importlib.util
import os
import re
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from deploy.docker import make_env
from deploy.docker.make_env import completed
from deploy.nats.write_conf import FILE, configuration
from ruamel.yaml import YAML

from lethe_cli.local import minio_server
from lethe_common.database.roles import owner, role_names, working
from lethe_common.egress.__main__ import PorterSettings
from lethe_common.services import Service
from lethe_gateway.settings import GatewaySettings
from tests.tree import MEMBERS, ROOT, code, dotted

COMPOSE: dict[str, Any] = YAML(typ="safe").load(ROOT / "docker-compose.yml")
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = [service.value for service in Service]
SERVERS = ["postgres", "nats", "minio"]
VARIABLE = re.compile(r"\$\{([A-Z0-9_]+)")
EXAMPLE = (ROOT / ".env.example").read_text()
# Set in docker-compose.override.yml. Their defaults are measured ones for one host, or they are for trying things out:
# who has a reason to change one knows for which service, and .env stays a page.
BY_OVERRIDE = {
    "AGE_RETRY_SECONDS", "CHOICES_PER_SUBJECT_MOST", "CLOCK_FILE", "CONSUMER_BATCH", "CONSUMER_ITEMS",
    "CONTRACT_WARN_DAYS", "CORRESPONDENT_SESSION_HOURS", "CRASH_FOLDER", "ERASURE_CALL_AGAIN_SECONDS",
    "ERASURE_LEASE_SECONDS", "ERASURE_LOOKBACK_SECONDS", "EXPORTS_PER_HOUR", "EXPORTS_PER_SUBJECT",
    "EXPORT_LEASE_SECONDS", "EXPORT_RENEW_SECONDS", "FACTS_FOLLOW_SECONDS", "FACTS_PAGE", "KEY_SECONDS",
    "LOOK_BATCH", "ORPHANS_MOST", "ORPHAN_AGE_SECONDS", "ORPHAN_GRACE_SECONDS", "ORPHAN_SWEEP_SECONDS",
    "PASSWORD_HASHES_AT_ONCE", "PICTURES_CLEANED_AT_ONCE", "PROCESS_NAME", "RARE_SWEEP_SECONDS", "REGISTER_COUNTS_SECONDS",
    "REGISTER_FOLLOW_SECONDS", "REMOVALS_AT_ONCE", "REMOVAL_BATCH", "REMOVAL_GATHER_SECONDS", "REQUESTS_OPEN_MOST",
    "ROTATION_STATEMENT_TIMEOUT_SECONDS", "SEALING", "SWEEP_SECONDS", "TRACE_RATIO",
}  # fmt: skip


def text_of(service: str) -> str:
    return str(SERVICES[service])


def values(environment: str) -> dict[str, str]:
    """What a .env sets."""
    lines = [line for line in environment.splitlines() if line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


def settings_of(service: str) -> dict[str, bool]:
    """The variables a service reads, and whether it needs each."""
    module = importlib.import_module(f"lethe_{service}.settings")
    kinds = [kind for name, kind in vars(module).items() if name.endswith("Settings") and name != "BaseSettings"]
    fields = {name: field for kind in kinds for name, field in kind.model_fields.items()}
    return {name_of(name): field.is_required() for name, field in fields.items()}


def name_of(field: str) -> str:
    return f"LETHE_{field.upper()}"


def test_the_committed_broker_configuration_is_what_the_permissions_table_says() -> None:
    assert FILE.read_text() == configuration(), "the permissions changed: make contracts"


def test_nats_server_takes_the_configuration() -> None:
    secrets = values(completed(EXAMPLE, EXAMPLE))
    server = Path(sys.executable).with_name("nats-server")

    done = subprocess.run(
        [server, "-t", "-c", FILE], env={**os.environ, **secrets}, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("service", [*OURS, *SERVERS, "mail", "door", "egress"])
def test_everything_that_runs_has_a_health_check_and_comes_back(service: str) -> None:
    assert SERVICES[service]["healthcheck"]["test"]
    assert SERVICES[service]["restart"] == "unless-stopped"


@pytest.mark.parametrize("service", OURS)
def test_a_service_starts_when_its_servers_are_healthy_and_prepared(service: str) -> None:
    conditions = {name: needed["condition"] for name, needed in SERVICES[service]["depends_on"].items()}

    assert conditions == {"prepare": "service_completed_successfully", **dict.fromkeys(SERVERS, "service_healthy")}


@pytest.mark.parametrize("service", [*OURS, "prepare", "minio", "mail", "door", "egress"])
def test_nothing_of_ours_runs_as_root_or_writes_to_its_image(service: str) -> None:
    assert SERVICES[service]["user"] == "10001:10001"
    assert SERVICES[service]["read_only"] is True
    assert SERVICES[service]["cap_drop"] == ["ALL"]
    assert SERVICES[service]["security_opt"] == ["no-new-privileges:true"]


def test_the_images_end_as_an_unprivileged_user() -> None:
    for file in ("Dockerfile", "minio.Dockerfile"):
        users = re.findall(r"^USER (\S+)$", (ROOT / "deploy/docker" / file).read_text(), flags=re.MULTILINE)
        assert users[-1:] == ["10001:10001"], file


@pytest.mark.parametrize("service", OURS)
def test_a_service_gets_its_own_credentials_and_nobody_elses(service: str) -> None:
    credentials = {name for name in VARIABLE.findall(text_of(service)) if re.match("POSTGRES|NATS|S3", name)}
    own = Service(service)
    expected = {
        f"POSTGRES_PASSWORD_{working(own).upper()}",
        f"POSTGRES_PASSWORD_{owner(own).upper()}",
        f"NATS_PASSWORD_{service.upper()}",
    }
    stores = {"gateway": "GATEWAY", "jobs": "JOBS", "retention": "VERIFIER", "privacy": "VERIFIER"}
    if who := stores.get(service):
        expected |= {f"S3_ACCESS_KEY_{who}", f"S3_SECRET_KEY_{who}"}
    if who == "VERIFIER":
        expected.add("POSTGRES_PASSWORD_VERIFIER")

    assert credentials == expected


@pytest.mark.parametrize("service", OURS)
def test_a_service_is_given_only_settings_it_reads(service: str) -> None:
    given = set(SERVICES[service]["environment"])

    assert given - set(settings_of(service)) == set()


@pytest.mark.parametrize("service", OURS)
def test_a_service_is_given_every_setting_it_cannot_start_without(service: str) -> None:
    needed = {name for name, is_required in settings_of(service).items() if is_required}

    assert needed - set(SERVICES[service]["environment"]) == set()


def test_every_variable_has_its_line_in_the_example_and_no_secret_is_in_the_tree() -> None:
    example = values(EXAMPLE)

    assert set(VARIABLE.findall((ROOT / "docker-compose.yml").read_text())) == set(example)
    assert {name for name, value in example.items() if value and re.search("PASSWORD|KEY|TOKEN|PEPPER", name)} == set()


@pytest.mark.parametrize("service", [*OURS, "egress"])
def test_each_choice_of_env_reaches_every_service_that_reads_it(service: str) -> None:
    read = set(settings_of(service)) if service in OURS else {name_of(field) for field in PorterSettings.model_fields}
    given = {name: str(value) for name, value in SERVICES[service]["environment"].items()}

    assert [name for name in sorted(read & set(values(EXAMPLE))) if f"${{{name}:" not in given.get(name, "")] == []


def test_what_an_operator_is_told_to_set_can_be_set_with_compose() -> None:
    told = re.findall(r"^\| (`[A-Z0-9_`, ]+`) \|", (ROOT / "docs/operate.md").read_text(), flags=re.MULTILINE)
    named = {name for row in told for name in re.findall("[A-Z0-9_]+", row)}
    named |= {
        name.removeprefix("LETHE_")
        for source in code()
        for call in source.calls()
        if dotted(call.func) == "ConfigurationError"
        for name in re.findall("LETHE_[A-Z0-9_]+", ast.unparse(call))
    }
    given = {name.removeprefix("LETHE_") for one in (*OURS, "egress") for name in SERVICES[one]["environment"]}

    assert sorted(named - given - BY_OVERRIDE) == [], "put it into docker-compose.yml and .env.example"
    assert sorted(BY_OVERRIDE - named) + sorted(BY_OVERRIDE & given) == []


def test_a_choice_left_empty_is_as_if_it_were_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    filled_in = values(completed(EXAMPLE, EXAMPLE))
    for name, value in SERVICES["gateway"]["environment"].items():
        monkeypatch.setenv(name, re.sub(r"\$\{(\w+)[^}]*\}", lambda match: filled_in[match[1]], value))
    settings = GatewaySettings()

    assert not settings.has_provider
    assert (settings.oidc_issuer_url, settings.identity_stand_in) == (None, None)
    assert settings.mail_from == GatewaySettings.model_fields["mail_from"].default
    assert settings.password_cost == GatewaySettings.model_fields["password_cost"].default


def test_every_role_of_the_database_is_prepared() -> None:
    given = set(SERVICES["prepare"]["environment"])

    assert {f"POSTGRES_PASSWORD_{role.upper()}" for role in role_names()} <= given


def test_only_the_door_and_the_mail_catcher_publish_ports_and_never_the_console() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}

    assert set(published) == {"door", "mail"}
    assert not any(":8081" in port for ports in published.values() for port in ports)


def test_no_service_is_on_a_network_that_leads_out() -> None:
    leading_out = {name for name, network in COMPOSE["networks"].items() if not network.get("internal")}

    assert leading_out == {"front"}
    assert {name for name, service in SERVICES.items() if leading_out & set(service["networks"])} == {
        "door", "egress", "mail",
    }  # fmt: skip
    assert not set(SERVICES["egress"]["networks"]) & {"back", "entry"}, "the porter needs no server of ours"


@pytest.mark.parametrize("service", [*OURS, "egress"])
def test_every_service_meets_the_porter_at_its_socket(service: str) -> None:
    folder = SERVICES[service]["environment"]["LETHE_EGRESS_SOCKET"].rpartition("/")[0]

    assert f"egress:{folder}" in SERVICES[service]["volumes"]


def test_each_service_is_built_from_the_one_dockerfile() -> None:
    for service in OURS:
        assert SERVICES[service]["build"] == {
            "context": ".", "dockerfile": "deploy/docker/Dockerfile", "args": {"SERVICE": service},
        }  # fmt: skip


def test_a_container_runs_its_service_or_what_the_operator_names_instead() -> None:
    image = (ROOT / "deploy/docker/Dockerfile").read_text()
    named = re.findall(
        r"docker compose run [^`\n]*? privacy python -m ([a-z_.]+)", (ROOT / "docs/operate.md").read_text()
    )

    assert re.findall(r"^CMD (.+)$", image, flags=re.MULTILINE) == ['["sh", "-c", "exec python -m lethe_$SERVICE"]']
    assert not re.search("^ENTRYPOINT", image, flags=re.MULTILINE), "it would start the service whatever is named"
    assert named
    assert [module for module in named if importlib.util.find_spec(module) is None] == []


def test_the_dockerfile_copies_every_members_manifest() -> None:
    copied = (ROOT / "deploy/docker/Dockerfile").read_text()

    for folder in MEMBERS.values():
        assert f"COPY {folder.relative_to(ROOT)}/pyproject.toml" in copied


def test_images_are_built_from_the_versions_that_are_tested() -> None:
    versions = dict(re.findall(r"^(\w+_VERSION) = (\S+)$", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))

    assert f"ARG UV_VERSION={versions['UV_VERSION']}" in (ROOT / "deploy/docker/Dockerfile").read_text()
    assert f"ARG MINIO_VERSION={minio_server.VERSION}" in (ROOT / "deploy/docker/minio.Dockerfile").read_text()


def test_secrets_are_written_once_and_for_their_owner_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env.example").write_text(EXAMPLE)
    monkeypatch.setattr(make_env, "ROOT", tmp_path)

    make_env.main()
    first = (tmp_path / ".env").read_text()
    make_env.main()

    assert (tmp_path / ".env").read_text() == first
    assert stat.S_IMODE((tmp_path / ".env").stat().st_mode) == 0o600
    assert all(values(first)[name] for name in values(EXAMPLE.partition("# --- choices ---")[0]))
    assert b"PRIVATE KEY" in (tmp_path / ".secrets/signing-key.pem").read_bytes()


def test_an_older_env_is_given_what_it_lacks_and_keeps_every_value(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(make_env, "ROOT", tmp_path)
    (tmp_path / ".env.example").write_text(
        "# secrets\nPOSTGRES_PASSWORD=\nNATS_PASSWORD_JOBS=\nLETHE_PEPPER=\n\n# --- choices ---\nLETHE_SMTP_URL=\nLETHE_OWN_HOSTS=nats\n"
    )
    older = "# ours\nPOSTGRES_PASSWORD=chosen=1\nLETHE_PEPPER=\nLETHE_SMTP_URL=\nOUR_OWN=#x"
    (tmp_path / ".env").write_text(older)
    (tmp_path / ".env").chmod(0o640)

    make_env.main()
    whole = (tmp_path / ".env").read_text()
    first = capsys.readouterr().out
    make_env.main()

    kept = {"POSTGRES_PASSWORD": "chosen=1", "LETHE_SMTP_URL": "", "OUR_OWN": "#x", "LETHE_OWN_HOSTS": "nats"}
    assert {name: value for name, value in values(whole).items() if name in kept} == kept
    assert re.fullmatch("[0-9a-f]{64}", values(whole)["LETHE_PEPPER"])
    assert re.fullmatch("n[0-9a-f]{64}", values(whole)["NATS_PASSWORD_JOBS"])
    assert "LETHE_PEPPER, NATS_PASSWORD_JOBS, LETHE_OWN_HOSTS" in first
    assert values(whole)["LETHE_PEPPER"] not in first
    assert whole.startswith("# ours\n")
    assert (tmp_path / ".env").read_text() == whole
    assert stat.S_IMODE((tmp_path / ".env").stat().st_mode) == 0o640
