from pathlib import Path

import pytest

from lethe_common.errors import ConfigurationError
from lethe_common.policy import Catalogue, load_catalogue
from lethe_jobs.routes import routes
from tests.unit.common.policy_files import NAMES, PROFILES, shipped


def elsewhere(folder: Path) -> Catalogue:
    """aisora2's offer, its one model being made by a provider whose adapter is not in this version."""
    text = (PROFILES / "aisora2/catalogue.yaml").read_text()
    (folder / "catalogue.yaml").write_text(text.replace("provider: local", "provider: elsewhere"))
    return load_catalogue(folder)


@pytest.mark.parametrize("name", NAMES)
def test_every_model_of_the_shipped_profiles_can_be_made(name: str) -> None:
    catalogue = shipped(name).catalogue

    assert {routes(catalogue, ["local"])(model) for model in catalogue.models} == {"local"}


def test_a_model_that_nothing_here_can_make_stops_the_start_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"lethe-local-1 \(elsewhere\).* one of: local, noop"):
        routes(elsewhere(tmp_path), ["noop", "local"])


def test_the_noop_provider_alone_makes_everything(tmp_path: Path) -> None:
    assert routes(elsewhere(tmp_path), ["noop"])("lethe-local-1") == "noop"


def test_a_model_that_left_the_catalogue_is_made_by_the_default_ones_provider() -> None:
    assert routes(shipped("aisora2").catalogue, ["local"])("of-last-year") == "local"
