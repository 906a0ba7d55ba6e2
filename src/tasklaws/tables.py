"""Every table: its columns, what identifies a row, which columns hold numbers or may be empty; reading, checking.

An empty cell means unknown. `tasklaws ls tables` lists them.
"""

import functools
import hashlib
import math
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import pandas as pd

from tasklaws.core.errors import TasklawsError
from tasklaws.core.files import REMAKE
from tasklaws.frames.csv_files import read_table, write_table

METRIC_RANGES = {
    "exact_match": (0.0, 1.0),
    "partial_credit": (0.0, 1.0),
    "target_bits_per_byte": (0.0, math.inf),
    "brier": (0.0, 2.0),  # 2: certain of a wrong choice
}
METRICS = tuple(METRIC_RANGES)
FLEXIBLE = "exact_match_flexible"
"""Exact match of the answer that a person would read in a response, a further column of scores."""
# Metrics of tables from elsewhere: scores lie in [0, 1], more is better; losses are at least 0, less is better.
ACCURACIES = frozenset(
    ("exact_match", FLEXIBLE, "partial_credit", "acc", "acc_norm", "rc_acc", "rc_soft", "multiple_choice_grade")
)
LOSSES = frozenset(
    {"target_bits_per_byte", "rc_bpb", "bits_per_byte", "bpb", "loss", "loss_nats", "ce", "ppl", "perplexity"}
    | {"word_perplexity", "byte_perplexity", "brier", "brier_score"}
)
Verdict = Literal[
    "lawful",
    "at the floor",
    "no signal",
    "discontinuous",
    "non-monotone",
    "not enough rungs",
    "too few items",
    "too far",
    "noisy",
]
VERDICT_NAMES: tuple[Verdict, ...] = get_args(Verdict)
POINTS_OF_HEADLINE = (2, 5, 10)
HEADLINES = (*(f"within {points} points" for points in POINTS_OF_HEADLINE), "not forecastable")
BASELINE_NAMES = ("repeat_last", "chance", "logistic", "two_step", "power")
SIZES = ("n_params", "n_tokens", "train_flops")
PLACES = (*SIZES, "step", "loss")  # what says where a model that nobody ran lies, besides its date
PLANNED_KEYS = ("model", "ladder", *PLACES, "date", "maker")  # by which a person names one
_AGREEMENT = 1e-6  # how far an observation may lie from the mean of its items' scores


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Words of a metric's name that say which way is better, besides the whole names above.
_DOWN_WORDS = LOSSES | _words(
    "losses bpc nll nats entropy cross_entropy crossentropy xent log_loss logloss error errors err error_rate mse rmse "
    "mae wer cer ter ece bits_per_char bits_per_character negative_log_likelihood neg_log_likelihood"
)
_UP_WORDS = ACCURACIES | _words(
    "accuracy em exact f1 score bleu rouge rouge1 rouge2 rougel rougelsum chrf pass solve solved resolved success "
    "correct win mcc auc auroc recall precision map ndcg mrr mc1 mc2 grade credit soft skill likelihood prob "
    "probability elo"
)
_RATE_WORDS = _words("error errors err error_rate wer cer ter ece brier brier_score")  # those that are shares
# A change of a metric, or a metric turned round, may go either way.
_TURNING_WORDS = _words(
    "neg negative minus inverse inv reduction improvement gain drop gap diff difference delta ratio"
)
_SEPARATORS = re.compile(r"[_\-.,/:@ ()]+")


@functools.cache
def direction(metric: str) -> Literal["up", "down"] | None:
    """Which way is better, as far as a metric's name says: of a known name, or of one with a known word.

    Words end at `_ - . , / : @ ( )` and spaces: `val_bpb` and `eval/loss` are losses. None: the name has no known
    word, or words that gainsay each other (`neg_loss`, `brier_skill_score`).
    """
    if metric in LOSSES or metric in ACCURACIES:
        return "down" if metric in LOSSES else "up"
    words = f"_{_SEPARATORS.sub('_', metric.lower()).strip('_')}_"
    if words.startswith(("_1_", "_100_")):  # 1 - acc
        return None
    down, words = _take(_DOWN_WORDS, words)
    up, words = _take(_UP_WORDS, words)
    if down == up or not _TURNING_WORDS.isdisjoint(words.split("_")):
        return None
    return "down" if down else "up"


def _take(known: Collection[str], words: str) -> tuple[bool, str]:
    """Whether any of the `known` words is among `words`, which have _ before, between and behind, and the others."""
    found = sorted((word for word in known if f"_{word}_" in words), key=lambda word: (-len(word), word))
    return bool(found), functools.reduce(lambda rest, word: rest.replace(f"_{word}_", "_"), found, words)


def is_loss(metric: str) -> bool:
    """Whether a metric's name says that less is better; any unknown name is taken for a score in [0, 1]."""
    return direction(metric) == "down"


def may_be_share(metric: str) -> bool:
    """Whether a metric may be written in percent: a score or a rate of errors, but no loss in bits or nats."""
    _, others = _take(_RATE_WORDS, f"_{_SEPARATORS.sub('_', metric.lower()).strip('_')}_")
    return direction(metric) != "down" or _take(_DOWN_WORDS, others)[0] is False


def losses(table: pd.DataFrame) -> pd.Series:
    """Of which rows less is better: as the column `higher_is_better` says, where it does, else as the metric's name."""
    if "metric" not in table:
        named = pd.Series(False, index=table.index)
    else:
        named = table["metric"].isin([name for name in table["metric"].dropna().unique() if is_loss(name)])
    if "higher_is_better" not in table:
        return named
    stated = table["higher_is_better"]
    return named.where(stated.isna(), ~stated.fillna(False).astype(bool))


@dataclass(frozen=True)
class Table:
    """One kind of CSV: what it holds, its columns in order, those that identify a row, and those that hold numbers
    (true and false count as such; all others hold text). Cells of `optional` columns may be empty."""

    holds: str
    keys: list[str]
    columns: list[str]
    numbers: list[str]
    optional: list[str]

    def read(self, path: Path) -> pd.DataFrame:
        """The rows of a file. A missing column, a repeated key, an empty cell where one is needed, and text, NaN or
        infinity where a number belongs raise TasklawsError with the line and the value."""
        needed = [column for column in self.columns if column not in self.optional]
        return read_table(path, self.columns, self.keys, needed, self.numbers)

    def write(self, path: Path, table: pd.DataFrame) -> None:
        """Write rows sorted by the keys, whole or not at all: the columns, then any others as they are."""
        others = [column for column in table if column not in self.columns]
        write_table(path, table[[*self.columns, *others]], self.keys)

    def frame(self, rows: Iterable[Any]) -> pd.DataFrame:
        """Rows (mappings or sequences) as a DataFrame of the columns; what a mapping lacks is unknown."""
        return pd.DataFrame(list(rows), columns=self.columns)

    def pick(self, table: pd.DataFrame) -> pd.DataFrame:
        """The columns of a table that holds more."""
        return table[self.columns]


def _table(holds: str, columns: str, more: Iterable[str] = (), keys: str = "") -> Table:
    """A table from its columns, in order: `*` behind a name marks one of the `keys`, `#` numbers, `?` gaps."""
    marked = [*columns.split(), *more]

    def named(mark: str) -> list[str]:
        return [name.rstrip("*#?") for name in marked if mark in name]

    return Table(holds, keys.split() or named("*"), named(""), named("#"), named("?"))


def _limits(names: str, mark: str = "#") -> str:
    return " ".join(f"{name}{end}{mark}" for name in names.split() for end in ("", "_low", "_high"))


_SIZES = "n_params# n_tokens#? train_flops#?"  # of models made elsewhere the tokens may be unknown
_KNOWN_SIZES = "n_params#? n_tokens#? train_flops#?"
_CURVE_KEYS = "family* elicitation* metric*"
_INTERVAL = "predicted# lower# upper#"
LADDER = _table("a rung's size and budget, known before it is trained or asked", f"ladder* rung* role {_SIZES}")
# Any number of columns of further metrics may follow, numbers or empty: `scored_metrics` names them.
SCORES = _table(
    "what one response is worth under every metric that applies to it",
    "rung* seed*# step*# family* elicitation* item* chance# exact_match#? partial_credit#? target_bits_per_byte#? "
    "brier#? status? fuel#? response",
)
OBSERVATIONS = _table(
    "a rung's mean score of a family under one elicitation and metric, or its held-out loss",
    "ladder* rung* role seed*# step*# is_final# n_params# n_params_total#? n_tokens#? train_flops#? "
    f"{_CURVE_KEYS} value# stderr#? n_items#? chance#?",
)
SHARDED = _table(
    "what a rung of the same compute scored, by the number of workers that trained it",
    f"rung n_workers*# seed*# {_CURVE_KEYS} value# n_items#?",
)
SHARDED_TRENDS = _table(
    "how a curve moves with every doubling of the workers",
    f"{_CURVE_KEYS} fewest# most# slope# low# high# seed_sd# q# verdict",
)
# `seed` is a key where the table has it. Only model, task, metric, value and a size need be known (tabular/points.py).
POINTS = _table(
    "anybody's results: a ladder, model, checkpoint, task and metric",
    f"ladder model {_KNOWN_SIZES} step#? is_final task metric value# stderr#? n_items#? chance#?",
    keys="ladder model step seed task metric",
)
EFFECTIVE_NUMBERS = _table(
    "how many independent tasks a family's items are worth: as designed, as seen, and as forecasts take it",
    "ladder* family* elicitation* n_items# n_eff# design_effect# designed#? "
    f"{_limits('observed by_design index expected_index', '#?')} contrast? taken_from",
)
# `link_mean` and `link_sd` are the forecast on the scale on which it is normal (stats.links); `design_effect` is
# n_items / n_eff (1: independent items), and `widening` what that multiplied link_sd by.
_FORECAST = (
    f"ladder* rung* {_CURVE_KEYS} {_SIZES} {_INTERVAL} expected_error_points# headline leaves_floor#? "
    "equivalent_items# link_mean# link_sd# design_effect# widening# repeat_last# chance#? logistic#? two_step#? "
    "power#? method fit_status verdict evidence"
)
FORECASTS = _table("the forecast of a holdout rung, written before it is scored", _FORECAST)
PLANNED = _table("the forecast of a planned model, never trained or asked", _FORECAST)
METHOD_FORECASTS = _table(
    "what each single method and baseline says of a holdout rung, and its weight in the forecast",
    f"ladder* rung* {_CURVE_KEYS} method* weight# {_INTERVAL}",
)
BANDS = _table("the forecast of a model of any size", f"ladder* {_CURVE_KEYS} n_params*# {_INTERVAL}")
ITEM_FORECASTS = _table(
    "the probability that a holdout rung solves an item", "rung* family* elicitation* item* probability#"
)
VALIDATION = _table(
    "a forecast beside what the holdout rung did",
    f"{_FORECAST} observed# n_seeds# error# inside# log_score# abs_error# abs_error_repeat_last# abs_error_chance#? "
    "abs_error_logistic#? abs_error_two_step#? abs_error_power#?",
)
_MIRAGE = "step#? jump_exact#? jump_continuous#? statistic#? p_value#? survives#? evidence"
MIRAGE = _table(
    "whether a jump under exact match is there under a continuous metric of the same responses",
    f"{_CURVE_KEYS} {_MIRAGE}",
)
SURPRISES = _table(
    "an item that the holdout solved or failed, and how far against expectation",
    "rank*# rung family elicitation item surprise n_seeds# n_solved# probability# expected# evidence_bits# "
    "forecast_bits# skills?",
)
SURPRISE_COUNTS = _table(
    "how many items were more surprising than so many bits, and how many would be by chance",
    "rung* bits*# n_items# found# expected# lower# upper#",
)
SURPRISING_SKILLS = _table(
    "the items that share a skill: how many were solved, and how many were to be expected",
    "rung* family* elicitation* skill* n_items# n_answers# solved# expected# p_value# q_value#",
)
ORDERS = _table(
    "how well an order of difficulty foretells what the next models solve",
    f"items* order* n_items# n_clusters# n_models# {_limits('log_loss')} {_limits('auc tau', '#?')} "
    f"{_limits('minus_constant minus_item_response')}",
)
ORDER_AGREEMENT = _table(
    "how far two orders of difficulty agree (Kendall's tau-b)", f"items* order* other* n_items# {_limits('tau', '#?')}"
)
CURVES = _table(
    "every final score, forecast and interval, for `dvc plots show`",
    "curve* metric* rung* role* n_params# seed*#? value#",
)
# Any number of columns group_<name> may follow, and `order` where a person may attempt an item again.
ATTEMPTS = _table("a person's attempt at an item", "person* item* seconds# timeout#? solved score#")
_RATES = f"n_people# n_solved# {_limits('solve_rate mean_score')}"
HUMAN_ESTIMATES = _table(
    "what people's attempts say of an item",
    f"item* family timeout#? n_stopped# n_timed_out# {_RATES} {_limits('pooled_rate')} "
    f"{_limits('median_seconds', '#?')} solver_seconds#?",
)
HUMAN_GROUPS = _table("the same of an item and one group of people", f"item* group* value* {_RATES}")
PEOPLE_FOR_WIDTH = _table("people for an interval of a given width", "rate*# width*# n_people#")
PEOPLE_TO_TELL_APART = _table("people to tell two items apart", "rate*# odds_ratio*# easier_rate# n_people#")
BACKTEST_FORECASTS = _table(
    "a backtest's forecast of a model, and what it did",
    f"ladder* task* metric* model* {_KNOWN_SIZES} {_INTERVAL} observed#? verdict method fit_status n_fit*# "
    "expected_error_points# headline leaves_floor#? equivalent_items# n_tests# log_score#? crps#? evidence",
)
BACKTEST_METHODS = _table(
    "what each single method and baseline says in a backtest",
    f"ladder* task* metric* model* n_fit*# method* weight# {_INTERVAL} log_score#?",
)
DESIGN = _table(
    "what could be run or asked next, best first: its cost, and the width of the intervals at the target after it",
    "rank*# action kind n_params#? n_tokens#? factor#? train_flops# ask_flops# width_now# width_then# standard_error# "
    "narrowing# narrowing_per_flop# bought#?",
)
DESIGN_TASKS = _table("the same by task", "action* task* metric* width_now# width_then#")
# `placed_by` says what its place is counted in, `last` what the largest or latest known model has; `p_passes` is the
# probability of more than `threshold`, of a loss of less; `narrowed_by` the largest part of the forecast's variance, of
# which it is the share `part`.
AHEAD_FORECASTS = _table(
    "the forecast of a model that nobody ran",
    f"ladder* task* metric* model* {_KNOWN_SIZES} step#? loss#? date? placed_by {_INTERVAL} last# "
    "expected_error_points# headline verdict leaves_floor#? threshold#? p_passes#? narrowed_by part# "
    "equivalent_items# n_fit# n_tests# method fit_status evidence",
)
AHEAD_METHODS = _table(
    "what each single method and baseline says of a model that nobody ran",
    f"ladder* task* metric* model* method* weight# {_INTERVAL}",
)
ISOFLOP_BUDGETS = _table(
    "the best size and tokens of a budget of compute, by its isoFLOP profile; where there is none, why",
    f"train_flops*# n_runs# n_sizes# {_limits('n_params n_tokens', '#?')} loss#? left_out?",
)
ISOFLOP_FRONTIERS = _table(
    "best sizes k C^a and tokens q C^b along compute C, by approach; where there are none, why",
    f"approach* n_points# {_limits('a', '#?')} k#? {_limits('b', '#?')} q#? evidence",
)
# Of ITEM_SCORES only model, task, score and `date` or `n_params` need be there; the rest describes the task.
ITEM_SCORES = _table(
    "anybody's scores of models on items",
    "suite? model* task* score# attempt*? date? n_params#? family? skills? human_minutes#? human_attempts#? "
    "human_solved#? steps_required#? steps_optional#? chance#?",
)
ITEM_PREDICTIONS = _table(
    "a method's probability that a held-out model solves an item",
    "model* task* method* score# never_solved# probability# probability_extrapolated#",
)
DIFFICULTIES = _table(
    "an item's difficulty for a model like the best so far, in logits",
    "task* difficulty# low# high# solved# asked# discrimination# flag",
)
REAL = _table(
    "what a real model scored on some items of a family, by how it was asked (`make real`)",
    "model* prompts* num_fewshot*# shots* chat_template*# family* elicitation* metric* n_params# n_params_total# "
    "n_items# value# lower# upper# items_sha256 weights_sha256",
)
SETS = _table("the items of a set of the overlap experiment", "overlap*# set_seed*# item* skill is_learned")
SET_CURVES = _table(
    "what a rung scored on a set of the overlap experiment",
    f"overlap*# set_seed*# rung* {_SIZES} n_items# n_left_out# n_eff# value# target_bits_per_byte#",
)
SET_FORECASTS = _table(
    "the forecast of a set at the next rung",
    f"overlap*# set_seed*# n_fit*# rung n_eff# last# {_INTERVAL} wide_lower# wide_upper# observed# repeat_last# "
    "logistic#? two_step#? verdict",
)
SET_SUMMARY = _table(
    "what overlap did to the forecasts",
    f"overlap*# n_eff# n_sets# {_limits('mae mae_repeat_last advantage rmse spread')} "
    f"{_limits('index n_eff_seen', '#?')} mae_logistic#? mae_two_step#? rmse_repeat_last# theory# "
    "theory_repeat_last# coverage# coverage_widened# width# width_widened#",
    [f"{verdict}#" for verdict in VERDICT_NAMES],
)
ZIPF_RUNS = _table(
    "the held-out loss of a run on a corpus of one Zipf exponent", "zipf*# n_tokens*# seed*# n_params# loss_nats#"
)
ZIPF_EXPONENTS = _table(
    "the loss exponent of a corpus beside the predicted one", "zipf*# predicted# exponent# low# high# floor# status"
)
MODELS = _table(
    "what a person knows of a model: `tasklaws import --models`", f"model* ladder? {_KNOWN_SIZES} tokens_per_step#?"
)
COMPARED_PAIRS = _table(
    "two models on the same items: how much better the first is, and p of no difference, adjusted over the pairs",
    "model* other* difference# p_value#",
)
RANKING = _table(
    "models on the same items; those that share a letter of `groups` cannot be told apart",
    "rank# model* mean# rank_low# rank_high# groups",
)
_PAIRS = "n_recipes# n_pairs# accuracy# low# high# share_of_flops#?"
DECISION_ACCURACY = _table(
    "the share of pairs of recipes that a small scale orders as the large one does, on a task",
    f"small* metric* task* {_PAIRS}",
)
POOLED_DECISIONS = _table("the same over all tasks", f"small* metric* n_tasks# {_PAIRS}")
SIGNAL_TO_NOISE = _table(
    "how far models of one scale lie apart on a task, over the noise of their late checkpoints",
    "scale* metric* task* n_models# n_checkpoints# mean# signal# noise# signal_to_noise#",
)


class CurveKey(NamedTuple):
    """What one curve of the pipeline is of."""

    family: str
    elicitation: str
    metric: str

    def __str__(self) -> str:
        return f"{self.family} {self.elicitation} {self.metric}"


def curve_kind(family: str, elicitation: str, metric: str) -> Literal["heldout", "likelihoods", "answers"]:
    """What a curve rests on: losses on the corpus's held-out documents, likelihoods of texts, or what a model wrote."""
    if family == "corpus":
        return "heldout"
    return "likelihoods" if elicitation == "choice" or metric in ("target_bits_per_byte", "brier") else "answers"


def by_curve(observations: pd.DataFrame) -> Iterator[tuple[CurveKey, pd.DataFrame]]:
    """The rows of every family, elicitation and metric, in the order of their names."""
    for (family, elicitation, metric), table in observations.groupby(list(CurveKey._fields), sort=True):
        yield CurveKey(str(family), str(elicitation), str(metric)), table


def read_ladder(path: Path, rungs: Sequence[str]) -> pd.DataFrame:
    """The sizes of `rungs`; a missing one raises TasklawsError."""
    table = LADDER.read(path)
    lacking = [rung for rung in rungs if rung not in set(table["rung"])]
    if lacking:
        raise TasklawsError(f"{path}: rung {lacking[0]} is missing: run `dvc repro ladder`")
    return table[table["rung"].isin(rungs)]


def refuse_other_sizes(sizes: pd.DataFrame, of_cards: dict[str, int], path: Path) -> None:
    """Raise TasklawsError where a rung's card has another size than the ladder's table, by which it is forecast."""
    for rung, n_params in zip(sizes["rung"], sizes["n_params"], strict=True):
        if of_cards[rung] != n_params:
            raise TasklawsError(
                f"{path} says that {rung} has {n_params} parameters, its card {of_cards[rung]}: its model has changed: "
                f"run `dvc repro --force ladder model@{rung}`"
            )


def each_scores(directory: Path, rungs: Sequence[str]) -> Iterator[pd.DataFrame]:
    """The scores of the listed rungs, one rung after the other.

    A rung without results, another rung's row and a score out of its metric's range raise TasklawsError.
    """
    for rung in rungs:
        if not (directory / f"{rung}.csv").is_file():
            raise TasklawsError(f"rung {rung} has no results in {directory}: run `dvc repro score@{rung}`")
    yield from (_read_rung_scores(directory / f"{rung}.csv", rung) for rung in rungs)


def scored_metrics(scores: pd.DataFrame) -> list[str]:
    """The metrics of a table of scores: METRICS, then its further columns by name."""
    return [*METRICS, *sorted(set(map(str, scores)) - set(SCORES.columns))]


def read_scores(directory: Path, rungs: Sequence[str]) -> pd.DataFrame:
    """The scores of `each_scores`, all at once."""
    return pd.concat(each_scores(directory, rungs), ignore_index=True)


def _read_rung_scores(path: Path, rung: str) -> pd.DataFrame:
    table = SCORES.read(path)
    strangers = table.loc[table["rung"] != rung, "rung"]
    if table.empty or len(strangers):
        found = "no rows" if table.empty else f"a row of {strangers.iloc[0]}"
        raise TasklawsError(f"{path} has {found}: run `dvc repro --force score@{rung}`")
    for metric in scored_metrics(table):
        smallest, largest = METRIC_RANGES.get(metric, (0.0, math.inf if is_loss(metric) else 1.0))
        if not pd.api.types.is_numeric_dtype(table[metric]):
            word = next(cell for cell in table[metric].dropna() if not isinstance(cell, int | float))
            raise TasklawsError(f"{path}: {metric} is {word}: a metric's column holds numbers alone: {REMAKE}")
        bad = table.loc[table[metric].notna() & ~table[metric].between(smallest, largest), metric]
        if len(bad):
            raise TasklawsError(f"{path}: {metric} is {bad.iloc[0]}: it lies in [{smallest:g}, {largest:g}]")
    return table


def refuse_identical(scores: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
    """The scores, a table a rung, as they come; raises TasklawsError at a rung that said the same to every item as an
    earlier one: one model was asked in the place of another."""
    digests: dict[str, str] = {}
    for table in scores:
        finals = table[table["step"] == table.groupby(["rung", "seed"])["step"].transform("max")]
        for (rung, _), rows in finals.sort_values(SCORES.keys[1:]).groupby(["rung", "seed"]):
            digest = hashlib.sha256("".join(rows["response"]).encode()).hexdigest()
            if digests.setdefault(digest, str(rung)) != rung:
                raise TasklawsError(
                    f"rungs {digests[digest]} and {rung} gave identical responses throughout: are they two models?"
                )
        yield table


def read_checkpoints(path: Path) -> pd.DataFrame:
    """All observations of a file, final or not."""
    table = OBSERVATIONS.read(path)
    if len(table) and table["is_final"].dtype != bool:
        raise TasklawsError(f"{path}: is_final must be True or False in every row: run `dvc repro observe`")
    return table


def read_observations(path: Path, rungs: Sequence[str]) -> pd.DataFrame:
    """The final observations of `rungs`, in order. A rung without any, a rung that lacks a curve which another has, two
    final checkpoints of one seed, and a share solved without chance or n_items raise TasklawsError.

    A rung may lack all held-out losses, which were not measured, and all that rests on likelihoods, which a chat server
    does not tell."""
    table = read_checkpoints(path)
    final = table[table["is_final"] & table["rung"].isin(rungs)].sort_values(OBSERVATIONS.keys)
    for rung in rungs:
        if not (final["rung"] == rung).any():
            raise TasklawsError(
                f"{path}: rung {rung} has no final observation: run `dvc repro score@{rung} observe`, or take the "
                "rung out of conf/models"
            )
    kinds = final.apply(lambda row: curve_kind(*(row[name] for name in CurveKey._fields)), axis=1)
    for key, own in by_curve(final):
        kind = curve_kind(*key)
        without = set() if kind == "answers" else set(rungs) - set(final.loc[kinds == kind, "rung"])
        lacking = [rung for rung in rungs if rung not in set(own["rung"]) | without]
        if lacking:
            raise TasklawsError(
                f"{path}: rung {lacking[0]} has no observation of {key}: run `dvc repro score@{lacking[0]} observe`"
            )
        twice = own.loc[own.duplicated(["rung", "seed"]), "rung"]
        if len(twice):
            raise TasklawsError(
                f"{path}: rung {twice.iloc[0]} has two final checkpoints of one seed: mark one is_final"
            )
        for column in ("n_items", "chance"):
            if key.metric == "exact_match" and own[column].isna().any():
                raise TasklawsError(f"{path}: {column} of {key} is missing: run `dvc repro observe`")
    return final


def read_final_scores(directory: Path, rungs: Sequence[str], observations: pd.DataFrame) -> pd.DataFrame:
    """The items' scores of the final checkpoints of `rungs`, as `observations` names them; one that is not the mean of
    its scores raises TasklawsError."""
    final = observations[["rung", "seed", "step"]].drop_duplicates()
    scores = pd.concat([table.merge(final) for table in each_scores(directory, rungs)], ignore_index=True)
    keys = ["family", "elicitation", "rung", "seed"]
    metrics = scored_metrics(scores)
    means = scores.groupby(keys)[metrics].mean().reset_index().melt(keys, var_name="metric", value_name="mean")
    both = observations[observations["metric"].isin(metrics)].merge(means, "left", [*keys, "metric"])
    # Some metrics of benchmarks are of all answers together, and of none alone.
    both = both[both["mean"].notna() | both["metric"].isin(METRICS)]
    apart = both[~((both["mean"] - both["value"]).abs() <= _AGREEMENT)].sort_values([*CurveKey._fields, "rung", "seed"])
    if len(apart):
        row = apart.iloc[0]
        key = CurveKey(row["family"], row["elicitation"], row["metric"])
        if pd.isna(row["mean"]):
            raise TasklawsError(
                f"rung {row['rung']} seed {row['seed']} has no scores of {key}: run `dvc repro score@{row['rung']}`"
            )
        raise TasklawsError(f"rung {row['rung']}: {key} differs from the mean of its scores: run `dvc repro observe`")
    return scores


def read_effective_numbers(path: Path, ladder: str) -> pd.DataFrame:
    """The effective numbers of a ladder; another's, and one below 1 or above n_items, raise TasklawsError."""
    table = EFFECTIVE_NUMBERS.read(path)
    remedy = "run `dvc repro --force structure`"
    other = table[table["ladder"] != ladder]
    if len(other):
        raise TasklawsError(f"{path} is of ladder {other['ladder'].iloc[0]}, not {ladder}: {remedy}")
    bad = table[~table["n_eff"].between(1 - 1e-9, table["n_items"] * (1 + 1e-9))]
    if len(bad):
        row = bad.iloc[0]
        raise TasklawsError(
            f"{path}: n_eff of {row['family']} {row['elicitation']} is {row['n_eff']:g}: it lies in [1, n_items], here "
            f"[1, {row['n_items']:g}]: {remedy}"
        )
    return table


def with_effective_number(observations: pd.DataFrame, numbers: pd.DataFrame) -> pd.DataFrame:
    """Observations with `n_eff` beside; a family that was scored and has no effective number raises TasklawsError."""
    pair = ["family", "elicitation"]
    table = observations.merge(numbers[[*pair, "n_eff"]], how="left", on=pair, validate="many_to_one")
    lacking = table[table["n_eff"].isna() & (table["metric"] == "exact_match")]
    if len(lacking):
        row = lacking.iloc[0]
        raise TasklawsError(
            f"structure.csv has no row of {row['family']} {row['elicitation']}: run `dvc repro structure`"
        )
    return table


def read_sets(path: Path) -> pd.DataFrame:
    """The sets of the overlap experiment, `is_learned` true where the corpus holds an item's question."""
    table = SETS.read(path)
    if not table["is_learned"].isin(["True", "False"]).all():
        raise TasklawsError(f"{path}: is_learned must be True or False in every row: run `dvc repro overlap_items`")
    return table.assign(is_learned=table["is_learned"] == "True")


def read_human_estimates(path: Path) -> pd.DataFrame:
    """What people did at each item, indexed by item; median_seconds is empty where it lies above the timeout."""
    return HUMAN_ESTIMATES.read(path).set_index("item")


def refuse_strangers(items: pd.Series, known: Collection[str], where: str, remedy: str) -> None:
    """Raise TasklawsError with the first of `items` that is not `known`; `where` says what lacks it."""
    strangers = items[~items.isin(list(known))]
    if len(strangers):
        raise TasklawsError(f"item {strangers.iloc[0]} was scored and is not in {where}: {remedy}")
