"""Routes: which provider makes a model."""

from collections.abc import Callable, Collection

from lethe_common.errors import ConfigurationError
from lethe_common.policy import Catalogue
from lethe_jobs.adapters.noop import NoopProvider


def routes(catalogue: Catalogue, names: Collection[str]) -> Callable[[str], str]:
    """Tells the provider of a model by its id, of the providers there are by these names.

    Raises:
        ConfigurationError: a model is on offer whose provider is not among them.
    """
    if set(names) == {NoopProvider.name}:
        return lambda _model: NoopProvider.name
    made_by = {model.id: model.provider for model in catalogue.models.values()}
    unmade = sorted(f"{model} ({provider})" for model, provider in made_by.items() if provider not in names)
    if unmade:
        # A model on offer that nothing can make would take credits for runs that only fail.
        raise ConfigurationError(
            f"catalogue.yaml offers models whose provider has no adapter here: {', '.join(unmade)}. "
            f"Take them out, or name one of: {', '.join(sorted(names))}."
        )
    # A model that left the catalogue after it was ordered is made by the default one's provider.
    return lambda model: made_by.get(model, catalogue.default_model.provider)
