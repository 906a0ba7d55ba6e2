"""The `tasklaws` command: each function reads, calls a verb of the library, writes and prints.

Everything heavy is imported inside the functions, so that `tasklaws --help` needs none of it.
"""

import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

import tasklaws as tl
from tasklaws.core import errors, script
from tasklaws.core.errors import TasklawsError
from tasklaws.laws.status import LossFunction

if TYPE_CHECKING:
    from tasklaws.cells.states import Survey

app = typer.Typer(
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def _directory(out: Path | None) -> Path | None:
    from tasklaws.core.files import refuse_file

    if out is not None:
        refuse_file(out)
    return out


def _file(path: Path | None) -> Path | None:
    from tasklaws.core.files import refuse_device

    if path is not None:
        refuse_device(path)
    return path


def _picture(path: Path | None) -> Path | None:
    if path is not None and path.suffix.lower() not in PICTURES:
        raise TasklawsError(f"--picture {path}: the name must end in {', '.join(PICTURES)}")
    return _file(path)


def _positional(name: str, text: str) -> Any:
    return typer.Argument(metavar=name, help=text)


def _option(text: str, name: str | None = None) -> Any:
    return typer.Option(metavar=name, help=text)


Out = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Directory to write to; without it nothing is written.", callback=_directory),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON alone on stdout.")]
BestRun = Annotated[bool, typer.Option("--best-run", help="Of runs with the same inputs, use the best alone.")]
Seed = Annotated[int, _option("Of the bootstrap.")]
Replicates = Annotated[int, _option("Bootstrap refits.")]
LOSS_FUNCTION = typer.Option(
    help="Of the logarithms of losses: one_sided lets runs worse than the law count 0.3, as undertuned."
)
Last = Annotated[int, _option("Models to hold out.", "K")]
LayoutOption = Annotated[
    Literal["tidy", "wide", "wide-tasks"] | None,
    typer.Option("--layout", help="A row a result, a model, or a task (default: told from the columns)."),
]
Units = Annotated[
    list[str] | None,
    typer.Option("--units", metavar="COLUMN=UNIT,...", help="In what a column is: n_params=1e9, value=percent."),
]
Direction = Annotated[
    list[str] | None,
    typer.Option("--direction", metavar="METRIC=up|down,...", help="Whether more of a metric is better, or less."),
]
Axis = Annotated[
    Literal["size", "n_tokens", "step", "date", "loss"] | None,
    typer.Option(
        help="What places the models; n_tokens and step: later checkpoints of each run (default: size, or date)."
    ),
]
Metric = Annotated[str | None, _option("One metric (default: all scores, or all losses if there is no score).")]
Tasks = Annotated[str, _option("Names, separated by commas (default: all).")]
CellOverrides = Annotated[
    list[str] | None,
    typer.Argument(metavar="[KEY=VALUE]...", help="Hydra overrides, as of compose; without any, params.yaml."),
]
Groups = Literal["subtasks", "groups", "all"]
Topic = Literal["families", "laws", "ladders", "methods", "metrics", "tables"]
PICTURES = (".svg", ".png", ".pdf")


def command(name: str, example: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Register a function as a command whose help ends in an example."""
    return app.command(name, epilog=f"Example: {example}")


def print_version(wanted: bool) -> None:
    if wanted:
        print(f"tasklaws {tl.__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Task-based scaling laws: forecast what the next model can do, then check."""


@command("fit", "tasklaws fit points.csv --law logistic --task addition_direct --metric exact_match")
def fit_one_law(
    table: Annotated[Path, _positional("TABLE", "CSV: value, or loss, and n_params, n_tokens ...")],
    law: Annotated[str, _option("The law: `tasklaws ls laws` lists them.", "NAME")],
    metric: Annotated[str | None, _option("The metric to fit, where the table has several.")] = None,
    task: Annotated[str | None, _option("The task to fit, where the table has several.")] = None,
    axis: Annotated[
        str | None,
        _option("Of a law of one input: train_flops, n_params or n_tokens (default: the first that all have)."),
    ] = None,
    best_run: BestRun = False,
    loss_function: Annotated[LossFunction, LOSS_FUNCTION] = "huber",
    seed: Seed = 0,
    replicates: Replicates = 200,
    picture: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Draw points and law here: .svg, .png or .pdf.", callback=_picture),
    ] = None,
    layout: LayoutOption = None,
    units: Units = None,
    direction: Direction = None,
    json_: Json = False,
) -> None:
    """Fit one law to one task and metric, and report it.

    The JSON is what `tasklaws plan --fit` takes.
    """
    from tasklaws.tabular.points import read_curves

    read = reading(read_curves, table, layout, units, direction)
    found = tl.fit(
        read,
        law,
        metric=metric,
        task=task,
        axis=axis,
        best_run=best_run,
        loss_function=loss_function,
        seed=seed,
        replicates=replicates,
    )
    if picture is not None:
        from tasklaws.plotting import save_result

        save_result(found, picture)
        print(f"picture: {picture}", file=sys.stderr)
    answer(with_notes(found.to_dict(), read), found.summary(), json_)


@command("isoflop", "tasklaws isoflop runs.csv --out isoflop")
def compare_approaches(
    table: Annotated[Path, _positional("TABLE", "CSV: loss, n_params, and train_flops or n_tokens.")],
    out: Out = None,
    metric: Annotated[str | None, _option("The loss, where the table has several.")] = None,
    task: Annotated[str | None, _option("The task, where the table has several.")] = None,
    best_run: BestRun = False,
    loss_function: Annotated[LossFunction, LOSS_FUNCTION] = "huber",
    seed: Seed = 0,
    replicates: Replicates = 200,
    layout: LayoutOption = None,
    units: Units = None,
    direction: Direction = None,
    json_: Json = False,
) -> None:
    """Find the best size and tokens of each budget, three ways.

    By the best runs, by isoFLOP profiles, and by the fitted surface. Writes budgets.csv, frontiers.csv, summary.json
    and isoflop.svg (docs/fitting.md).
    """
    from tasklaws.core.files import write_json
    from tasklaws.tables import ISOFLOP_BUDGETS, ISOFLOP_FRONTIERS
    from tasklaws.tabular.points import read_curves

    read = reading(read_curves, table, layout, units, direction)
    found = tl.isoflop(
        read,
        metric=metric,
        task=task,
        best_run=best_run,
        loss_function=loss_function,
        seed=seed,
        replicates=replicates,
    )
    with writing(out) as directory:
        if directory is not None:
            from tasklaws.plotting import house_style, save

            ISOFLOP_BUDGETS.write(directory / "budgets.csv", found.budgets)
            ISOFLOP_FRONTIERS.write(directory / "frontiers.csv", found.frontiers)
            write_json(directory / "summary.json", found.to_dict())
            with house_style():
                save(found.figure(), directory / "isoflop.svg")
    value = with_notes(found.to_dict(), read)
    answer(value, found.summary(), json_, out, "budgets.csv, frontiers.csv, summary.json, isoflop.svg")


@command("plan", "tasklaws plan --params 1.82 482 2085 0.348 0.366 --flops 1e21")
def plan_model(
    fit: Annotated[Path | None, _option("What `tasklaws fit --law chinchilla --json` printed.", "JSON")] = None,
    params: Annotated[
        tuple[float, float, float, float, float] | None,
        _option("The law's five numbers.", "E A B ALPHA BETA"),
    ] = None,
    flops: Annotated[float | None, _option("The budget: training, and serving where served.")] = None,
    loss: Annotated[float | None, _option("The loss to reach as cheaply as can be.")] = None,
    served: Annotated[float, _option("Tokens to be served over its life.", "TOKENS")] = 0.0,
    json_: Json = False,
) -> None:
    """Find the best n_params and n_tokens for a budget or a loss.

    The cost is that of training, and of serving where tokens are served.
    """
    from tasklaws.laws.planning import read_law

    if (fit is None) == (params is None):
        raise TasklawsError("give either --fit JSON or --params E A B ALPHA BETA: which law is to be planned by?")
    if (flops is None) == (loss is None):
        raise TasklawsError("give either --flops or --loss: what is the model to cost, or to reach?")
    law = read_law(fit) if fit is not None else tl.Surface(*params or ())
    found = tl.plan(law, flops, loss=loss, served=served)
    answer(found.to_dict(), found.summary(), json_)


@command("backtest", "tasklaws backtest points.csv --rolling 1 --metric exact_match --out backtest")
def backtest_table(
    table: Annotated[Path, _positional("TABLE", "CSV of results: ladder, model, sizes, task, metric, value ...")],
    out: Out = None,
    fit: Annotated[
        str | None, _option("Rows to learn from, a query over the columns (docs/tables.md).", "QUERY")
    ] = None,
    holdout: Annotated[str | None, _option("Rows to forecast.", "QUERY")] = None,
    rolling: Annotated[int | None, _option("Instead: from each origin, forecast the next K models.", "K")] = None,
    min_rungs: Annotated[int, _option("Models known at the first origin.", "M")] = 4,
    metric: Metric = None,
    tasks: Tasks = "",
    axis: Axis = None,
    since: Annotated[
        str | None, _option("With --rolling, by date: forecast the models of this day or later alone.", "DATE")
    ] = None,
    reveal: Annotated[int, _option("So many of each wanted model's scores are given, drawn by --seed.", "K")] = 0,
    seed: Annotated[int, _option("Of what --reveal draws.")] = 0,
    layout: LayoutOption = None,
    units: Units = None,
    direction: Direction = None,
    json_: Json = False,
) -> None:
    """Forecast held-out models of a table, and compare.

    The forecasts stand beside what the models did and what every baseline says. Writes forecasts.csv, methods.csv,
    summary.json and figures.
    """
    from tasklaws.core.files import write_json
    from tasklaws.forecast import figures
    from tasklaws.tables import BACKTEST_FORECASTS, BACKTEST_METHODS

    read = reading(tl.read_points, table, layout, units, direction, planned=True)
    found = tl.backtest(
        read,
        rolling=rolling,
        min_rungs=min_rungs,
        fit=fit,
        holdout=holdout,
        metric=metric,
        tasks=names_of(tasks),
        axis=axis,
        since=since,
        reveal=reveal,
        seed=seed,
    )
    with writing(out) as directory:
        if directory is not None:
            BACKTEST_FORECASTS.write(directory / "forecasts.csv", found.forecasts)
            BACKTEST_METHODS.write(directory / "methods.csv", found.methods)
            figures.draw_figures(directory / "figures", found.forecasts, found.methods)
            write_json(directory / "summary.json", found.to_dict())
    text = "forecasts.csv, methods.csv, summary.json, figures"
    answer(with_notes(found.to_dict(), read), found.summary(), json_, out, text)


@command("design", "tasklaws design pilot.csv --target n_params=7e9,n_tokens=2e12 --out design")
def design_ladder(
    table: Annotated[Path, _positional("PILOT", "CSV of results, as `tasklaws backtest` takes it.")],
    target: Annotated[str, _option("The planned model.", "n_params=N,n_tokens=D")],
    out: Out = None,
    metric: Metric = None,
    tasks: Tasks = "",
    ladder: Annotated[str | None, _option("The ladder, where the table has several.", "NAME")] = None,
    tokens_per_item: Annotated[float, _option("What an item takes to be asked.", "TOKENS")] = 500.0,
    budget: Annotated[float | None, _option("Also say what so many FLOPs buy, one action after the other.")] = None,
    seed: Annotated[int, _option("Of the draws.")] = 0,
    layout: LayoutOption = None,
    units: Units = None,
    direction: Direction = None,
    json_: Json = False,
) -> None:
    """Say which rung, seed or items to run or ask next.

    Ranked by how much each narrows the 90% intervals at a planned model for its FLOPs. Writes design.csv,
    design_tasks.csv, summary.json and design.svg (docs/forecasting.md).
    """
    from tasklaws.core.files import write_json
    from tasklaws.forecast.designs.pilot import parse_sizes
    from tasklaws.tables import DESIGN, DESIGN_TASKS

    sizes = parse_sizes(target)
    read = reading(tl.read_points, table, layout, units, direction, planned=True)
    found = tl.design(
        read,
        sizes,
        metric=metric,
        tasks=names_of(tasks),
        ladder=ladder,
        tokens_per_item=tokens_per_item,
        budget=budget,
        seed=seed,
    )
    with writing(out) as directory:
        if directory is not None:
            from tasklaws.plotting import house_style, panel, save

            DESIGN.write(directory / "design.csv", found.table)
            DESIGN_TASKS.write(directory / "design_tasks.csv", found.tasks)
            write_json(directory / "summary.json", found.to_dict())
            with house_style():
                figure, axes = panel("What narrows the interval at the target")
                found.plot(axes)
                save(figure, directory / "design.svg")
    text = "design.csv, design_tasks.csv, summary.json, design.svg"
    answer(with_notes(found.to_dict(), read), found.summary(), json_, out, text)


@command("forecast", "tasklaws forecast points.csv --at n_params=7e9,n_tokens=2e12 --exceeds 0.5 --out forecast")
def forecast_table(
    table: Annotated[
        Path, _positional("TABLE", "CSV of results, as backtest takes it; models without any value are planned ones.")
    ],
    at: Annotated[
        list[str] | None,
        _option(
            "A model that nobody ran: n_params, n_tokens, train_flops, date, step or loss, perhaps model (its name), "
            "maker and ladder; or a CSV with a row a model. May be repeated.",
            "KEY=VALUE,...",
        ),
    ] = None,
    out: Out = None,
    axis: Axis = None,
    exceeds: Annotated[float | None, _option("Give the probability of passing this score.", "SCORE")] = None,
    given: Annotated[
        Path | None, _option("Scores of the planned model that are known: task, value (and model, metric).", "CSV")
    ] = None,
    metric: Metric = None,
    tasks: Tasks = "",
    layout: LayoutOption = None,
    units: Units = None,
    direction: Direction = None,
    json_: Json = False,
) -> None:
    """Forecast models that nobody ran, on every task.

    Each forecast has a 90% interval, an expected error, a verdict and its evidence, and says what would narrow it most.
    Writes forecasts.csv, methods.csv, summary.json, figures and index.html, a page in one file (docs/forecasting.md).
    """
    from tasklaws.core.files import write_json, write_text
    from tasklaws.forecast.ahead.planned import read_at
    from tasklaws.forecast.given import read_given
    from tasklaws.tables import AHEAD_FORECASTS, AHEAD_METHODS

    planned = read_at(at) if at else None
    scores = None if given is None else read_given(given)
    read = reading(tl.read_points, table, layout, units, direction, planned=True)
    found = tl.forecast(read, planned, axis=axis, exceeds=exceeds, given=scores, metric=metric, tasks=names_of(tasks))
    with writing(out) as directory:
        if directory is not None:
            from tasklaws.forecast.ahead.figures import figures
            from tasklaws.plotting import house_style, save
            from tasklaws.report.ahead import ahead_page

            AHEAD_FORECASTS.write(directory / "forecasts.csv", AHEAD_FORECASTS.pick(found.forecasts))
            AHEAD_METHODS.write(directory / "methods.csv", found.methods)
            svgs = {}
            with house_style():
                for name, figure in figures(found).items():
                    save(figure, directory / f"figures/{name}.svg")
                    svgs[name] = (directory / f"figures/{name}.svg").read_text(encoding="utf-8")
            write_text(directory / "index.html", ahead_page(found, svgs))
            write_json(directory / "summary.json", found.to_dict())
    text = "forecasts.csv, methods.csv, summary.json, figures, index.html"
    answer(with_notes(found.to_dict(), read), found.summary(), json_, out, text)


@command("claim", "tasklaws claim points.csv --at model=next,n_params=7e9,n_tokens=2e12 --out claim.json")
def write_claim(
    table: Annotated[
        Path, _positional("TABLE", "CSV of results, as forecast takes it; or one that forecast wrote, with --known.")
    ],
    at: Annotated[list[str] | None, _option("A model that nobody ran, as forecast takes it.", "KEY=VALUE,...")] = None,
    known: Annotated[
        list[Path] | None, _option("Further results; those that a table of forecasts rests on. May be repeated.", "CSV")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the claim here: a .json to publish.", callback=_file)
    ] = None,
    outcomes: Annotated[str | None, _option("Where the outcomes will come from, and who may judge.", "TEXT")] = None,
    axis: Axis = None,
    metric: Metric = None,
    tasks: Tasks = "",
    layout: LayoutOption = None,
    units: Units = None,
    direction: Direction = None,
    json_: Json = False,
) -> None:
    """Claim what models will score that nobody ran, in a file that others can check.

    The claim states each forecast and interval, the rule by which it passes, and the digests of data and code. Publish
    it before the models exist; `tasklaws check` judges it (docs/claims.md). A table that holds an outcome is refused.
    """
    from tasklaws.claims.verb import claim_table

    def read(path: Path) -> Any:
        return reading(tl.read_points, path, layout, units, direction, planned=True)

    folder = Path() if out is None else out.parent
    chosen: dict[str, Any] = {"axis": axis, "metric": metric, "tasks": names_of(tasks)}
    chosen |= {} if outcomes is None else {"outcomes": outcomes}
    found = claim_table(table, at or [], known or [], read, folder, **chosen)
    if out is not None:
        found.write(out)
    answer(found.to_dict(), found.summary(), json_, out)


@command("check", "tasklaws check claim.json outcomes.csv")
def check_claim(
    claim: Annotated[Path, _positional("CLAIM", "A file that `tasklaws claim` wrote.")],
    results: Annotated[Path, _positional("RESULTS", "CSV of results that holds the outcomes; no size is needed.")],
    model: Annotated[str | None, _option("The model of RESULTS that is meant, where names differ.", "NAME")] = None,
    layout: LayoutOption = None,
    units: Units = None,
    direction: Direction = None,
    json_: Json = False,
) -> None:
    """Say whether a claim came true: PASS, FAIL, INCOMPLETE or TAMPERED.

    Exits with 0 where it passes, 1 where it fails, 3 where a byte is not what was written, 4 where outcomes are missing
    and 2 where a file is no claim or cannot be read.
    """
    from tasklaws.claims.check import STATUS
    from tasklaws.tabular.names import parse_directions, parse_units

    factors, ways = parse_units(units or []), parse_directions(direction or [])
    try:
        found = tl.check(claim, results, model=model, layout=layout, units=factors, directions=ways)
    except TasklawsError as error:
        errors.fail(str(error), 2)  # 1 says that the claim failed
    answer(found.to_dict(), found.summary(), json_)
    if STATUS[found.verdict]:
        raise typer.Exit(STATUS[found.verdict])


@command("difficulty", "tasklaws difficulty items.csv --last 6 --out difficulty")
def predict_difficulty(
    table: Annotated[
        Path,
        _positional("TABLE", "Scores: model, date or n_params, task, score, and what is known of the tasks."),
    ],
    out: Out = None,
    last: Last = 6,
    records: Annotated[
        bool, typer.Option("--records", help="Of the models whose mean score reaches that of all before, the last K.")
    ] = False,
    json_: Json = False,
) -> None:
    """Predict which items each of the last models solves.

    From all earlier models, by item response and what is known of the items. Writes predictions.csv, difficulties.csv
    (90% intervals, and which items look bad) and summary.json (docs/difficulty.md).
    """
    from tasklaws.core.files import write_json
    from tasklaws.tables import DIFFICULTIES, ITEM_PREDICTIONS

    found = tl.predict_items(item_scores(table), last, records=records)
    with writing(out) as directory:
        if directory is not None:
            ITEM_PREDICTIONS.write(directory / "predictions.csv", found.predictions)
            DIFFICULTIES.write(directory / "difficulties.csv", found.difficulties)
            write_json(directory / "summary.json", found.to_dict())
    answer(found.to_dict(), found.summary(), json_, out, "predictions.csv, difficulties.csv, summary.json")


@command("orders", "tasklaws orders items.csv --last 6 --out orders")
def compare_orders(
    table: Annotated[Path, _positional("TABLE", "As `tasklaws difficulty` takes it (docs/difficulty.md).")],
    out: Out = None,
    last: Last = 6,
    json_: Json = False,
) -> None:
    """Say which order of difficulty foretells models best.

    The orders are people's time, their solve rate, required steps and item response. Writes orders.csv, agreement.csv
    (90% intervals) and orders.svg (docs/difficulty.md).
    """
    from tasklaws.frames.csv_files import records
    from tasklaws.items.orders import draw_orders, order_agreement, orders_report, score_orders
    from tasklaws.plotting import house_style, save
    from tasklaws.tables import ORDER_AGREEMENT, ORDERS

    items = item_scores(table)
    compared, agreed = score_orders(items, last), order_agreement(items)
    with writing(out) as directory, house_style():
        if directory is not None:
            ORDERS.write(directory / "orders.csv", compared)
            ORDER_AGREEMENT.write(directory / "agreement.csv", agreed)
            save(draw_orders(compared), directory / "orders.svg")
    tell(items.notes)
    found = {"orders": records(compared), "agreement": records(agreed), "notes": list(items.notes)}
    answer(found, orders_report(compared), json_, out, "orders.csv, agreement.csv, orders.svg")


@command("compare", "tasklaws compare items.csv --models A,B")
def compare_models(
    table: Annotated[
        Path, _positional("TABLE", "CSV: model, item (or task), score, and attempt, family ... if known.")
    ],
    models: Annotated[str | None, _option("Two names, or more to be ranked (default: all).", "A,B,...")] = None,
    clusters: Annotated[
        str | None,
        _option("Column whose items hang together (default: the first of cluster, family, template).", "COLUMN"),
    ] = None,
    level: Annotated[float, _option("Level of the interval.")] = 0.9,
    out: Out = None,
    json_: Json = False,
) -> None:
    """Say which model is better on the same items.

    Of two: the difference, its interval and p, and what these items could have shown. Of more: a ranking, with groups
    that cannot be told apart. Writes summary.json, and ranking.csv and pairs.csv of more than two (docs/decisions.md).
    """
    from tasklaws.core.files import write_json
    from tasklaws.decisions.scores import read_model_scores
    from tasklaws.tables import COMPARED_PAIRS, RANKING

    found = tl.compare(read_model_scores(table), models.split(",") if models else None, clusters=clusters, level=level)
    with writing(out) as directory:
        if directory is not None:
            write_json(directory / "summary.json", found.to_dict())
            if isinstance(found, tl.Ranking):
                RANKING.write(directory / "ranking.csv", found.table)
                COMPARED_PAIRS.write(directory / "pairs.csv", found.pairs)
    written = "summary.json, ranking.csv, pairs.csv" if isinstance(found, tl.Ranking) else "summary.json"
    answer(found.to_dict(), found.summary(), json_, out, written)


@command("decide", "tasklaws decide points.csv --metric acc --out decide")
def decide_between_recipes(
    table: Annotated[
        Path, _positional("TABLE", "CSV of results: recipe (or ladder), model, n_params, task, metric, value ...")
    ],
    small: Annotated[
        str | None, _option("Small models, a query over the columns (default: every size).", "QUERY")
    ] = None,
    large: Annotated[str | None, _option("Large models (default: the largest size).", "QUERY")] = None,
    metric: Annotated[str | None, _option("One metric (default: each by itself).")] = None,
    out: Out = None,
    json_: Json = False,
) -> None:
    """Say whether small models tell which recipe is better.

    How often they order two recipes as large models do, and, where the table has checkpoints, how far models lie apart
    over the noise of their last ones. Writes decision_accuracy.csv, pooled.csv, signal_to_noise.csv and summary.json
    (docs/decisions.md).
    """
    from tasklaws.core.files import write_json
    from tasklaws.tables import DECISION_ACCURACY, POOLED_DECISIONS, SIGNAL_TO_NOISE

    try:
        read = tl.read_points(table, planned=True)
    except TasklawsError as error:
        if "--" not in str(error):
            raise
        raise TasklawsError(f"{error}; these are options of `tasklaws import`, whose table decide takes") from error
    found = tl.decision_accuracy(read, small, large, metric=metric)
    try:
        noise = tl.signal_to_noise(read, small, metric=metric)
        of_noise, text = noise.to_dict(), noise.summary()
    except TasklawsError as error:  # most tables have no checkpoints
        noise, of_noise, text = None, {"tasks": [], "notes": [str(error)]}, f"signal over noise is unknown: {error}"
    both = {"decision_accuracy": found.to_dict(), "signal_to_noise": of_noise}
    with writing(out) as directory:
        if directory is not None:
            DECISION_ACCURACY.write(directory / "decision_accuracy.csv", found.tasks)
            POOLED_DECISIONS.write(directory / "pooled.csv", found.pooled)
            if noise is not None:
                SIGNAL_TO_NOISE.write(directory / "signal_to_noise.csv", noise.table)
            write_json(directory / "summary.json", both)
    written = ["decision_accuracy.csv", "pooled.csv", *(["signal_to_noise.csv"] if noise else []), "summary.json"]
    answer(both, f"{found.summary()}\n\n{text}", json_, out, ", ".join(written))


@command("humans", "tasklaws humans attempts.csv --out humans")
def estimate_humans(
    attempts: Annotated[Path, _positional("ATTEMPTS", "CSV of attempts (docs/humans.md).")],
    items: Annotated[
        list[Path] | None,
        _option("The items, JSON lines or CSV with `item` or `id` and perhaps `family`: one or more files.", "FILE..."),
    ] = None,
    out: Out = None,
    target: Annotated[str | None, _option("Reweight to it, e.g. python:yes=.1,no=.9.", "GROUP:VALUE=SHARE,...")] = None,
    interval: Annotated[float, _option("Level of the intervals.")] = 0.9,
    json_: Json = False,
) -> None:
    """Estimate solve rates and times from people's attempts at anybody's items.

    Without items, those attempted are one family. Writes items.csv (a row an item) and groups.csv (a row an item and
    value of a group). Columns and formulas: docs/humans.md.
    """
    from tasklaws.humans.estimates import parse_target, read_families

    wanted = None if target is None else parse_target(target)
    families = read_families(items) if items else None
    found = tl.solve_rates(attempts, families=families, target=wanted, level=interval)
    with writing(out) as directory:
        if directory is not None:
            found.write(directory)
    answer(found.to_dict(), found.summary(), json_, out, "items.csv, groups.csv")


@command("people", "tasklaws people --out people")
def tabulate_people(out: Out = None, json_: Json = False) -> None:
    """Say how many people an estimate needs, by solve rate.

    To attempt an item, and to tell two items apart. Writes people_for_width and people_to_tell_apart, each as .csv and
    .svg (docs/humans.md).
    """
    from tasklaws.frames.csv_files import records
    from tasklaws.humans.sample_size import apart_figure, apart_table, width_figure, width_table
    from tasklaws.plotting import house_style, save
    from tasklaws.tables import PEOPLE_FOR_WIDTH, PEOPLE_TO_TELL_APART

    width, apart = width_table(), apart_table()
    with writing(out) as directory, house_style():
        if directory is not None:
            PEOPLE_FOR_WIDTH.write(directory / "people_for_width.csv", width)
            PEOPLE_TO_TELL_APART.write(directory / "people_to_tell_apart.csv", apart)
            save(width_figure(), directory / "people_for_width.svg")
            save(apart_figure(), directory / "people_to_tell_apart.svg")
    found = {"people_for_width": records(width), "people_to_tell_apart": records(apart)}
    text = "\n\n".join(table.to_string(index=False) for table in (width, apart))
    answer(found, text, json_, out, "people_for_width and people_to_tell_apart, .csv and .svg")


@command("import", "tasklaws import results/ --models models.csv --out points.csv")
def import_results(
    paths: Annotated[list[Path], _positional("PATH...", "A file, or a directory with all below it: one or more.")],
    out: Annotated[
        Path | None,
        typer.Option(metavar="TABLE", help="The table to write, .csv or .csv.gz; without it none is.", callback=_file),
    ] = None,
    models: Annotated[
        Path | None,
        _option(
            "CSV with a row a model: model, and any of ladder, n_params (non-embedding), n_tokens (at the end of "
            "training), train_flops, tokens_per_step.",
            "MODELS",
        ),
    ] = None,
    items: Annotated[
        bool, typer.Option("--items", help="Instead: scores by item, as `tasklaws difficulty` takes them.")
    ] = False,
    metric: Annotated[
        str, _option("Metrics to keep, by commas, or all (default: of readings of the same answers one).", "NAME,...")
    ] = "",
    groups: Annotated[
        Groups, _option("Of a group and its tasks, which to keep: subtasks, groups or all.", "WHICH")
    ] = "subtasks",
    model_name: Annotated[str | None, _option("What the model of all files is called.", "NAME")] = None,
    name_from: Annotated[
        str, _option("Whence models' names come: config, path, or a CSV with file, model and perhaps step.", "WHERE")
    ] = "config",
    latest: Annotated[
        bool, typer.Option("--latest", help="Of two runs with the same result, take the later (default: refuse).")
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Refuse entries that cannot be used (default: leave them out and say so).")
    ] = False,
    layout: LayoutOption = None,
    units: Units = None,
    direction: Direction = None,
    records: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Also write records of Every Eval Ever (schema 0.3.0) here.", callback=_directory
        ),
    ] = None,
    json_: Json = False,
) -> None:
    """Turn other tools' results and tidy tables into one table.

    Those of lm-eval, lighteval, Inspect, Every Eval Ever, METR and py-irt (docs/import.md). At an error nothing is
    written.
    """
    from tasklaws.readers.choose import Choices
    from tasklaws.tabular.names import parse_directions, parse_units

    whence: str | Path = name_from if name_from in ("config", "path") else Path(name_from)
    choices = Choices(
        *(model_name, whence, groups, [name for name in metric.split(",") if name], latest, strict, layout),
        units=parse_units(units or []),
        directions=parse_directions(direction or []),
    )
    if items:
        from tasklaws.readers.samples import read_samples, write_samples

        if records is not None or len(choices.metrics) > 1:
            raise TasklawsError("--items takes one --metric, and no --records: those are of results")
        read = read_samples(paths, models, choices)
        if out is not None:
            write_samples(out, read.table)
        _answer_import(read.table, ("model", "task"), read.notes, read.left_out, json_, out)
        return
    from tasklaws.readers.merge import merge_results
    from tasklaws.tabular.points import write_points

    name = (out or paths[0].absolute()).name.removesuffix(".gz").rpartition(".")
    merged = merge_results(paths, name[0] or name[2], models, out, choices)
    if out is not None:
        write_points(out, merged.table)
    if records is not None:
        from tasklaws.readers.every_eval_ever import write_records
        from tasklaws.readers.files import newest

        write_records(records, merged.table, newest(paths, out), tl.__version__)
    _answer_import(merged.table, ("ladder", "model", "task"), merged.notes, merged.left_out, json_, out)


def _answer_import(
    table: Any, counted: tuple[str, ...], notes: list[str], left_out: list[Any], as_json: bool, out: Path | None
) -> None:
    counts = {column: table[column].nunique() for column in counted}
    shown = ", ".join(f"{count} {column}(s)" for column, count in counts.items())
    value = {"rows": len(table), **counts, "notes": notes, "left_out": [one._asdict() for one in left_out]}
    answer(value, "\n".join([*notes, f"{len(table)} rows, {shown}"]), as_json, out)


@command("sandbox", "tasklaws sandbox program.py --fuel 300000000 --json")
def run_sandboxed(
    file: Annotated[Path, _positional("FILE", "The program.")],
    fuel: Annotated[int, _option("WebAssembly instructions it may take; 1e9 are 0.1 to 0.3 s.")] = 1_000_000_000,
    json_: Json = False,
) -> None:
    """Run one Python program in the sandbox.

    Prints what became of it; a program that fails is an outcome too, so that the exit status is 0.
    """
    from tasklaws.sandbox.runner import MAX_PROGRAM_BYTES, run

    with file.open("rb") as program:  # of a file that does not end no more than is refused
        outcome = run(program.read(MAX_PROGRAM_BYTES + 1).decode("utf-8", "surrogateescape"), fuel)
    error = [f"error   {outcome.error}"] if outcome.error else []
    lines = [f"status  {outcome.status}", f"fuel    {outcome.fuel}", *error, "stdout"]
    answer(outcome.to_dict(), "\n".join([*lines, outcome.stdout.removesuffix("\n")]), json_)


@command("compose", "tasklaws compose models=nano_mini")
def compose_params(
    overrides: Annotated[
        list[str] | None, _positional("[KEY=VALUE]...", "Hydra overrides, e.g. models=nano_mini.")
    ] = None,
) -> None:
    """Write params.yaml from conf/."""
    from tasklaws.compose import compose
    from tasklaws.core.files import write_text
    from tasklaws.core.settings import PARAMS, load

    write_text(PARAMS, compose(overrides or []))
    print("\n".join([f"wrote {PARAMS}", *(f"note: {gap}" for gap in load().gaps())]))


@command("plan-run", "tasklaws plan-run models=pythia_ladder")
def plan_the_run(
    overrides: Annotated[
        list[str] | None, _positional("[KEY=VALUE]...", "Hydra overrides, as of compose: models=pythia_ladder.")
    ] = None,
    rate: Annotated[
        list[str] | None, _option("FLOP/s that a device reaches, in place of a rough one.", "DEVICE=FLOPS")
    ] = None,
    json_: Json = False,
) -> None:
    """Say what a ladder will cost before anything is spent.

    Rungs, cells, items, tokens, disk, memory and time, and what is there already. A rung that does not fit in memory is
    refused with the sum (docs/plan_run.md). Writes nothing.
    """
    os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
    import yaml

    from tasklaws.budget.estimate import plan_run
    from tasklaws.budget.rates import parse_rates
    from tasklaws.compose import compose
    from tasklaws.core.settings import Settings

    given = parse_rates(rate or [])
    found = plan_run(Settings.of(yaml.safe_load(compose(overrides or [])), "composed configuration"), given)
    answer(found.to_dict(), found.summary(), json_)
    if found.refused:
        raise TasklawsError("; ".join(found.refused))


def _send(survey: "Survey", json_: bool) -> None:
    """Send what is missing and say where all stands; that a cell failed is an error, once all else is done or sent."""
    from tasklaws.cells.submit import submit

    found = submit(survey)
    answer(found.to_dict(), found.summary(), json_)
    if failed := [one.name for one in found.cells if one.state == "failed"]:
        raise TasklawsError(f"{', '.join(failed)} failed: see the reasons above")


@command("submit", "tasklaws submit models=nano_mini --dry-run")
def submit_cells(
    overrides: CellOverrides = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be sent, and what it costs.")] = False,
    json_: Json = False,
) -> None:
    """Train and ask a ladder's rungs on a cluster, or in processes here.

    Each rung is trained, then asked, by a job of its own; what comes of it goes into the store of execution.store, from
    which `dvc repro` takes it (docs/cluster.md). What is there already is not sent.
    """
    from tasklaws.cells.resources import strangers, wishes
    from tasklaws.cells.states import Survey
    from tasklaws.cells.submit import to_send

    settings, text = composed_or_present(overrides)
    for note in strangers(settings):
        print(note, file=sys.stderr)
    if not dry_run:
        _send(Survey(settings, text, Path()), json_)
        return
    from tasklaws.budget.estimate import plan_run

    plan = plan_run(settings, {})
    try:
        states = Survey(settings, text, Path()).states()
    except TasklawsError as error:  # what it costs is known before there is any data
        answer({"plan": plan.to_dict(), "note": str(error)}, f"{plan.summary()}\n\nnote: {error}", json_)
        return
    sent, engine = to_send(states), settings.execution.engine
    last = f"{len(sent)} cells would be sent, by {engine}, to {states.store}: {', '.join(sent) or 'none is missing'}"
    if engine == "slurm" and sent:
        last += f"\n{wishes(settings, sent)}"
    value = {"plan": plan.to_dict(), "cells": states.to_dict(), "sent": sent}
    answer(value, f"{states.summary()}\n\n{plan.summary()}\n\n{last}", json_)


@command("cells", "tasklaws cells --resubmit")
def list_cells(
    overrides: CellOverrides = None,
    resubmit: Annotated[bool, typer.Option("--resubmit", help="Send what is missing or failed.")] = False,
    json_: Json = False,
) -> None:
    """List what became of a ladder's cells: done, running, waiting, failed or missing, and why.

    One that failed three times is not sent again until that is mended. With --resubmit a cell that failed is an error.
    """
    from tasklaws.cells.states import Survey

    settings, text = composed_or_present(overrides)
    survey = Survey(settings, text, Path())
    if resubmit:
        _send(survey, json_)
        return
    found = survey.states()
    answer(found.to_dict(), found.summary(), json_)


@command("pin", "tasklaws pin pythia_ladder")
def pin_ladder(
    name: Annotated[str, _positional("NAME", "A ladder of conf/models.")],
    json_: Json = False,
) -> None:
    """Write into a ladder the commits that the hub has for its revisions."""
    import yaml

    from tasklaws.compose import CONF, compose
    from tasklaws.core.settings import HubSource, Settings
    from tasklaws.ladder.pin import pin

    models = Settings.of(yaml.safe_load(compose([f"models={name}"]))).models
    path = CONF / "models" / f"{name}.yaml"
    if not any(isinstance(rung.source, HubSource) for rung in models.rungs.values()):
        answer({}, f"{path} has nothing to pin: no rung of it comes from a hub", json_)
        return
    found = pin(path, models)
    lines = [f"{rung}: {revision} is {commit}" for rung, by in found.items() for revision, commit in by.items()]
    answer(found, "\n".join([*lines, f"wrote {path}" if found else f"{path} is pinned already"]), json_)


@command("new-ladder", "tasklaws new-ladder mine me/small me/middle ../big --holdout ../big")
def write_new_ladder(
    name: Annotated[str, _positional("NAME", "Of letters, digits, - and _.")],
    places: Annotated[list[str], _positional("MODEL...", "Repositories (OWNER/NAME), folders or .gguf files.")],
    holdout: Annotated[list[str] | None, _option("A model to hold out (default: the largest).", "MODEL")] = None,
) -> None:
    """Write a ladder of models from a hub or on this machine."""
    os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
    from tasklaws.compose import CONF
    from tasklaws.ladder.new_ladder import new_ladder

    path = new_ladder(name, places, holdout or [], CONF / "models")
    print(f"wrote {path}: asked in plain language, with 3 examples of related tasks, in bfloat16")
    print(f"note: to ask otherwise, write prompts, num_fewshot, shots or dtype into {path} (docs/asking.md)")
    pin = "" if all(Path(place).exists() for place in places) else f"tasklaws pin {name} && "
    print(f"then: {pin}tasklaws plan-run models={name} && dvc exp run -S models={name}")


@command("new-family", "tasklaws new-family multiplication")
def write_new_family(
    name: Annotated[str, _positional("NAME", "A lower-case Python name, such as multiplication.")],
) -> None:
    """Write a new family of tasks, to be edited."""
    from tasklaws.compose import family_sets
    from tasklaws.harness.scaffold import new_family

    code, entry, *others = new_family(name, Path(), family_sets())
    print(f"wrote {code}: what is asked; edit it\nwrote {entry}: its settings; edit them")
    print(*(f"wrote {path}" for path in others), sep="\n")
    print("after each edit of the code: tasklaws custom-tasks")
    print("then: tasklaws compose models=nano_mini && dvc repro")


@command("custom-tasks", "tasklaws custom-tasks")
def write_custom_tasks() -> None:
    """Write custom_tasks/ from the families."""
    from tasklaws.compose import family_sets
    from tasklaws.families import build
    from tasklaws.harness.task_files import stale_task_files, task_files, write_task_files

    files = task_files(build(family_sets()))
    written = write_task_files(files, Path())
    print(*(f"wrote {path}" for path in written) if written else ["custom_tasks/ is as the families have it"], sep="\n")
    for path in stale_task_files(files, Path()):
        print(f"{path} belongs to no family of conf/: remove it")


@command("track", "tasklaws track")
def rebuild_tracking(json_: Json = False) -> None:
    """Rebuild MLflow's store where it is missing or differs from the pipeline's outputs, for every ladder."""
    from tasklaws.tracking.rebuild import rebuild_all

    written, left_out = rebuild_all(Path())
    tell(left_out)
    lines = [f"{ladder}: {count} runs written" if count else f"{ladder}: as it is" for ladder, count in written.items()]
    answer({"written": written, "notes": left_out}, "\n".join(f"MLflow {line}" for line in lines), json_)


@command("ui", "tasklaws ui --port 5001")
def serve_runs(
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Of this machine; else 5000, or any free one.")
    ] = None,
) -> None:
    """Rebuild MLflow's store like `track`, and show it in a browser until interrupted."""
    from tasklaws.tracking.rebuild import rebuild_all
    from tasklaws.tracking.serve import free_port, links, serving

    chosen = free_port(port)
    written, left_out = rebuild_all(Path())
    tell(left_out)
    pages = links(Path(), list(written), chosen)
    with suppress(KeyboardInterrupt), serving(Path(), chosen) as server:
        print(*(f"{ladder}: {page}" for ladder, page in pages.items()), "Stop it with Ctrl-C.", sep="\n", flush=True)
        server.wait()


@command("repair-lock", "tasklaws repair-lock")
def repair_the_lock(json_: Json = False) -> None:
    """Put back into dvc.lock what a kill while DVC wrote it has cut off."""
    from tasklaws.provenance.lock import repair_lock

    mended = repair_lock()
    lines = [f"dvc.lock: put back {name}" for name in mended.put_back]
    lines += [
        f"dvc.lock: {name} was cut off and no copy has it: `dvc repro` makes it again" for name in mended.left_out
    ]
    if not lines and not mended.was_whole:
        lines.append("dvc.lock was nothing that DVC can read, and is written anew: no stage was lost")
    value = {"put_back": mended.put_back, "left_out": mended.left_out}
    answer(value, "\n".join(lines) or "dvc.lock lacks nothing that its copies or git have", json_)


@command("index", "tasklaws index")
def write_index_of_pages() -> None:
    """Write reports/index.html, which leads to the pages of every ladder."""
    from tasklaws.report.entry import write_entry

    path, ladders = write_entry(Path())
    print(f"wrote {path}: {', '.join(ladders) or 'no ladder has a page, run `dvc repro`'}")


@command("trace", "tasklaws trace gauss_sum_python@nano-107k")
def trace_back(
    target: Annotated[
        str,
        _positional(
            "TARGET",
            "A file of the pipeline, FILE:LINE, a figure or its digest, [METRIC:]TASK@RUNG, ITEM@RUNG, a stage, a "
            "rung, a key of headline.json or metrics.json, or an MLflow run.",
        ),
    ],
    ladder: Annotated[str | None, _option("The ladder (default: that of params.yaml).", "NAME")] = None,
    json_: Json = False,
) -> None:
    """Print the chain from a result back to its items, responses, weights, params and code."""
    from tasklaws.trace.targets import trace

    found = trace(target, ladder=ladder)
    answer(found.to_dict() if json_ else None, "" if json_ else found.text(), json_)


@command("verify", "tasklaws verify --deep")
def verify_tree(
    deep: Annotated[
        bool, typer.Option("--deep", help="Also make again what is cheap, and ask models a sample again.")
    ] = False,
    json_: Json = False,
) -> None:
    """Check data, models, results, code and runs against dvc.lock and git."""
    from tasklaws.verify.verify import verify

    found = verify(Path(), deep)
    answer(found.to_dict(), found.summary(), json_)
    if found.problems:
        raise typer.Exit(1)


@command("compare-ladders", "tasklaws compare-ladders nano_ladder nano_mini --out compare")
def set_ladders_side_by_side(
    one: Annotated[str, _positional("A", "A ladder with a report here.")],
    other: Annotated[str, _positional("B", "Another.")],
    out: Out = None,
    json_: Json = False,
) -> None:
    """Set two ladders side by side: what can be compared, what not and why, which was forecast better.

    Writes index.html, a page that opens in any browser, and summary.json (docs/compare_ladders.md).
    """
    from tasklaws.report.ladder_pair import pair_ladders

    found = pair_ladders(Path(), one, other)
    with writing(out) as directory:
        if directory is not None:
            from tasklaws.report.pair_page import write_pair

            write_pair(directory, found)
    answer(found.to_dict(), found.summary(), json_, out, "index.html, summary.json")


@command("export", "tasklaws export --ro-crate nano_ladder.zip")
def export_a_run(
    ro_crate: Annotated[Path, _option("Write an RO-Crate here: a new directory, or a name that ends in .zip.", "PATH")],
    ladder: Annotated[str | None, _option("The ladder (default: that of params.yaml).", "NAME")] = None,
    with_data: Annotated[
        bool, typer.Option("--with-data", help="Also copy data, models, responses and scores into it.")
    ] = False,
    agent: Annotated[str | None, _option("Who ran it, if that is to be said.", "NAME")] = None,
    published: Annotated[str | None, _option("Its date (default: that of the commit).", "DATE")] = None,
    json_: Json = False,
) -> None:
    """Export a ladder's run for other tools: every stage with its inputs, outputs, hashes, parameters and software.

    As a Provenance Run Crate (docs/export.md). A tree that `tasklaws verify` would fault is refused.
    """
    from tasklaws.export.write import export_crate
    from tasklaws.verify.verify import vouch

    checked = partial(vouch, Path())
    found = export_crate(Path(), ro_crate, checked, ladder, with_data=with_data, agent=agent, published=published)
    answer(found.to_dict(), found.summary(), json_)


@command("ask", "tasklaws ask models/nano-234k --tasks addition_direct,gauss_sum --limit 20 --out asked")
def ask_one_model(
    model: Annotated[
        str, _positional("MODEL", "A directory, a .gguf file, a model type of lm-eval, or OWNER/NAME of a hub.")
    ],
    tasks: Annotated[str, _option("Families here, or one way of asking (gauss_sum_python), lm-eval's tasks, groups.")],
    limit: Annotated[int | None, _option("Items of each: of a family evenly spread, else the first.", "N")] = None,
    num_fewshot: Annotated[
        int | None, _option("Solved examples before each question (default: 0; of lm-eval's tasks their own).", "K")
    ] = None,
    shots: Annotated[Literal["same", "related"], _option("Of the same family, or of related tasks.")] = "same",
    prompts: Annotated[
        Literal["terse", "plain"], _option("How families are put: plain is in plain language.")
    ] = "terse",
    chat_template: Annotated[
        bool, typer.Option("--chat-template", help="Put it in the model's chat template.")
    ] = False,
    dtype: Annotated[Literal["float16", "bfloat16", "float32", "float64"], _option("Of a model here.")] = "float32",
    device: Annotated[Literal["auto", "cuda", "mps", "cpu"], _option("Of a model here.")] = "auto",
    batch_size: Annotated[str, _option("Requests together: a number, or auto.", "N")] = "auto",
    model_args: Annotated[str, _option("lm-eval's arguments of the model.", "KEY=VALUE,...")] = "",
    folder: Annotated[Path, _option("lm-eval tasks of your own.", "DIR")] = Path("custom_tasks"),
    name: Annotated[str | None, _option("What it is called in the results.")] = None,
    n_params: Annotated[
        float | None, _option("Non-embedding parameters (default: counted, where it runs here).")
    ] = None,
    n_tokens: Annotated[float | None, _option("Tokens that it learned from.")] = None,
    out: Out = None,
    json_: Json = False,
) -> None:
    """Ask one model some tasks, without the pipeline: its scores, and points that other commands take.

    Writes responses.jsonl, scores.csv, points.csv (for `forecast`), items.csv (for `compare`) and summary.json. What
    a server said before it failed is kept beside --out: the same command asks the rest (docs/asking.md).
    """
    import shutil

    from lm_eval.utils import simple_parse_args_string

    from tasklaws.core.settings import Asking
    from tasklaws.harness.one_model import KEY_DIGITS, ask_model

    if batch_size != "auto" and not (batch_size.isdigit() and int(batch_size)):
        raise TasklawsError(f"--batch-size {batch_size}: give 1 or more, or auto")
    if limit is not None and limit < 1:
        raise TasklawsError(f"--limit {limit}: give 1 or more")
    kept = None if out is None else out.with_name(f"{out.name}.unfinished")
    sizes = {"n_params": n_params, "n_tokens": n_tokens}
    found = ask_model(
        model,
        names_of(tasks),
        Asking(dtype, num_fewshot or 0, shots, prompts, chat_template),
        arguments=simple_parse_args_string(model_args),
        device=device,
        batch_size=batch_size if batch_size == "auto" else int(batch_size),
        limit=limit,
        own_shots=num_fewshot is None,
        folder=folder,
        name=name,
        sizes={key: int(value) for key, value in sizes.items() if value is not None},
        kept=kept,
        tell=tell,
    )
    with writing(out) as directory:
        if directory is not None:
            found.write(directory)
    if kept is not None:
        for made in kept.glob("[0-9a-f]" * KEY_DIGITS):
            shutil.rmtree(made)
        with suppress(OSError):  # something else lies there, or nothing
            kept.rmdir()
    answer(found.to_dict(), found.summary(), json_, out, "responses.jsonl, scores.csv, points.csv, items.csv")


@command("ls", "tasklaws ls laws")
def list_topic(
    topic: Annotated[Topic | None, typer.Argument(help="What to list; without it, how many there are of each.")] = None,
    json_: Json = False,
) -> None:
    """List families, laws, ladders, methods, metrics or tables."""
    from tasklaws.listing import TOPICS, counts

    found = counts() if topic is None else TOPICS[topic]()
    width = max(map(len, found), default=0)
    answer(found, "\n".join(f"{name:{width}}  {line}" for name, line in found.items()), json_)


def composed_or_present(overrides: list[str] | None) -> Any:
    """The settings that overrides compose, or without any those of params.yaml, and their text."""
    import yaml

    from tasklaws.compose import compose
    from tasklaws.core.files import read_text
    from tasklaws.core.settings import PARAMS, Settings

    text = compose(overrides) if overrides else read_text(PARAMS, "run `tasklaws compose`")
    return Settings.of(yaml.safe_load(text)), text


def item_scores(path: Path) -> Any:
    """Scores of models on items: a table of them, or what tools wrote of it, of which notes go to stderr."""
    from tasklaws.items.table import check_items, read_item_scores
    from tasklaws.readers.samples import holds_samples, read_samples

    if not holds_samples(path):
        return read_item_scores(path)
    read = read_samples([path])
    tell(read.notes)
    return check_items(read.table, str(path))


@contextmanager
def writing(out: Path | None) -> Iterator[Path | None]:
    """A directory whose files appear in `out` together once the block ends; None where nothing is to be written."""
    if out is None:
        yield None
        return
    from tasklaws.core.files import written_together

    with written_together(out) as directory:
        yield directory


def reading(
    reader: Callable[..., Any],
    table: Path,
    layout: str | None = None,
    units: list[str] | None = None,
    direction: list[str] | None = None,
    **more: bool,
) -> Any:
    """The table as `reader` reads it with what options say of it; how it was read is told on stderr, a line each."""
    from tasklaws.tabular.names import parse_directions, parse_units

    read = reader(
        table, layout=layout, units=parse_units(units or []), directions=parse_directions(direction or []), **more
    )
    tell(read.attrs["notes"])
    return read


def tell(notes: Iterable[str]) -> None:
    """Print notes on stderr, a line each."""
    for line in notes:
        print(errors.printable(f"note: {' '.join(line.split())}"), file=sys.stderr)


def names_of(text: str) -> list[str]:
    """Names that are separated by commas."""
    return [name for name in text.split(",") if name]


def with_notes(value: dict[str, Any], table: Any) -> dict[str, Any]:
    """An answer whose notes begin with those on how its table was read."""
    return {**value, "notes": [*table.attrs["notes"], *value.get("notes", [])]}


def answer(value: Any, text: str, as_json: bool, out: Path | None = None, files: str = "") -> None:
    """Print one answer: as JSON alone, or as text, followed by which `files` were written to `out`."""
    if as_json:
        print(json.dumps(value, sort_keys=True, allow_nan=False))
    else:
        written = [] if out is None else [f"{out}: {files}" if files else f"{out}: written"]
        print(errors.printable("\n".join([text, *written])))


def expanded(words: list[str]) -> list[str]:
    """`--items a b` as `--items a --items b`: an option of the library takes one value each time."""
    found: list[str] = []
    several = False
    for word in words:
        several = several and not word.startswith("-")
        if several and found[-1] != "--items":
            found.append("--items")
        found.append(word)
        several = several or word == "--items"
    return found


def main() -> None:
    """Run the command of this process's arguments: a failure is one line on stderr, of usage with status 2."""
    script.run(_run)


def _run() -> None:
    group: Any = typer.main.get_command(app)
    words = sys.argv[1:]
    path = " ".join(["tasklaws", *(word for word in words[:1] if word in group.commands)])
    try:
        # Not group.main(): that would print its own errors, and turn an interrupt into one.
        with group.make_context("tasklaws", expanded(words)) as context:
            group.invoke(context)
        sys.stdout.flush()
    except typer.Exit as end:
        raise SystemExit(end.exit_code) from None
    except typer.TyperException as error:  # wrong usage
        reason = error.format_message().rstrip(".").replace("Value error, ", "")
        errors.fail(f"{reason}: see `{path} --help`", error.exit_code)
    except ModuleNotFoundError as error:
        if (error.name or "tasklaws").startswith("tasklaws"):
            raise
        errors.fail(f"{path} needs {error.name}: pip install 'tasklaws[pipeline]'")
    except BrokenPipeError:
        # Whoever read stdout, as `head` does, has enough: Python's own last flush must not fail too.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(128 + 13) from None  # as of a process that SIGPIPE ended


if __name__ == "__main__":
    main()
