"""`tasklaws orders`: which order of difficulty foretells best what the next model solves."""

from argparse import ArgumentParser, Namespace, _SubParsersAction
from pathlib import Path
from typing import TYPE_CHECKING

from tasklaws.tables import ORDER_AGREEMENT, ORDERS

if TYPE_CHECKING:  # SciPy and matplotlib take a second to import, which the other commands need not
    import pandas as pd


def add_parser(subparsers: "_SubParsersAction[ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "orders",
        help="is people's time a good order of difficulty, or their solve rate, or steps, or item response?",
        description="Compare orders of difficulty: how well each foretells the last models from all earlier ones, and "
        "how they agree. Writes orders.csv, agreement.csv (90% intervals) and orders.svg (docs/difficulty.md).",
    )
    parser.add_argument("table", type=Path, help="CSV as `tasklaws difficulty` takes it (docs/difficulty.md)")
    parser.add_argument("--last", type=int, default=6, metavar="K", help="models to hold out (default: %(default)s)")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="directory for the results")
    parser.set_defaults(run=run)


def run(arguments: Namespace) -> None:
    from tasklaws.items.orders import ALL, agreement, compare, draw, sentences
    from tasklaws.items.table import read_items
    from tasklaws.plotting import house_style, save

    table = read_items(arguments.table)
    compared, agreed = compare(table, arguments.last), agreement(table)
    ORDERS.write(arguments.out / "orders.csv", compared)
    ORDER_AGREEMENT.write(arguments.out / "agreement.csv", agreed)
    with house_style():
        save(draw(compared), arguments.out / "orders.svg")
    print(text(compared))
    for sentence in sentences(compared, ALL):
        print(sentence)


def text(compared: "pd.DataFrame") -> str:
    """The comparison as a table for people: a figure and its 90% interval."""
    import pandas as pd

    def cell(row: "pd.Series", figure: str) -> str:
        if pd.isna(row[figure]):
            return "-"
        return f"{row[figure]:.3f} ({row[figure + '_low']:.3f} to {row[figure + '_high']:.3f})"

    shown = compared[["items", "order", "n_items"]].assign(
        **{
            figure: [cell(row, figure) for _, row in compared.iterrows()]
            for figure in ("log_loss", "auc", "tau", "minus_item_response")
        }
    )
    return shown.to_string(index=False)
