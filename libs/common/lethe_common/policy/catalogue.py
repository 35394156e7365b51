"""What is on offer: models with their sizes and lengths, and plans."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from lethe_common.policy.errors import UnknownModel, UnknownPlan
from lethe_common.policy.prices import PriceBook, PriceVersion
from lethe_common.policy.sizes import Size
from lethe_common.policy.source import Section, read

FILE_NAME = "catalogue.yaml"


class Model(Section):
    """One model. The first size and the first length are what is used when none is asked for."""

    id: str = Field(pattern="^[a-z0-9][a-z0-9._-]{0,63}$")
    label: str
    provider: str
    default: bool = False
    lifecycle: Literal["preview", "live", "deprecated"] = "live"
    sizes: tuple[Size, ...] = Field(min_length=1)
    seconds: tuple[int, ...] = Field(min_length=1)

    @property
    def default_size(self) -> Size:
        """The size when none is asked for."""
        return self.sizes[0]

    @property
    def default_seconds(self) -> int:
        """The length when none is asked for."""
        return self.seconds[0]


class Plan(Section):
    """What an account may do. `retention` is the key under which the policy states its periods."""

    id: str = Field(pattern="^[a-z][a-z0-9_-]{0,63}$")
    credits: int = Field(ge=0)
    granted: Literal["opening", "period"]
    concurrency: int = Field(gt=0)
    priority: int = Field(ge=0)
    retention: str

    @property
    def opening_credits(self) -> int:
        """Credits an account gets on being opened with this plan."""
        return self.credits if self.granted == "opening" else 0


class CatalogueFile(Section):
    """`catalogue.yaml` as it stands in the folder."""

    models: tuple[Model, ...] = Field(min_length=1)
    prices: tuple[PriceVersion, ...] = Field(min_length=1)
    plans: tuple[Plan, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _holds_together(self) -> "CatalogueFile":
        for name, ids in (
            ("models", [model.id for model in self.models]),
            ("plans", [plan.id for plan in self.plans]),
            ("prices", [price.version for price in self.prices]),
        ):
            if len(set(ids)) != len(ids):
                raise ValueError(f"{name} has an entry twice")
        if sum(model.default for model in self.models) != 1:
            raise ValueError("exactly one model must be the default")
        newest = max(self.prices, key=lambda price: price.effective)
        for model in self.models:
            if any(size not in newest.credits_per_second.get(model.id, {}) for size in model.sizes):
                raise ValueError(f"the newest prices lack a size of {model.id}")
        return self


@dataclass(frozen=True)
class Catalogue:
    """The catalogue, ready to be asked. `hash` is the SHA-256 (hex) of its file."""

    hash: str
    content: CatalogueFile

    @cached_property
    def models(self) -> dict[str, Model]:
        """Models by id, in the file's order."""
        return {model.id: model for model in self.content.models}

    @cached_property
    def plans(self) -> dict[str, Plan]:
        """Plans by id, in the file's order; the first is what an account opens with."""
        return {plan.id: plan for plan in self.content.plans}

    @cached_property
    def prices(self) -> PriceBook:
        """All price versions."""
        return PriceBook(self.content.prices)

    @property
    def default_model(self) -> Model:
        """The model when none is asked for."""
        return next(model for model in self.content.models if model.default)

    @property
    def opening_plan(self) -> Plan:
        """The plan an account opens with."""
        return self.content.plans[0]

    def model(self, model_id: str | None) -> Model:
        """The model asked for, or the default one for None.

        Raises:
            UnknownModel: there is none by this id.
        """
        if model_id is None:
            return self.default_model
        try:
            return self.models[model_id]
        except KeyError as error:
            raise UnknownModel("There is no such model. GET /v1/models lists those there are.") from error

    def plan(self, plan_id: str) -> Plan:
        """A plan by id.

        Raises:
            UnknownPlan: there is none by this id.
        """
        try:
            return self.plans[plan_id]
        except KeyError as error:
            raise UnknownPlan("The catalogue has no such plan.") from error


def load_catalogue(folder: Path) -> Catalogue:
    """Read `catalogue.yaml` of a profile's folder.

    Raises:
        PolicyError: it cannot be read or does not hold together; the message names the line.
    """
    content, digest = read(folder / FILE_NAME, CatalogueFile)
    return Catalogue(digest, content)
