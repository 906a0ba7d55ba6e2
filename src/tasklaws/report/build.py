"""Making the report: every figure as a file, the plots' table, the pages."""

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote

from matplotlib.figure import Figure

from tasklaws.core.files import write_text
from tasklaws.core.marks import SHOWN
from tasklaws.core.settings import Settings
from tasklaws.paths import Paths
from tasklaws.plotting import house_style, save
from tasklaws.report import shapes, tables
from tasklaws.report.album import Album, Drawn
from tasklaws.report.answer import REMEDIES, real_surprises, rows_of, rung_answers
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
from tasklaws.report.items import ItemPages
from tasklaws.report.load import CORPUS, Results, load_results
from tasklaws.report.orders import drawn_tasks, load_orders, order_figures, order_section
from tasklaws.report.overlap import experiment_figures, load_experiment
from tasklaws.report.points import answer_digests, curve_points, family_page, placed
from tasklaws.report.said import read_said
from tasklaws.report.sharded import sharded_trends
from tasklaws.report.sources import Sources, new_records, table_marks
from tasklaws.report.surprises import FALSE_DISCOVERIES, calibration_figures, load_surprises, render_surprises
from tasklaws.report.template import template
from tasklaws.tables import CURVES, SHARDED

Figures = dict[str, tuple[Figure, list[Path]]]
"""Figures by name, each with the files from which it is drawn."""


def build_report(root: Path, settings: Settings) -> None:
    """Write results/L/figures/*.svg, results/L/plots/curves.csv, the pages reports/L/index.html, details.html,
    surprises.html and items/, and the records of all figures and tables, results/L/provenance.json, below `root`.

    A missing or malformed input, and one that is not what its stage wrote, raise TasklawsError before anything is
    written.
    """
    compared = refuse_other_inputs(Paths(settings.models.name, root))
    results = load_results(root, settings)
    said, digests_of_said = read_said(results), answer_digests(results)
    surprises, orders, experiment = load_surprises(results, said), load_orders(results), load_experiment(root, settings)
    sharded = SHARDED.read(results.paths.sharded)
    folder, sources, records = results.paths.figures, Sources(results), new_records(results, settings)
    with house_style():
        figures = curve_figures(results, sources)
        figures |= {name: (figure, sources.surprises) for name, figure in calibration_figures(surprises).items()}
        timed = {f"orders-{'-'.join(task)}": sources.timed(task[0]) for task in drawn_tasks(results)}
        figures |= {name: (figure, timed[name]) for name, figure in order_figures(results, orders).items()}
        figures |= {
            name: (figure, sources.zipf if name == "overlap-zipf" else sources.overlap)
            for name, figure in experiment_figures(experiment).items()
        }
        figures |= {"sharded": (sharded_figure(sharded), sources.sharded)} if len(sharded) else {}
        digests = {name: records.add(f"figure {name}", files) for name, (_, files) in figures.items()}
        for name, (figure, _) in figures.items():
            save(figure, folder / f"{name}.svg", digests[name])
    for stale in set(folder.glob("*.svg")) - {folder / f"{name}.svg" for name in figures}:
        stale.unlink()
    CURVES.write(results.paths.curves, tables.plot_table(results))
    drawn = Drawn(
        svgs={name: (folder / f"{name}.svg").read_text(encoding="utf-8") for name in figures},
        digests=digests,
        places={
            name: (task, placed(figures[name][0], curve_points(results, task, metric, digests_of_said)))
            for task in results.tasks
            for metric in results.metrics(task)
            if (name := f"{'-'.join(task)}-{metric}") in figures
        },
    )
    traced = table_marks(records, sources)
    rises = {
        task: {metric: rise for metric in results.metrics(task) if (rise := rise_of_curve(results, task, metric))}
        for task in results.tasks
    }
    surprised, surprise_counts = real_surprises(results, surprises)
    known = {
        "ladder": results.paths.ladder,
        "results": results,
        "tables": tables,
        "shapes": shapes,
        "answers": rung_answers(results),
        "last_fit": [rung for rung, role in results.rungs.items() if role == "fit"][-1],
        "remedies": REMEDIES,
        "rows_of": rows_of,
        "surprised": surprised,
        "surprise_counts": surprise_counts,
        "rate": FALSE_DISCOVERIES,
        "rises": rises,
        "claims": claims(results),
        "orders": order_section(results, orders),
        "surprises": surprises,
        "experiment": experiment,
        "sharded": sharded_trends(sharded),
        "traced": traced,
        "example": next(iter(digests.values()), "")[:SHOWN],
        "compared": compared,
        "family_page": family_page,
    }
    pages = {"surprises.html": render_surprises(results, surprises, Album(drawn), traced)}
    for name, file in {"index.html": "page.html.jinja", "details.html": "details.html.jinja"}.items():
        album = Album(drawn)
        pages[name] = template(file).render(**known, figure=album.figure, letters=album)
    write_pages(
        results.paths.pages, {**pages, **dict(ItemPages(results, settings, said, drawn, digests_of_said).pages())}
    )
    records.write(results.paths.records, results.paths.pages)


def write_pages(folder: Path, pages: Mapping[str, str]) -> None:
    """Write each page at its address below the folder, and take away those of before that are none any more."""
    files = {folder / unquote(address): text for address, text in pages.items()}
    for file, text in files.items():
        write_text(file, text)
    for stale in set((folder / "items").rglob("*.html")) - set(files):
        stale.unlink()


def curve_figures(results: Results, sources: Sources) -> Figures:
    """The figures of every curve by name: `ladder`, and `<family>-<elicitation>-<what>`."""
    figures: dict[str, tuple[Figure | None, list[Path]]] = {}
    if "loss_nats" in results.metrics(CORPUS):
        figures["ladder"] = size_curve(results, CORPUS, "loss_nats"), sources.curve
        figures["ladder-tokens"] = token_curve(results, CORPUS, "loss_nats"), sources.seen
    for task in results.tasks:
        family, elicitation = task
        stem, scored = "-".join(task), sources.scored(family)
        for metric in results.metrics(task):
            figures[f"{stem}-{metric}"] = size_curve(results, task, metric), sources.curve
        figures[f"{stem}-tokens"] = token_curve(results, task, "exact_match"), sources.seen
        if family in results.made_by("sha256_power"):
            title = f"{' · '.join(task)}: by digits of the power"
            figures[f"{stem}-digits"] = group_curves(results, task, "n_digits", "digit", title), scored
        if family in results.made_by("step_chain"):
            title = f"{elicitation}, overlap {results.families[family]['overlap']:g}: by number of steps"
            figures[f"{stem}-steps"] = group_curves(results, task, "size", "step", title), scored
        if family in results.made_by("gauss_sum"):
            limit = loop_limit(results, family) if elicitation == "python" else None
            figures[f"{stem}-n"] = item_size_curves(results, task, limit), scored
            if elicitation == "python":
                figures[f"{stem}-map"] = outcome_map(results, task, limit), scored
                figures[f"{stem}-fates"] = outcome_bars(results, task), scored
    return {name: (figure, files) for name, (figure, files) in figures.items() if figure is not None}
