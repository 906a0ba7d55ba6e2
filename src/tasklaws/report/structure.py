"""How many independent tasks each family is worth: the table, and what it says in sentences."""

from tasklaws.report.compare import percent
from tasklaws.report.evidence import Evidence, Row
from tasklaws.report.tables import Rows

TAKEN = {"seeds": "between seeds", "trend": "around a trend", "design": "design only"}


def worth_rows(evidence: Evidence) -> Rows:
    """One row a family and elicitation, in the order of params; what cannot be told is a dash."""
    return [
        {
            "pair": " · ".join((row["family"], row["elicitation"])),
            "n_items": f"{row['n_items']:.0f}",
            "designed": number(row, "designed"),
            "observed": estimate(row, "observed", 1),
            "by_design": estimate(row, "by_design", 1),
            "taken_from": TAKEN.get(row["taken_from"], row["taken_from"]),
            "design_effect": f"{row['design_effect']:.1f}",
            "widening": "–" if (wider := widening(evidence, row)) is None else f"× {wider:.2f}",
            "index": estimate(row, "index", 2),
            "expected_index": estimate(row, "expected_index", 2),
        }
        for row in ordered(evidence)
    ]


def ordered(evidence: Evidence) -> list[Row]:
    order = {pair: index for index, pair in enumerate(evidence.pairs)}
    return sorted(evidence.structure, key=lambda row: order.get((row["family"], row["elicitation"]), len(order)))


def number(row: Row, name: str, digits: int = 1) -> str:
    return f"{row[name]:.{digits}f}" if name in row else "–"


def estimate(row: Row, name: str, digits: int) -> str:
    """`4.2 (1.0 to 19.5)`."""
    if name not in row:
        return "–"
    return (
        f"{number(row, name, digits)} ({number(row, f'{name}_low', digits)} to {number(row, f'{name}_high', digits)})"
    )


def widening(evidence: Evidence, row: Row) -> float | None:
    """By what factor overlap widened the forecast of the share solved."""
    told = evidence.forecast((row["family"], row["elicitation"]), "exact_match")
    return None if told is None else float(told["widening"])


def worth_sentences(evidence: Evidence) -> list[str]:
    """What the table says: the extremes, how often the design fits, where a curve is a step beyond its tasks."""
    rows = ordered(evidence)
    if not rows:
        return []
    least, most = (choose(rows, key=lambda row: row["n_eff"] / row["n_items"]) for choose in (min, max))
    said = [
        f"The items of {name(least)} hang together most: {least['n_items']:.0f} are worth {least['n_eff']:.1f} tasks; "
        f"those of {name(most)} least: {most['n_items']:.0f} are worth {most['n_eff']:.1f}."
    ]
    both = [row for row in rows if "observed" in row and "designed" in row]
    if both:
        inside = [row for row in both if row["observed_low"] <= row["designed"] <= row["observed_high"]]
        width = [row for row in both if row["observed_high"] >= 0.99 * row["n_items"] and row["observed_low"] <= 1.01]
        said.append(
            f"What the skills that items name would make of them lies within the 90% limits of what is seen in "
            f"{len(inside)} of {len(both)} families"
            + (f"; in {len(width)} of them the limits say nothing." if width else ".")
        )
    shown = [row for row in rows if "index" in row and "expected_index" in row]
    if shown:
        steeper = [row for row in shown if row["index"] > row["expected_index_high"]]
        named = f" ({', '.join(map(name, steeper))})" if steeper else ""
        said.append(
            f"In {len(steeper)} of {len(shown)} families{named} the curve is more of a step than so many independent "
            "tasks on a smooth rise would show in 95% of draws."
        )
    wider = [(factor, row) for row in rows if (factor := widening(evidence, row)) is not None]
    if wider:
        factor, row = max(wider, key=lambda pair: pair[0])
        said.append(f"Of all shares solved, overlap widens the interval of {name(row)} most: by {percent(factor - 1)}.")
    return said


def name(row: Row) -> str:
    return f"{row['family']} {row['elicitation']}"
