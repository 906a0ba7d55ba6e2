"""How large a ladder's rungs are, before any is made: by the settings, or by what their models' files say."""

from tasklaws.core.schema import train_flops
from tasklaws.core.settings import HubSource, LocalSource, Models, Source
from tasklaws.ladder.model_sizes import Sizes, read_sizes


def rung_budgets(models: Models) -> list[dict[str, object]]:
    """The size and budget of every rung (tables.LADDER); what is unknown is None."""
    rows: list[dict[str, object]] = []
    for name, rung in models.rungs.items():
        n_params, n_tokens = n_params_of(rung.source), rung.source.n_tokens
        sizes = {"n_params": n_params, "n_tokens": n_tokens, "train_flops": train_flops(n_params, n_tokens)}
        rows.append({"ladder": models.name, "rung": name, "role": rung.role, **sizes})
    return rows


def n_params_of(source: Source) -> int:
    """A rung's non-embedding parameters: as stated, or else as `sizes_of` reads them."""
    if source.n_params is not None:
        return source.n_params
    assert isinstance(source, HubSource | LocalSource)  # all others state it
    return sizes_of(source).n_params


def sizes_of(source: HubSource | LocalSource) -> Sizes:
    """What the config.json of a rung in a hub or on this machine, or the head of its GGUF file, says; no weights are
    read. The errors are those of fetching it."""
    if isinstance(source, HubSource):
        from tasklaws.ladder.hub import config_of

        return read_sizes(config_of(source), source.repo, source.trust_remote_code)
    from tasklaws.ladder.local import found

    path = found(source)
    if source.is_gguf:
        from tasklaws.ladder import gguf

        return gguf.sizes(path)
    return read_sizes(path, source.path, source.trust_remote_code)
