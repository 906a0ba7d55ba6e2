"""What a comparison of orders supports, in words: a difference counts where its 90% interval leaves out 0."""

import pandas as pd

from tasklaws.difficulty.orders import REFERENCES

WORDS = {
    "constant": "no order at all",
    "time": "people's time",
    "solve_rate": "the share of people who solve",
    "steps": "required steps",
    "item_response": "item response",
    "full": "all of them together",
}


def sentences(compared: pd.DataFrame, items: str) -> list[str]:
    """One sentence a reference (no order, item response): which orders foretell one set of items better, which worse,
    and which the data do not tell apart from it; with the differences of log loss and their intervals."""
    rows = compared[compared["items"] == items]
    found = []
    for reference in REFERENCES:
        groups: dict[str, list[str]] = {"better": [], "worse": [], "not told apart": []}
        for _, row in rows[~rows["order"].isin(["constant", reference])].iterrows():
            groups[judge(row, reference)].append(f"{WORDS[row['order']]} {difference(row, reference)}")
        said = "; ".join(f"{verdict}: {', '.join(names)}" for verdict, names in groups.items() if names)
        found.append(f"Against {WORDS[reference]} (log loss in nats, 90% interval): {said}.")
    return found


def judge(row: pd.Series, reference: str) -> str:
    """Better, worse, or not told apart."""
    low, high = row[f"minus_{reference}_low"], row[f"minus_{reference}_high"]
    return "better" if high < 0 else "worse" if low > 0 else "not told apart"


def difference(row: pd.Series, reference: str) -> str:
    name = f"minus_{reference}"
    return f"{row[name]:+.3f} ({row[name + '_low']:+.3f} to {row[name + '_high']:+.3f})"
