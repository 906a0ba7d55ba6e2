"""Valid tables of all layouts, and how careless hands change them."""

import csv
import gzip
import io
import json
import random
import string
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from fuzz import Changed, Valid
from tasklaws.tabular.points import read_curves, read_points

Grid = list[list[str]]
TEXTS = {"model", "task", "metric", "date", "benchmark", "corpus", "ladder"}


@dataclass(frozen=True)
class Sheet:
    """Cells as a table has them, the first row the names, and the ending of the file that holds them."""

    cells: Grid
    form: str
    decimal: str = "."

    def write(self, **changes: object) -> bytes:
        """The file's content."""
        form, cells = self.form.removesuffix(".gz"), self.cells
        if self.decimal == ",":
            cells = [
                cells[0],
                *([cell.replace(".", ",") if _number(cell) else cell for cell in row] for row in cells[1:]),
            ]
        if form == ".jsonl":
            content = "".join(json.dumps(_object(cells[0], row)) + "\n" for row in cells[1:]).encode()
        elif form == ".parquet":
            rows = [_object(cells[0], row) for row in cells[1:]]
            columns = {name: _alike([row[name] for row in rows]) for name in cells[0]}
            out = io.BytesIO()
            pd.DataFrame(columns).to_parquet(out)
            content = out.getvalue()
        else:
            text = io.StringIO()
            delimiter = {".csv": ",", ".tsv": "\t", ".txt": ";"}[form]
            csv.writer(text, delimiter=delimiter, lineterminator="\n", **changes).writerows(cells)  # type: ignore[arg-type]
            content = text.getvalue().encode()
        return gzip.compress(content, mtime=0) if self.form.endswith(".gz") else content

    @property
    def is_text(self) -> bool:
        return self.form.removesuffix(".gz") in (".csv", ".tsv", ".txt")


def _alike(cells: list[object]) -> list[object]:
    """Cells of one type, as Parquet wants them."""
    kinds = {type(cell) for cell in cells if cell is not None}
    return cells if len(kinds) < 2 else [None if cell is None else str(cell) for cell in cells]


def _number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell  # Python's own way of writing numbers


def _object(names: list[str], row: list[str]) -> dict[str, object]:
    found: dict[str, object] = {}
    for name, cell in zip(names, row, strict=True):
        if cell == "":
            found[name] = None
        elif name in TEXTS or not _number(cell):
            found[name] = cell
        else:
            found[name] = float(cell)
    return found


SIZES = [("a-10m", 1e7), ("b-30m", 3e7), ("c-100m", 1e8), ("d-300m", 3e8), ("e-1b", 1e9), ("f-3b", 3e9)]


def _score(place: int, task: int) -> str:
    return f"{0.26 + 0.08 * place - 0.03 * task:.4f}"


def _tidy() -> Grid:
    head = ["model", "n_params", "task", "metric", "value", "stderr", "n_items", "chance"]
    rows = [
        [name, f"{size:.0f}", task, "acc", _score(place, index), "0.0151", "1000", "0.25"]
        for place, (name, size) in enumerate(SIZES)
        for index, task in enumerate(("quiz", "riddle"))
    ]
    return [head, *rows]


def _steps() -> Grid:
    head = [
        "ladder",
        "model",
        "n_params",
        "n_tokens",
        "train_flops",
        "step",
        "is_final",
        "task",
        "metric",
        "value",
        "seed",
    ]
    rows = []
    for place, (name, size) in enumerate(SIZES[:4]):
        for step in (0, 1000, 2000):
            tokens = step * 524288
            flops = f"{6 * size * tokens:.6g}"
            final = str(step == 2000)
            for seed in ("0", "1"):
                value = f"{4 - 0.3 * place - step / 4000 + int(seed) / 100:.3f}"
                rows.append(
                    ["mine", name, f"{size:.0f}", str(tokens), flops, str(step), final, "val", "loss", value, seed]
                )
    return [head, *rows]


def _curve() -> Grid:
    head = ["N", "D", "loss"]
    return [
        head,
        *(
            [f"{n:.6g}", f"{d:.6g}", f"{1.7 + 400 / n**0.34 + 410 / d**0.28:.5f}"]
            for n in (1e7, 1e8, 1e9)
            for d in (1e9, 1e10)
        ),
    ]


def _wide() -> Grid:
    head = ["model", "params", "quiz", "riddle", "puzzle"]
    return [
        head,
        *(
            [name, f"{size:.0f}", *(_score(place, task) for task in range(3))]
            for place, (name, size) in enumerate(SIZES)
        ),
    ]


def _wide_tasks() -> Grid:
    head = ["benchmark", *(name for name, _ in SIZES)]
    sizes = ["n_params", *(f"{size:.0f}" for _, size in SIZES)]
    return [
        head,
        sizes,
        *([task, *(_score(place, index) for place in range(6))] for index, task in enumerate(("quiz", "riddle"))),
    ]


def _dated() -> Grid:
    head = ["model", "date", "task", "metric", "value", "corpus"]
    return [
        head,
        *([name, f"202{place}-05-01", "quiz", "acc", _score(place, 0), "web"] for place, (name, _) in enumerate(SIZES)),
    ]


def _metrics() -> Grid:
    head = ["model", "n_params", "task", "acc", "acc_stderr", "bpb"]
    return [
        head,
        *(
            [name, f"{size:.0f}", "quiz", _score(place, 0), "0.015", f"{1.2 - 0.1 * place:.2f}"]
            for place, (name, size) in enumerate(SIZES)
        ),
    ]


def _units() -> Grid:
    head = ["model", "params (B)", "tokens_T", "task", "metric", "score (%)", "n_items"]
    return [
        head,
        *(
            [name, f"{size / 1e9:g}", "0.5", "quiz", "acc", f"{float(_score(place, 0)) * 100:.2f}", "1000"]
            for place, (name, size) in enumerate(SIZES)
        ),
    ]


def _flops() -> Grid:
    head = ["model", "n_params", "train_flops", "task", "metric", "value"]
    return [
        head,
        *(
            [name, f"{size:.0f}", f"{6 * size * size * 20:.4g}", "val", "val_bpb", f"{1.2 - 0.1 * place:.2f}"]
            for place, (name, size) in enumerate(SIZES)
        ),
    ]


# ---- changes that keep the meaning -----------------------------------------------------------------------------------


def rows_shuffled(file: Valid, rng: random.Random) -> Changed:
    sheet: Sheet = file.source
    rows = sheet.cells[1:]
    rng.shuffle(rows := list(rows))
    return _as(file, replace(sheet, cells=[sheet.cells[0], *rows]), same=True, refusable=False)


def columns_shuffled(file: Valid, rng: random.Random) -> Changed:
    sheet: Sheet = file.source
    order = list(range(len(sheet.cells[0])))
    rng.shuffle(order)
    return _as(file, replace(sheet, cells=[[row[place] for place in order] for row in sheet.cells]), same=True)


def written_otherwise(file: Valid, rng: random.Random) -> Changed:
    """Another file format, quotes, line ends, a mark at the beginning, blank lines, spaces around cells."""
    sheet: Sheet = replace(file.source, form=rng.choice(FORMS), decimal=".")
    if not sheet.is_text:
        return _as(file, sheet, same=True, refusable=False)
    way = rng.randrange(6)
    changes = {"quoting": csv.QUOTE_ALL} if way == 0 else {}
    cells = [[f" {cell} " if way == 1 and cell else cell for cell in row] for row in sheet.cells]
    content = replace(sheet, cells=cells, form=sheet.form.removesuffix(".gz")).write(**changes)
    if way == 2:
        content = content.replace(b"\n", b"\r\n")
    if way == 3:
        content = b"\xef\xbb\xbf" + content
    if way == 4:
        place = content.index(b"\n", rng.randrange(len(content) - 1)) + 1
        content = content[:place] + b"\n" + content[place:]
    if way == 5:
        content = content.removesuffix(b"\n")
    content = gzip.compress(content, mtime=0) if sheet.form.endswith(".gz") else content
    return Changed(file.name.partition(".")[0] + sheet.form, content, same=True, refusable=False)


ALIASES = {
    "model": ("Model", "model_name", "MODEL "),
    "n_params": ("N", "params", "Model Size", "num_params", "N_PARAMS"),
    "n_tokens": ("D", "Training Tokens", "tokens"),
    "train_flops": ("C", "FLOPs", "compute"),
    "task": ("Task", "benchmark", "dataset"),
    "metric": ("Metric", "metric name"),
    "value": ("Value", "result"),
    "n_items": ("n items", "num_samples", "N-Items"),
    "chance": ("Chance", "random baseline"),
    "stderr": ("std err", "SE"),
    "date": ("Date", "release date"),
    "seed": ("Seed",),
    "step": ("Step", "global_step"),
}


def other_names(file: Valid, rng: random.Random) -> Changed:
    sheet: Sheet = file.source
    head = [rng.choice((name, *ALIASES.get(name, ()))) for name in sheet.cells[0]]
    return _as(file, replace(sheet, cells=[head, *sheet.cells[1:]]), same=True, refusable=False)


def another_column(file: Valid, rng: random.Random) -> Changed:
    sheet: Sheet = file.source
    cells = [
        [*row, "organisation" if index == 0 else rng.choice(("us", "them"))] for index, row in enumerate(sheet.cells)
    ]
    return _as(file, replace(sheet, cells=cells), same=True)


def sizes_with_units(file: Valid, rng: random.Random) -> Changed:
    """Billions, stated in the name or in each cell."""
    sheet: Sheet = file.source
    in_name = rng.random() < 0.5

    def change(cell: str) -> str:
        return f"{float(cell) / 1e9:.10g}{'' if in_name else 'B'}" if cell else cell

    return _column(
        file, sheet, "n_params", change, "n_params_b" if in_name else "n_params", rows=None, same=True, refusable=False
    )


def shares_as_percent(file: Valid, rng: random.Random) -> Changed:
    sheet: Sheet = file.source
    percent = _column(file, sheet, "value", lambda cell: f"{float(cell) * 100:.10g}%", "value", rows=None, same=True)
    return percent if "loss" not in str(sheet.cells) and "bpb" not in str(sheet.cells) else replace(percent, same=False)


# ---- damage ----------------------------------------------------------------------------------------------------------


def a_letter_of_a_name(file: Valid, rng: random.Random) -> Changed:
    sheet: Sheet = file.source
    head = list(sheet.cells[0])
    place = rng.randrange(len(head))
    name = head[place]
    at = rng.randrange(len(name))
    head[place] = rng.choice(
        (
            name[:at] + name[at + 1 :],
            name[:at] + name[at] + name[at:],
            name[:at] + rng.choice(string.ascii_lowercase) + name[at + 1 :],
            name[:at] + name[at + 1 : at + 2] + name[at] + name[at + 2 :],
        )
    )
    # A task's or model's name in a wide table is another name, and so is a metric's.
    free = name not in ALIASES
    return _as(file, replace(sheet, cells=[head, *sheet.cells[1:]]), free=free)


def in_other_units(file: Valid, rng: random.Random) -> Changed:
    sheet: Sheet = file.source
    column = rng.choice(
        [name for name in ("n_params", "params", "N", "n_tokens", "D") if name in sheet.cells[0]] or ["none"]
    )
    return _column(file, sheet, column, lambda cell: f"{float(cell) / 1e9:.10g}", column, rows=None)


def percent_unsaid(file: Valid, rng: random.Random) -> Changed:
    sheet: Sheet = file.source
    losses = any(word in str(sheet.cells) for word in ("loss", "bpb"))
    return _column(file, sheet, "value", lambda cell: f"{float(cell) * 100:.10g}", "value", rows=None, free=losses)


ODD = (
    "NaN",
    "nan",
    "N/A",
    "-",
    "null",
    "None",
    "inf",
    "-inf",
    "1e400",
    "1" * 400,
    "one",
    "0,5,1",
    "--1",
    "1e",
    "#REF!",
    "1_000",
)
ODD += ("7 apples", "0x10", "True", "x" * 5000, "[1, 2]", "1.2.3", "−1", "50 %%", "5B%", "\u200b", "'0.5'", "$3")


def an_odd_cell(file: Valid, rng: random.Random) -> Changed:
    sheet: Sheet = file.source
    row, place = rng.randrange(1, len(sheet.cells)), rng.randrange(len(sheet.cells[0]))
    name = sheet.cells[0][place]
    # In a column of numbers Parquet keeps NaN as an empty cell, which is no odd one.
    odd = [cell for cell in ODD if sheet.form != ".parquet" or cell.lower() != "nan"]
    return _cell(file, sheet, row, place, rng.choice(odd), free=name in TEXTS or name in ("seed", "is_final"))


def a_number_out_of_range(file: Valid, rng: random.Random) -> Changed:
    sheet: Sheet = file.source
    places = [
        place
        for place, name in enumerate(sheet.cells[0])
        if name in ("value", "stderr", "n_items", "chance", "n_params")
    ]
    if not places:
        return an_odd_cell(file, rng)
    place = rng.choice(places)
    bad = {"value": ("-0.5", "-1"), "stderr": ("-1", "0.7"), "n_items": ("2.5", "0", "-3"), "chance": ("1", "25", "-1")}
    cell = rng.choice(bad.get(sheet.cells[0][place], ("0", "-5", "7", "99.5")))
    losses = any(word in str(sheet.cells) for word in ("loss", "bpb"))
    return _cell(file, sheet, rng.randrange(1, len(sheet.cells)), place, cell, free=losses and cell == "0.7")


def an_empty_cell(file: Valid, rng: random.Random) -> Changed:
    sheet: Sheet = file.source
    row, place = rng.randrange(1, len(sheet.cells)), rng.randrange(len(sheet.cells[0]))
    name = sheet.cells[0][place]
    known = {"N": "n_params", "D": "n_tokens", "tokens_T": "n_tokens", "acc_stderr": "stderr"}.get(name, name)
    unknown = tuple({known, "train_flops", "n_tokens"} if known in ("n_params", "n_tokens", "N", "D") else {known})
    return _cell(
        file, sheet, row, place, "", unknown=unknown, free=name in ("is_final", "step", "seed", "corpus", "ladder")
    )


def a_row_of_another_width(file: Valid, rng: random.Random) -> Changed:
    sheet: Sheet = file.source
    if not sheet.is_text:
        return an_odd_cell(file, rng)
    cells = [list(row) for row in sheet.cells]
    row = cells[rng.randrange(1, len(cells))]
    if rng.random() < 0.5:
        row.pop(rng.randrange(len(row)))
    else:
        row.insert(rng.randrange(len(row)), rng.choice(("", "0.5", "x")))
    return _as(file, replace(sheet, cells=cells))


def a_row_twice(file: Valid, rng: random.Random) -> Changed:
    sheet: Sheet = file.source
    row = rng.choice(sheet.cells[1:])
    curve = "model" not in sheet.cells[0] and "benchmark" not in sheet.cells[0]
    return _as(file, replace(sheet, cells=[*sheet.cells, row]), free=curve)


def a_model_with_two_sizes(file: Valid, rng: random.Random) -> Changed:
    sheet: Sheet = file.source
    if "n_params" not in sheet.cells[0] or "task" not in sheet.cells[0]:
        return a_row_twice(file, rng)
    row = list(rng.choice(sheet.cells[1:]))
    row[sheet.cells[0].index("n_params")] = "123456789"
    row[sheet.cells[0].index("task")] = "another"
    return _as(file, replace(sheet, cells=[*sheet.cells, row]))


def a_column_less(file: Valid, rng: random.Random) -> Changed:
    sheet: Sheet = file.source
    place = rng.randrange(len(sheet.cells[0]))
    name = sheet.cells[0][place]
    cells = [row[:place] + row[place + 1 :] for row in sheet.cells]
    needed = name in ("model", "task", "metric", "value", "n_params")
    unknown = ("n_params", "n_tokens") if "train_flops" in sheet.cells[0] and name == "n_params" else ()
    return _as(file, replace(sheet, cells=cells), free=not needed or len(file.source.cells[0]) < 6, unknown=unknown)


def a_column_twice(file: Valid, rng: random.Random) -> Changed:
    sheet: Sheet = file.source
    if sheet.form == ".parquet":
        return an_odd_cell(file, rng)
    place = rng.randrange(len(sheet.cells[0]))
    alias = rng.choice((sheet.cells[0][place], *ALIASES.get(sheet.cells[0][place], ())))
    cells = [[*row, alias if index == 0 else row[place]] for index, row in enumerate(sheet.cells)]
    if sheet.form.startswith(".jsonl"):
        return an_odd_cell(file, rng)
    return _as(file, replace(sheet, cells=cells))


def an_unknown_metric(file: Valid, rng: random.Random) -> Changed:
    sheet: Sheet = file.source
    return _column(file, sheet, "metric", lambda _: "wibble", "metric", rows=None)


def bytes_changed(file: Valid, rng: random.Random) -> Changed:
    content = bytearray(file.content)
    way = rng.randrange(4)
    at = rng.randrange(len(content))
    if way == 0:
        content = content[:at]
    elif way == 1:
        content[at] = rng.randrange(256)
    elif way == 2:
        del content[at : at + rng.randrange(1, 30)]
    else:
        content[at:at] = rng.choice(
            (b"\0", b'"', b"\n", b"\r", b",", b"\xff", b";", b"\t", b"'", b'""', b"\xe2\x80\xae")
        )
    return Changed(file.name, bytes(content), free=True)


def _as(file: Valid, sheet: Sheet, **effect: object) -> Changed:
    return Changed(file.name.partition(".")[0] + sheet.form, sheet.write(), **effect)  # type: ignore[arg-type]


def _cell(file: Valid, sheet: Sheet, row: int, place: int, cell: str, **effect: object) -> Changed:
    cells = [list(each) for each in sheet.cells]
    cells[row][place] = cell
    return _as(file, replace(sheet, cells=cells), **effect)


def _column(
    file: Valid,
    sheet: Sheet,
    name: str,
    change: Callable[[str], str],
    called: str,
    rows: slice | None,
    **effect: object,
) -> Changed:
    """A column's cells changed; the file as it is, where it has no such column."""
    if name not in sheet.cells[0]:
        return _as(file, sheet, **effect)
    place = sheet.cells[0].index(name)
    cells = [
        [*row[:place], called if index == 0 else change(row[place]), *row[place + 1 :]]
        for index, row in enumerate(sheet.cells)
    ]
    return _as(file, replace(sheet, cells=cells), **effect)


FORMS = (".csv", ".tsv", ".txt", ".csv.gz", ".jsonl", ".jsonl.gz", ".parquet")
SAME = (
    rows_shuffled,
    columns_shuffled,
    written_otherwise,
    other_names,
    another_column,
    sizes_with_units,
    shares_as_percent,
)
DAMAGE = (
    *(
        a_letter_of_a_name,
        in_other_units,
        percent_unsaid,
        an_odd_cell,
        an_odd_cell,
        a_number_out_of_range,
        an_empty_cell,
    ),
    *(a_row_of_another_width, a_row_twice, a_model_with_two_sizes, a_column_less, a_column_twice, an_unknown_metric),
    bytes_changed,
)


def tables() -> list[Valid]:
    """Valid tables: each kind in several forms."""
    kinds: list[tuple[str, Callable[[], Grid], Callable[[Path], pd.DataFrame]]] = [
        ("tidy", _tidy, read_points),
        ("steps", _steps, read_points),
        ("curve", _curve, read_curves),
        ("wide", _wide, read_points),
        ("tasks", _wide_tasks, read_points),
        ("dated", _dated, read_points),
        ("metrics", _metrics, read_points),
        ("units", _units, read_points),
        ("flops", _flops, read_points),
    ]
    found = []
    for number, (name, cells, read) in enumerate(kinds):
        for form in [FORMS[(number + step) % len(FORMS)] for step in (0, 1, 3, 5)]:
            sheet = Sheet(cells(), form, "," if form == ".txt" and number % 2 else ".")
            found.append(Valid(f"{name}{form}", sheet.write(), read, (*SAME, *DAMAGE), sheet))
    return found
