"""Making the report: every figure as a file, the plots' table, the page."""

import hashlib
from pathlib import Path

from matplotlib.figure import Figure

from tasklaws.core.files import json_line, sha256_file, write_text
from tasklaws.core.settings import Settings
from tasklaws.plotting import house_style, save
from tasklaws.report import orders, overlap
from tasklaws.report.claims import fuel_limit
from tasklaws.report.figures import (
    digits,
    fate_bars,
    fate_map,
    group_curves,
    size_curve,
    size_lines,
    steps,
    token_curve,
)
from tasklaws.report.load import CORPUS, Evidence, load
from tasklaws.report.page import render
from tasklaws.report.surprise_page import calibration, render_surprises
from tasklaws.report.surprises import load_surprises
from tasklaws.report.tables import curve_table
from tasklaws.tables import CURVES

PARAMS = ("models", "families", "elicitation", "laws", "experiment", "seed")


def build(root: Path, settings: Settings) -> None:
    """Write results/L/figures/*.svg, results/L/plots/curves.csv, reports/index.html and reports/surprises.html
    below `root`.

    A missing or malformed input raises TasklawsError before anything is written.
    """
    evidence = load(root, settings)
    surprising = load_surprises(root, evidence)
    order_evidence = orders.load(root, evidence)
    experiment = overlap.load(root, settings)
    results = root / "results" / evidence.ladder
    with house_style():
        figures = (
            draw(evidence)
            | calibration(surprising)
            | orders.figures(evidence, order_evidence)
            | overlap.draw(experiment)
        )
        for name, figure in figures.items():
            save(figure, results / "figures" / f"{name}.svg")
    for stale in set((results / "figures").glob("*.svg")) - {results / "figures" / f"{name}.svg" for name in figures}:
        stale.unlink()
    CURVES.write(results / "plots" / "curves.csv", curve_table(evidence))
    svgs = {name: (results / "figures" / f"{name}.svg").read_text(encoding="utf-8") for name in figures}
    pages = {
        "index.html": render(evidence, order_evidence, surprising, experiment, svgs, provenance(root, settings)),
        "surprises.html": render_surprises(evidence, surprising, svgs),
    }
    for name, text in pages.items():
        write_text(root / "reports" / name, text)


def draw(evidence: Evidence) -> dict[str, Figure]:
    """Every figure by name: `ladder`, and `<family>-<elicitation>-<what>`."""
    figures: dict[str, Figure] = {}
    if evidence.of(CORPUS, "loss_nats"):
        figures["ladder"] = size_curve(evidence, CORPUS, "loss_nats")
        tokens = token_curve(evidence, CORPUS, "loss_nats")
        if tokens is not None:
            figures["ladder-tokens"] = tokens
    for pair in evidence.pairs:
        stem = "-".join(pair)
        for metric in evidence.metrics(pair):
            figures[f"{stem}-{metric}"] = size_curve(evidence, pair, metric)
        tokens = token_curve(evidence, pair, "exact_match")
        if tokens is not None:
            figures[f"{stem}-tokens"] = tokens
        if pair[0] in evidence.made_by("sha256_power"):
            title = f"{' · '.join(pair)}: by digits of the power"
            figures[f"{stem}-digits"] = group_curves(evidence, pair, digits, title)
        if pair[0] in evidence.made_by("step_chain"):
            overlap = evidence.settings[pair[0]]["overlap"]
            title = f"{pair[1]}, overlap {overlap:g}: by number of steps"
            figures[f"{stem}-steps"] = group_curves(evidence, pair, steps, title)
        if pair[0] in evidence.made_by("gauss_sum"):
            limit = fuel_limit(evidence, pair[0]) if pair[1] == "python" else None
            figures[f"{stem}-n"] = size_lines(evidence, pair, limit)
            if pair[1] == "python":
                figures[f"{stem}-map"] = fate_map(evidence, pair, limit)
                figures[f"{stem}-fates"] = fate_bars(evidence, pair)
    return figures


def provenance(root: Path, settings: Settings) -> list[tuple[str, str]]:
    """What the page was made from: the parameters that bear on it and its inputs, with their SHA-256."""
    used = {key: settings.raw[key] for key in PARAMS} | {"corpus.mixture": settings.raw["corpus"]["mixture"]}
    digest = hashlib.sha256(json_line(Path("params.yaml"), used).encode()).hexdigest()
    results = root / "results" / settings.models.name
    names = [
        results / "observations_fit.csv",
        results / "observations_holdout.csv",
        results / "fits.json",
        results / "mirage.csv",
        results / "structure.csv",
        results / "forecasts.csv",
        results / "methods.csv",
        results / "bands.csv",
        *(results / name for name in ("surprises.csv", "surprise_counts.csv", "surprising_skills.csv")),
        results / "orders.csv",
        results / "orders_agreement.csv",
        root / "data" / "humans" / "items.csv",
        *sorted((root / "data" / "items" / f"{family}.jsonl") for family in settings.families.sets),
    ]
    own = (f"params.yaml: {', '.join(used)}", digest)
    return [own, *((path.relative_to(root).as_posix(), sha256_file(path)) for path in names)]
