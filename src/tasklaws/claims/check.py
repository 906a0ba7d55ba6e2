"""`tl.check`: whether a claim came true."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pandas as pd

from tasklaws.claims import vouched
from tasklaws.claims.file import Claim, TamperedError, draw, read_claim, statement_lines
from tasklaws.claims.pairs import model_list, pairs
from tasklaws.claims.rule import UNIT, errors, least_held
from tasklaws.core.errors import TasklawsError
from tasklaws.core.files import sha256_file
from tasklaws.core.result import Result, axes_or_new
from tasklaws.frames.csv_files import records
from tasklaws.frames.shown import shown, some
from tasklaws.stats.scores import is_inside, rounded
from tasklaws.tables import POINTS, losses
from tasklaws.tabular.layouts import Layout
from tasklaws.tabular.points import RESULT, complete, parse, refuse_impossible, settle

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Verdict = Literal["PASS", "FAIL", "INCOMPLETE", "TAMPERED"]
STATUS: dict[Verdict, int] = {"PASS": 0, "FAIL": 1, "TAMPERED": 3, "INCOMPLETE": 4}
"""What `tasklaws check` exits with; 2 where a file cannot be read or is no claim."""


@dataclass(frozen=True, eq=False, repr=False)
class ClaimCheck(Result):
    """What became of a claim: its `verdict`, and `why` in a line.

    `table` has a row an outcome: the statement, `observed`, `inside`, and `error` and `error_repeat` in rule.UNIT;
    `figures` what they come to; `missing` the statements without an outcome, in words; `checked` what was compared with
    what vouches for it, and what was not; `notes` how the outcomes were found."""

    verdict: Verdict
    why: str
    sha256: str
    table: pd.DataFrame
    figures: Mapping[str, float]
    missing: tuple[str, ...]
    checked: tuple[vouched.Checked, ...]
    notes: tuple[str, ...] = ()

    def summary(self) -> str:
        """The verdict, the outcomes, and what vouches for what."""
        lines = [f"{self.verdict}: {shown(self.why)}", ""]
        lines += [*statement_lines(self.table), ""] if len(self.table) else []
        if self.figures:
            lines += [", ".join(f"{name.replace('_', ' ')} {value:g}" for name, value in self.figures.items())]
        lines += [f"missing: {shown(each)}" for each in self.missing]
        lines += [f"claim: sha256 {self.sha256}"] if self.sha256 else []
        lines += [f"{each.state}: {shown(each.what)} ({shown(each.why)})" for each in self.checked]
        return "\n".join([*lines, *(f"note: {shown(line)}" for line in self.notes)])

    def to_dict(self) -> dict[str, object]:
        """All of it, the outcomes as records."""
        return {
            "verdict": self.verdict,
            "why": self.why,
            "claim_sha256": self.sha256,
            "figures": dict(self.figures),
            "outcomes": records(self.table),
            "missing": list(self.missing),
            "checked": [asdict(each) for each in self.checked],
            "notes": list(self.notes),
        }

    def plot(self, ax: "Axes | None" = None) -> "Axes":
        """Draw each statement with its interval, the last known value as a stroke and the outcome as a cross."""
        return draw(axes_or_new(ax), self.table)


def check(
    claim: Claim | str | Path,
    results: pd.DataFrame | str | Path,
    *,
    model: str | None = None,
    layout: Layout | None = None,
    units: Mapping[str, float] | None = None,
    directions: Mapping[str, str] | None = None,
) -> ClaimCheck:
    """Say whether a claim came true: PASS or FAIL by the rule that it states, INCOMPLETE where a statement has no
    outcome yet (unless it fails whatever comes), TAMPERED where a byte is not what was written.

    `claim` is a file or what `claim` gave, `results` a table: a file, read with `layout`, `units` and `directions` as
    `read_points` does (but no size is needed), or what that gives.
    An outcome is the final value of the statement's model, task and metric, of several runs (seeds) their mean; names,
    sizes and dates are compared as docs/claims.md says, and `model` names the one of the results that is meant where
    a claim is of one model. TAMPERED are: a claim whose contents do not have its digest; files that it names and
    that lie where it says, code of no commit, and claim or results other than the dvc.lock or the commit that has them
    says. `checked` says what was compared. That a claim is older than the outcome no digest proves: `notes` say since
    which commit it is in git. A file that is no claim, results of another unit or direction, and models or ladders
    between which nothing decides raise TasklawsError.

    >>> import pandas as pd, tasklaws as tl
    >>> points = tl.read_points("results/nano_ladder/points.csv")
    >>> known = points[points["is_final"] & (points["n_params"] < 1e5) & (points["metric"] == "exact_match")]
    >>> said = tl.claim(known, {"model": "next", "n_params": 107190, "n_tokens": 2355200}, files=[])
    >>> found = check(said, points, model="nano-107k")
    >>> found.verdict in ("PASS", "FAIL"), len(found.table)
    (True, 9)
    """
    checked: list[vouched.Checked] = []
    notes: list[str] = []
    file = None if isinstance(results, pd.DataFrame) else Path(results)
    if not isinstance(claim, Claim):
        path = Path(claim)
        try:
            claim = read_claim(path)
        except TamperedError as error:
            return ClaimCheck("TAMPERED", str(error), "", pd.DataFrame(), {}, (), ())
        checked += [vouched.recorded(path, "claim"), *vouched.rests_on(claim, path.parent)]
        notes.append(vouched.order(path, file if file is not None and file.is_file() else None))
    if file is not None and file.is_file():
        checked.append(vouched.recorded(file, f"results, sha256 {sha256_file(file)}"))
    changed = "; ".join(f"{each.what}: {each.why}" for each in checked if each.state == "changed")
    try:
        if not isinstance(results, pd.DataFrame):
            results = read_outcomes(Path(results), layout, units, directions)
            notes += results.attrs["notes"]
        table, missing = _outcomes(claim, results, model, notes)
    except TasklawsError:
        if not changed:
            raise
        return ClaimCheck("TAMPERED", changed, claim.sha256, pd.DataFrame(), {}, (), tuple(checked), tuple(notes))
    verdict, why, figures = _judged(claim, table, len(missing))
    if changed:
        verdict, why = "TAMPERED", f"{changed} (as they stand: {verdict}, {why})"
    return ClaimCheck(verdict, why, claim.sha256, table, figures, tuple(missing), tuple(checked), tuple(notes))


def read_outcomes(
    path: Path,
    layout: Layout | None = None,
    units: Mapping[str, float] | None = None,
    directions: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """A table of results as `read_points` reads it; no size is needed, and rows without a value are left out."""
    table = parse(path, RESULT, layout, units)
    notes: list[str] = table.attrs.pop("notes")
    table = complete(table.dropna(subset="value"), notes)
    table = settle(table, directions, notes)
    refuse_impossible(table, RESULT, POINTS.keys)
    table.attrs["notes"] = list(dict.fromkeys(notes))
    return table


def _outcomes(
    claim: Claim, results: pd.DataFrame, model: str | None, notes: list[str]
) -> tuple[pd.DataFrame, list[str]]:
    """The statements with their outcomes, a row each (of a claim by date: a row each model), and those without one."""
    said = claim.table
    if model is not None:
        if said["model"].nunique() > 1:
            raise TasklawsError("--model: the claim is of several models: name them in the results as the claim does")
        results = results[results["model"] == model].assign(model=said["model"].iloc[0])
    results = results[results["value"].notna()]
    found = pairs(said, results)
    named_ones = found.loc[found["by_name"], "statement"]
    found = found[found["by_name"] | ~found["statement"].isin(named_ones)]
    rows = said.loc[found["statement"]].reset_index(names="statement")
    own = results.iloc[found["result"]][["ladder", "model", "value"]].reset_index(drop=True)
    rows = rows.assign(
        by_name=found["by_name"].to_numpy(), result=own["model"], observed=own["value"], at=own["ladder"]
    )
    rows = rows.assign(less=losses(results).to_numpy()[found["result"]])
    turned = rows[rows["less"] != (rows["better"] == "less")]
    if len(turned):
        raise TasklawsError(
            f"metric {turned['metric'].iloc[0]}: the claim and the results differ on which way is better"
        )
    rows = _one_ladder(rows)
    _refuse_choice(rows)
    several = int(rows.duplicated(["statement", "result"]).sum())
    if several:
        notes.append(f"{several} outcome(s) more are of the same model: their mean counts")
    placed = rows.loc[~rows["by_name"], "result"]
    if len(placed):
        notes.append(f"by size or date, as no model has the name: {model_list(placed)}")
    observed = rows.groupby(["statement", "result"])["observed"].mean().reset_index()
    table = said.merge(observed, left_index=True, right_on="statement").drop(columns="statement")
    missing = said[~said.index.isin(rows["statement"])]
    if len(missing) == len(said):
        notes.append(
            f"the results are of models {some(results['model'].unique(), text=str)}: is one of them meant? --model"
        )
    words = [
        f"{task} {metric} of {name}{_under(results, task, metric)}"
        for task, metric, name in missing[["task", "metric", "model"]].to_numpy()
    ]
    table = table.assign(inside=is_inside(table)) if len(table) else table.assign(inside=[])
    for name, column in (("error", "predicted"), ("error_repeat", "last")):
        table[name] = errors(table, column, table["observed"].to_numpy(dtype=float))
    return table.reset_index(drop=True), words


def _under(results: pd.DataFrame, task: str, metric: str) -> str:
    """Under which other metrics the results have a task, where that may be why an outcome is missing."""
    others = list(results.loc[results["task"] == task, "metric"].unique())
    return f" (the results have the task under {some(others, 3, str)})" if others and metric not in others else ""


def _one_ladder(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows less those of another ladder, where a statement's model has outcomes in several."""
    own = rows["at"] == rows["ladder"]
    several = rows.groupby("statement")["at"].transform("nunique") > 1
    kept = rows[~several | own]
    lost = rows[~rows["statement"].isin(kept["statement"])]
    if len(lost):
        raise TasklawsError(
            f"{lost['task'].iloc[0]} of {lost['model'].iloc[0]} stands in several ladders ({model_list(lost['at'])}), "
            "none of which is the claim's: leave one"
        )
    return kept


def _refuse_choice(rows: pd.DataFrame) -> None:
    """Raise TasklawsError where several models could be that of a statement, unless it is of all of a date."""
    by_date = rows["n_params"].isna() & rows["train_flops"].isna() & ~rows["by_name"]
    several = rows[(rows.groupby("statement")["result"].transform("nunique") > 1) & ~by_date]
    if len(several):
        names = several.loc[several["statement"] == several["statement"].iloc[0], "result"]
        raise TasklawsError(f"model {several['model'].iloc[0]} may be {model_list(names)}: name the one by --model")


def _judged(claim: Claim, table: pd.DataFrame, n_missing: int) -> tuple[Verdict, str, dict[str, float]]:
    """The verdict by the claim's rule, its reason, and the figures."""
    if table.empty:
        return "INCOMPLETE", f"none of {n_missing} statements has an outcome in the results", {}
    n = len(table) + n_missing
    least, _ = least_held(n)
    held = int(table["inside"].sum())
    mae, repeat = float(table["error"].mean()), float(table["error_repeat"].mean())
    width = errors(table, "upper", table["lower"].to_numpy(dtype=float))
    beyond = table["observed"].clip(table["lower"], table["upper"])
    outside = errors(table.assign(near=beyond), "near", table["observed"].to_numpy(dtype=float))
    figures = {
        "n": n,
        "held": held,
        "held_at_least": least,
        "mean_error": mae,
        "mean_error_of_repeating_the_last": repeat,
        "mean_width": float(width.mean()),
        "mean_interval_score": float((width + 2 / (1 - claim.rule.level) * outside).mean()),
    }
    told = (
        f"{held} of {len(table)} intervals hold, {least} must; mean error {mae:.2f}, of repeating {repeat:.2f} ({UNIT})"
    )
    if n_missing and held + n_missing >= least:
        return "INCOMPLETE", f"{n_missing} of {n} statements have no outcome; so far {told}", rounded(figures)
    passes = held >= least and mae < repeat and not n_missing
    return ("PASS" if passes else "FAIL"), told, rounded(figures)
