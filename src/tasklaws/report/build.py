"""Making the report: every figure as a file, the plots' table, the pages."""

import hashlib
from html import escape
from pathlib import Path

from markupsafe import Markup
from matplotlib.figure import Figure

from tasklaws.core.files import json_line, sha256_file, write_text
from tasklaws.core.settings import Settings
from tasklaws.experiments.sharded import sharded_trends
from tasklaws.forecast.surprises import FAILED, SOLVED
from tasklaws.paths import Paths
from tasklaws.plotting import house_style, inline, letters, repeated, save
from tasklaws.report import shapes, tables
from tasklaws.report.claims import claims, loop_limit, rise_of_curve
from tasklaws.report.figures import (
    group_curves,
    item_size_curves,
    outcome_bars,
    outcome_map,
    sharded_figure,
    size_curve,
    token_curve,
)
from tasklaws.report.inputs import refuse_other_inputs
from tasklaws.report.load import CORPUS, Results, load_results
from tasklaws.report.orders import load_orders, order_figures, order_section
from tasklaws.report.overlap import experiment_figures, load_experiment
from tasklaws.report.surprises import calibration_figures, load_surprises, render_surprises
from tasklaws.report.template import template
from tasklaws.tables import CURVES, SHARDED

PARAMS_USED = ("models", "families", "elicitation", "laws", "experiment", "seed")


def build_report(root: Path, settings: Settings) -> None:
    """Write results/L/figures/*.svg, results/L/plots/curves.csv, reports/index.html and reports/surprises.html
    below `root`.

    A missing or malformed input, and one that is not what its stage wrote, raise TasklawsError before anything is
    written.
    """
    compared = refuse_other_inputs(Paths(settings.models.name, root))
    results = load_results(root, settings)
    surprises, orders, experiment = load_surprises(results), load_orders(results), load_experiment(root, settings)
    sharded = SHARDED.read(results.paths.sharded)
    folder = results.paths.figures
    with house_style():
        figures = (
            curve_figures(results)
            | calibration_figures(surprises)
            | order_figures(results, orders)
            | experiment_figures(experiment)
            | ({"sharded": sharded_figure(sharded)} if len(sharded) else {})
        )
        for name, drawn in figures.items():
            save(drawn, folder / f"{name}.svg")
    for stale in set(folder.glob("*.svg")) - {folder / f"{name}.svg" for name in figures}:
        stale.unlink()
    CURVES.write(results.paths.curves, tables.plot_table(results))
    svgs = {name: (folder / f"{name}.svg").read_text(encoding="utf-8") for name in figures}
    shown: set[str] = set()

    def figure(name: str) -> Markup:
        """The named figure, nothing if there is none; a second time only a reference to the first."""
        if name not in svgs:
            return Markup("")
        again = name in shown
        shown.add(name)
        return Markup((repeated if again else inline)(svgs[name], name, escape(name.replace("-", " "))))

    rises = {
        task: {metric: rise for metric in results.metrics(task) if (rise := rise_of_curve(results, task, metric))}
        for task in results.tasks
    }
    index = template("page.html.jinja").render(
        ladder=results.paths.ladder,
        results=results,
        tables=tables,
        shapes=shapes,
        figure=figure,
        letters=Markup(letters(list(svgs.values()))),
        chains=sorted(results.made_by("step_chain"), key=lambda family: results.families[family]["overlap"]),
        rises=rises,
        claims=claims(results),
        orders=order_section(results, orders),
        surprises=surprises,
        kinds=(SOLVED, FAILED),
        experiment=experiment,
        sharded=sharded_trends(sharded),
        inputs=provenance(results, settings),
        compared=compared,
    )
    for name, text in {"index": index, "surprises": render_surprises(results, surprises, svgs)}.items():
        write_text(root / "reports" / f"{name}.html", text)


def curve_figures(results: Results) -> dict[str, Figure]:
    """The figures of every curve by name: `ladder`, and `<family>-<elicitation>-<what>`."""
    figures: dict[str, Figure | None] = {}
    if "loss_nats" in results.metrics(CORPUS):
        figures["ladder"] = size_curve(results, CORPUS, "loss_nats")
        figures["ladder-tokens"] = token_curve(results, CORPUS, "loss_nats")
    for task in results.tasks:
        family, elicitation = task
        stem = "-".join(task)
        for metric in results.metrics(task):
            figures[f"{stem}-{metric}"] = size_curve(results, task, metric)
        figures[f"{stem}-tokens"] = token_curve(results, task, "exact_match")
        if family in results.made_by("sha256_power"):
            title = f"{' · '.join(task)}: by digits of the power"
            figures[f"{stem}-digits"] = group_curves(results, task, "n_digits", "digit", title)
        if family in results.made_by("step_chain"):
            title = f"{elicitation}, overlap {results.families[family]['overlap']:g}: by number of steps"
            figures[f"{stem}-steps"] = group_curves(results, task, "size", "step", title)
        if family in results.made_by("gauss_sum"):
            limit = loop_limit(results, family) if elicitation == "python" else None
            figures[f"{stem}-n"] = item_size_curves(results, task, limit)
            if elicitation == "python":
                figures[f"{stem}-map"] = outcome_map(results, task, limit)
                figures[f"{stem}-fates"] = outcome_bars(results, task)
    return {name: figure for name, figure in figures.items() if figure is not None}


def provenance(results: Results, settings: Settings) -> list[tuple[str, str]]:
    """What the pages were made from: the parameters that bear on them and their inputs, with their SHA-256."""
    used = {key: settings.raw[key] for key in PARAMS_USED} | {"corpus.mixture": settings.raw["corpus"]["mixture"]}
    digest = hashlib.sha256(json_line(Path("params.yaml"), used).encode()).hexdigest()
    paths = results.paths
    inputs = [
        *(paths.observations(role) for role in ("fit", "holdout")),
        *(
            paths.fits,
            paths.mirage,
            paths.effective_numbers,
            paths.forecasts,
            paths.methods,
            paths.bands,
            paths.planned,
        ),
        *(paths.surprises, paths.surprise_counts, paths.surprising_skills),
        *(paths.orders, paths.order_agreement, paths.human_estimates, paths.sharded),
        *sorted(paths.items / f"{family}.jsonl" for family in results.families),
    ]
    own = (f"params.yaml: {', '.join(used)}", digest)
    return [own, *((path.relative_to(paths.root).as_posix(), sha256_file(path)) for path in inputs)]
