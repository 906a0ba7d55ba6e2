"""The page: what the template needs, computed from the evidence."""

from collections import Counter
from html import escape
from typing import Any

from markupsafe import Markup

from tasklaws.plotting import inline, letters, repeated, short
from tasklaws.report import orders
from tasklaws.report import shapes as rise
from tasklaws.report.claims import claims, describe, rise_of
from tasklaws.report.figures import LABELS
from tasklaws.report.load import Evidence, Pair
from tasklaws.report.overlap import Experiment, overlap_rows, zipf_rows
from tasklaws.report.surprises import Surprises, surprise_blocks
from tasklaws.report.tables import (
    comparisons,
    forecast_rows,
    headline,
    ladder_rows,
    law_rows,
    mirage_rows,
    percent,
    shape_rows,
    verdict_rows,
    weights,
    worth_rows,
    worth_sentences,
)
from tasklaws.report.template import template

TOP_SURPRISES = 8


def render(
    evidence: Evidence,
    order_evidence: orders.OrderEvidence,
    surprising: Surprises,
    experiment: Experiment | None,
    svgs: dict[str, str],
    provenance: list[tuple[str, str]],
) -> str:
    """The whole page as text; `svgs` holds each figure's file by name."""
    shown: set[str] = set()

    def figure(name: str) -> Markup:
        """The named figure, nothing if there is none; a second time only a reference to the first."""
        if name not in svgs:
            return Markup("")
        again = name in shown
        shown.add(name)
        return Markup((repeated if again else inline)(svgs[name], name, escape(name.replace("-", " "))))

    found = comparisons(evidence)
    rises = {
        pair: {metric: measured for metric in evidence.metrics(pair) if (measured := rise_of(evidence, pair, metric))}
        for pair in evidence.pairs
    }
    holdouts = [rung for rung, role in evidence.rungs.items() if role == "holdout"]
    return template("page.html.jinja").render(
        ladder=evidence.ladder,
        figure=figure,
        letters=Markup(letters(list(svgs.values()))),
        rungs=ladder_rows(evidence),
        holdouts=holdouts,
        tiles=tiles(evidence),
        headline=headline(found),
        forecasts=forecast_rows(found),
        verdicts=verdict_rows(evidence),
        weights=[(LABELS[metric], weights(evidence, metric)) for metric in ("exact_match", "target_bits_per_byte")],
        laws=law_rows(evidence),
        mirage=mirage_rows(evidence),
        worth=worth_rows(evidence),
        worth_said=worth_sentences(evidence),
        families=family_blocks(evidence, set(svgs)),
        hashes=evidence.made_by("sha256_power"),
        sums=evidence.made_by("gauss_sum"),
        chains=sorted(evidence.made_by("step_chain"), key=lambda family: evidence.settings[family]["overlap"]),
        pairs=evidence.pairs,
        shapes=shape_rows({pair: by_metric for pair, by_metric in rises.items() if "exact_match" in by_metric}),
        descriptions={
            pair: describe(by_metric["exact_match"]) for pair, by_metric in rises.items() if "exact_match" in by_metric
        },
        conventions=conventions(),
        claims=claims(evidence),
        orders=orders.section(evidence, order_evidence),
        surprises=surprise_blocks(evidence, surprising, TOP_SURPRISES),
        experiment=experiment,
        overlap_rows=overlap_rows(experiment),
        zipf_rows=zipf_rows(experiment),
        provenance=provenance,
        labels=LABELS,
    )


def tiles(evidence: Evidence) -> list[tuple[str, str]]:
    """The page's opening figures: (value, what it is)."""
    sizes = {row["rung"]: row["n_params"] for row in evidence.observations}
    ordered = [sizes[rung] for rung in evidence.rungs]
    models = {(row["rung"], row["seed"]) for row in evidence.observations}
    verdicts = Counter(row["verdict"] for row in evidence.forecasts if row["metric"] == "exact_match")
    return [
        (str(len(evidence.rungs)), f"rungs, from {short(ordered[0])} to {short(ordered[-1])} parameters"),
        (str(len(models)), "models, counting seeds"),
        (f"{len(evidence.items):,}", f"items in {len(evidence.settings)} families"),
        *((str(count), f"curves judged “{verdict}”") for verdict, count in sorted(verdicts.items())),
    ]


def conventions() -> str:
    """The meaning of each shape, with its thresholds."""
    flat, piece = percent(rise.FLAT_SHARE), percent(rise.PIECE_SHARE)
    return (
        f"A curve rises if it gains at least {percent(rise.RISE)} and more than two standard errors. A step, "
        "of whatever height: two levels with one jump between neighbouring rungs tell the curve better than any smooth "
        "rise; it is the rule by which a verdict is discontinuous. Pieces: not a step, but a pair "
        f"of neighbours that gain at most {flat} of the rise, and less than the others by more than two standard "
        f"errors, has at least {piece} of it before and after. Uneven: it falls on the way by more than {flat} and two "
        f"standard errors. Smooth: none of these. Fewer than {rise.MIN_RUNGS} rungs have no shape."
    )


def family_blocks(evidence: Evidence, figures: set[str]) -> list[dict[str, Any]]:
    """For each family an example and its figures, one list of names an elicitation."""
    blocks = []
    for family in dict.fromkeys(family for family, _ in evidence.pairs):
        pairs = [pair for pair in evidence.pairs if pair[0] == family]
        items = [item for item in evidence.items.values() if item.family == family]
        example = items[len(items) // 3] if items else None
        blocks.append(
            {
                "family": family,
                "n_items": len(items),
                "learned": family not in evidence.unlearned,
                "question": example.question if example else "",
                "answer": example.answer if example else "",
                "pairs": [(pair, figure_names(evidence, pair, figures)) for pair in pairs],
            }
        )
    return blocks


def figure_names(evidence: Evidence, pair: Pair, figures: set[str]) -> list[str]:
    stem = "-".join(pair)
    names = [f"{stem}-{metric}" for metric in evidence.metrics(pair)] + [f"{stem}-tokens"]
    return [name for name in names if name in figures]
