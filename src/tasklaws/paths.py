"""Where every file of a ladder lies, below the repository's root."""

from pathlib import Path


class Paths:
    """The files and folders of one ladder, and those that its stages read.

    Stages that know no ladder (items, corpus, population, humans, overlap_items, zipf_train) name their outputs
    themselves, and so do those that train or ask (model, respond, overlap_respond): a new place here would run these
    again.
    """

    def __init__(self, ladder: str, root: Path = Path()) -> None:
        self.ladder, self.root = ladder, root
        self.items = root / "data/items"
        self.human_estimates = root / "data/humans/items.csv"
        self.sets = root / "data/overlap/sets.csv"
        self.set_scores = root / "scores/overlap" / ladder
        self.zipf = root / "data/zipf"
        self.results = root / "results" / ladder
        self.sizes = self.results / "ladder.csv"
        self.forecasts = self.results / "forecasts.csv"
        self.fits = self.results / "fits.json"
        self.mirage = self.results / "mirage.csv"
        self.effective_numbers = self.results / "structure.csv"
        self.methods = self.results / "methods.csv"
        self.planned = self.results / "planned.csv"
        self.bands = self.results / "bands.csv"
        self.claims = self.results / "claims"
        self.item_forecasts = self.results / "item_forecasts.csv"
        self.points = self.results / "points.csv"
        self.validation = self.results / "validation.csv"
        self.surprises = self.results / "surprises.csv"
        self.surprise_counts = self.results / "surprise_counts.csv"
        self.surprising_skills = self.results / "surprising_skills.csv"
        self.metrics = self.results / "metrics.json"
        self.orders = self.results / "orders.csv"
        self.order_agreement = self.results / "orders_agreement.csv"
        self.figures = self.results / "figures"
        self.curves = self.results / "plots/curves.csv"
        self.records = self.results / "provenance.json"
        self.tracking = self.results / "tracking.json"
        self.sharded = self.results / "sharded.csv"
        self.overlap = self.results / "overlap"
        self.real = root / "results/real/scores.csv"
        self.pages = root / "reports" / ladder

    def gate(self, role: str) -> Path:
        """What must stand before a rung of this role is scored (dvc.yaml says why)."""
        return self.results / "gate" / f"{role}.json"

    def observations(self, role: str) -> Path:
        return self.results / f"observations_{role}.csv"

    def scores(self, role: str) -> Path:
        """The folder that holds the scores of every rung of a role."""
        return self.root / "scores" / self.ladder / role

    def responses(self, rung: str) -> Path:
        return self.root / "responses" / self.ladder / f"{rung}.jsonl"

    def set_responses(self, rung: str) -> Path:
        """What a rung said to the questions of the overlap experiment."""
        return self.root / "responses/overlap" / self.ladder / f"{rung}.jsonl"
