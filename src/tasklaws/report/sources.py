"""From which files each figure and table of the report is made, and the record of it."""

from collections.abc import Callable
from pathlib import Path

from markupsafe import Markup

from tasklaws.core.files import sha256_file
from tasklaws.core.marks import SHOWN
from tasklaws.core.schema import items_file
from tasklaws.core.settings import Settings
from tasklaws.ladder.card import Card, read_made_by
from tasklaws.provenance.record import Record, Records
from tasklaws.report.load import Results


class Sources:
    """Files by what is made from them: `seen` scores by size, a `curve` with its forecast, the page's `tables`."""

    def __init__(self, results: Results) -> None:
        self._results, paths = results, results.paths
        self.seen = [paths.observations(role) for role in ("fit", "holdout")]
        self.curve = [*self.seen, paths.forecasts, paths.bands, *([paths.real] if len(results.real) else [])]
        self.surprises = [paths.surprises]
        self.sharded = [paths.sharded]
        self.overlap = [paths.overlap / name for name in ("forecasts.csv", "summary.csv", "summary.json")]
        self.zipf = [paths.overlap / name for name in ("zipf.csv", "zipf_runs.csv")]
        said = [paths.responses(rung) for rung in results.holdouts]
        all_scores = self.scored(*results.asked)
        self.tables = {
            "ladder": self.seen,
            "answer": [paths.validation, paths.planned],
            "forecasts": [paths.validation],
            "verdicts": [paths.forecasts],
            "planned": [paths.planned],
            "methods": [paths.methods, paths.forecasts, paths.validation],
            "laws": [paths.fits],
            "mirage": [paths.mirage],
            "structure": [paths.effective_numbers, paths.forecasts],
            "claims": [*all_scores, paths.mirage, paths.validation],
            "shapes": self.seen,
            "orders": [paths.orders],
            "order-agreement": [paths.order_agreement],
            "overlap-sets": self.overlap,
            "overlap-zipf": self.zipf,
            "workers": self.sharded,
            "real": [paths.real],
            "surprising-families": [paths.validation],
            "surprising-skills": [paths.surprising_skills, *self.surprises, *self._items(*results.asked)],
            "surprises": [*self.surprises, *self._items(*results.asked), *said],
        }

    def scored(self, *families: str) -> list[Path]:
        """The scores of all rungs, which checkpoints are final, and the items of some families."""
        paths, rungs = self._results.paths, self._results.rungs
        scores = [paths.scores(role) / f"{rung}.csv" for rung, role in rungs.items()]
        return [*self.seen, *scores, *self._items(*families)]

    def timed(self, family: str) -> list[Path]:
        """The same with what people did."""
        return [*self.scored(family), self._results.paths.human_estimates]

    def _items(self, *families: str) -> list[Path]:
        return [items_file(family, self._results.paths.root) for family in families]


def new_records(results: Results, settings: Settings) -> Records:
    """No records yet, of the report that shows these results."""
    paths = results.paths
    made_by = [read_made_by(paths.scores(role), rung) for rung, role in results.rungs.items()]
    items = {family: sha256_file(items_file(family, paths.root)) for family in results.asked}
    behind = {
        "models": {one.card.rung: _models(one.card) for one in made_by},
        "items": items,
        "guests": sorted({one.sandbox for one in made_by}),
    }
    return Records(paths.root, "report", paths.ladder, settings.raw, behind)


def _models(card: Card) -> Record:
    """What a card says of content: the weights and commit of each checkpoint, the tokenizer, and the corpus or hub."""
    told = card.to_dict()
    kept = ("repo", "revision", "corpus_sha256", "tokenizer_sha256", "path", "gguf_sha256", "model", "identity")
    checkpoints = {
        one.path: {name: value for name in ("weights_sha256", "commit") if (value := getattr(one, name)) is not None}
        for one in card.checkpoints
    }
    return {key: told[key] for key in kept if key in told} | {"checkpoints": checkpoints}


def table_marks(records: Records, sources: Sources) -> Callable[[str], Markup]:
    """For templates: the attribute that gives a table its digest, which the page's style shows below it.

    A table is recorded once it is shown.
    """

    def traced(name: str) -> Markup:
        found = records.add(f"table {name}", sources.tables[name])
        return Markup(f' data-provenance="{found[:SHOWN]}"')

    return traced
