"""A ladder's results in the pipeline's format: invented scores, the real families, fits, forecasts and checks."""

import hashlib
import math
import random
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from tasklaws.config import compose
from tasklaws.families import build
from tasklaws.files import write_json, write_jsonl, write_table, write_text
from tasklaws.forecast import (
    compare,
    fit_ladder,
    forecast_ladder,
    judge_items,
    load_fits,
    metrics,
    save_fits,
    surprises,
)
from tasklaws.forecast.surprises import SURPRISE_KEYS, read_skills
from tasklaws.forecast.tables import FORECAST_KEYS, ITEM_KEYS, read_ladder, read_observations, read_scores, rungs_of
from tasklaws.harness.observe import observations
from tasklaws.ladder import card
from tasklaws.ladder.sizes import ladder_rows
from tasklaws.laws import LawSettings
from tasklaws.schema import LADDER_KEYS, OBSERVATION_KEYS, SCORE_COLUMNS, SCORE_KEYS, Item

CONF = Path(__file__).parents[1] / "conf"
SHARES = {0.25: -0.5, 1.0: 0.0}  # checkpoint (share of training) -> decades of size that it is behind


def params_of(ladder: str, sets: tuple[str, ...] | None = None) -> dict[str, Any]:
    """The composed params of a ladder, fitted with few replicates, with all families or only `sets`."""
    params: dict[str, Any] = yaml.safe_load(compose([f"models={ladder}", "laws.replicates=50"], CONF))
    for part in (params["families"]["sets"], params["elicitation"]["ask"]):
        for family in set(part) - set(sets or part):
            del part[family]
    return params


def write_results(root: Path, params: dict[str, Any]) -> None:
    """Write everything that report and tracking read, as the stages before them would."""
    models, ask = params["models"], params["elicitation"]["ask"]
    ladder = models["name"]
    results = root / "results" / ladder
    items: list[Item] = []
    for family in build(params["families"]["sets"]):
        own = family.items(params["seed"], "test")[::3]
        items += own
        write_jsonl(root / "data" / "items" / f"{family.name}.jsonl", [item.to_dict() for item in own])
    write_table(results / "before" / "fit.csv", pd.DataFrame(ladder_rows(models)), LADDER_KEYS)
    sizes = read_ladder(results / "before" / "fit.csv", list(models["rungs"]))
    smallest = float(sizes["n_params"].min())
    for rung, entry in models["rungs"].items():
        made = write_card(root / "models" / rung, rung, entry["source"], sizes.loc[sizes["rung"] == rung].iloc[0])
        rows = []
        for checkpoint in made.checkpoints:
            behind = SHARES.get(checkpoint.n_tokens / made.final.n_tokens, 0.0)
            grade = math.log10(made.n_params / smallest) + behind
            for item in items:
                for elicitation in ask[item.family]:
                    rows.append(score(rung, checkpoint, item, elicitation, grade))
        path = root / "scores" / ladder / entry["role"] / f"{rung}.csv"
        write_table(path, pd.DataFrame(rows, columns=SCORE_COLUMNS), SCORE_KEYS)
    finish(root, params)


def finish(root: Path, params: dict[str, Any]) -> None:
    """Observe, fit, forecast and validate what was scored."""
    ladder, seed = params["models"]["name"], params["seed"]
    results = root / "results" / ladder
    tables, scores = {}, {}
    for role in ("fit", "holdout"):
        rungs = list(rungs_of(params, role))
        path = results / f"observations_{role}.csv"
        given = pd.concat([pd.read_csv(root / "scores" / ladder / role / f"{rung}.csv") for rung in rungs])
        cards = [card.read(root / "models" / rung) for rung in rungs]
        write_table(path, observations(ladder, role, given, cards), OBSERVATION_KEYS)
        tables[role] = read_observations(path, rungs)
        scores[role] = read_scores(root / "scores" / ladder / role, rungs, tables[role])
    save_fits(
        results / "fits.json",
        ladder,
        fit_ladder(tables["fit"], scores["fit"], LawSettings.from_params(params), seed),
    )
    holdout = rungs_of(params, "holdout")
    sizes = read_ladder(results / "before" / "fit.csv", list(holdout))
    fits = load_fits(results / "fits.json", ladder)
    forecasts, likely = forecast_ladder(fits, tables["fit"], sizes, holdout, seed)
    validation = compare(forecasts, tables["holdout"])
    judged = judge_items(likely, forecasts, scores["holdout"])
    skills = read_skills(root / "data" / "items", sorted(set(judged["family"])))
    write_table(results / "before" / "holdout.csv", forecasts, FORECAST_KEYS)
    write_table(results / "item_forecasts.csv", likely, ITEM_KEYS)
    write_table(results / "validation.csv", validation, FORECAST_KEYS)
    write_table(results / "surprises.csv", surprises(judged, skills), SURPRISE_KEYS)
    write_json(results / "metrics.json", metrics(validation, judged))


def write_card(directory: Path, rung: str, source: dict[str, Any], size: Any) -> card.Card:
    """A rung's card with weights that are only a name, two checkpoints a seed."""
    digest = hashlib.sha256(rung.encode()).hexdigest()
    hub = source["kind"] == "hub"
    n_params, n_tokens = int(size["n_params"]), int(size["n_tokens"])
    checkpoints = []
    for place, seed in enumerate(source["seeds"]):
        for share in SHARES:
            tokens = int(n_tokens * share)
            name = "." if place == 0 and share == 1 else f"seed{seed}-step{tokens // 1024}"
            loss = round(3.0 * n_params**-0.12 + 0.1 * (1 - share) + 0.01 * place, 6)
            checkpoints.append(
                card.Checkpoint(
                    path=name,
                    seed=seed,
                    step=tokens // 1024,
                    is_final=share == 1,
                    n_tokens=tokens,
                    train_flops=card.train_flops(n_params, tokens),
                    loss_nats=loss,
                    bits_per_byte=round(loss / 2, 6),
                    commit=digest[:40] if hub else None,
                )
            )
    kind: dict[str, Any] = {"corpus_sha256": digest}
    if hub:
        kind = {
            "repo": source["repo"],
            "revision": source["revision"],
            "commit": digest[:40],
            "n_params_loaded": n_params,
        }
    made = card.Card(rung, source["kind"], n_params, 2 * n_params, digest, tuple(checkpoints), **kind)
    card.write(directory, made)
    write_text(directory / "model.safetensors", rung)
    return made


def score(rung: str, checkpoint: card.Checkpoint, item: Item, elicitation: str, grade: float) -> dict[str, Any]:
    """An invented score: the family's own threshold against `grade`, decades of size above the smallest rung."""
    rng = random.Random(f"{rung} {checkpoint.seed} {checkpoint.step} {item.id} {elicitation}")
    middle, slope, loops = threshold(item, elicitation)
    knows = 1 / (1 + math.exp(-slope * (grade - middle)))
    solved = float(rng.random() < item.chance + (1 - item.chance) * knows)
    out_of_fuel = loops and not solved and rng.random() < 1 / (1 + math.exp(-6 * (grade - 0.4)))
    row: dict[str, Any] = {
        "rung": rung,
        "seed": checkpoint.seed,
        "step": checkpoint.step,
        "family": item.family,
        "elicitation": elicitation,
        "item": item.id,
        "chance": item.chance,
        "exact_match": solved,
        "partial_credit": solved or round(0.7 * knows * rng.random(), 3),
        "target_bits_per_byte": round(0.1 + 3 / (1 + math.exp(1.2 * (grade - middle))), 4),
    }
    if elicitation == "choice":
        row["brier"] = round(0.75 * (1 - knows), 4)
    if elicitation == "python":
        wrong = rng.choice(["ok", "ok", "error"])
        row |= {"status": "ok" if solved else "out_of_fuel" if out_of_fuel else wrong, "fuel": 1000}
    return row


def threshold(item: Item, elicitation: str) -> tuple[float, float, bool]:
    """Where (decades) and how steeply an item is solved, and whether a loop would run out of fuel on it."""
    size = int(item.question.split("..")[1]) if item.family == "gauss_sum" else 0
    if item.family == "sha256_power":
        return 0.35 + 0.25 * len(str(item.n_required)), 9.0, False
    if item.family == "gauss_sum":
        if elicitation == "direct":
            return (0.8, 3.0, False) if size < 10 else (9.0, 5.0, False)
        return (1.45, 9.0, True) if size >= 100_000 else (0.4, 6.0, False)
    if item.family == "step_chain":
        return 0.6 + 0.5 * (item.n_required + item.n_optional), 2.0, False
    if item.family == "step_chain_shared":
        return 1.3, 25.0, False
    if item.family == "string_edit":
        return 9.0, 5.0, False
    return 0.3 * len(item.answer) + 0.3, 3.0, False
