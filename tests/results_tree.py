"""A ladder's results in the pipeline's format: invented scores, the real families, fits, forecasts and checks."""

import hashlib
import math
import random
import runpy
import sys
from contextlib import chdir
from pathlib import Path
from typing import Any
from unittest import mock

import pandas as pd
import yaml

from tasklaws.compose import compose
from tasklaws.core.files import sha256_file, write_json, write_jsonl, write_text
from tasklaws.core.schema import Item, train_flops
from tasklaws.core.settings import Settings
from tasklaws.families import build
from tasklaws.families.draws import in_plain
from tasklaws.ladder import card
from tasklaws.ladder.sizes import rung_budgets
from tasklaws.provenance.chain import md5
from tasklaws.tables import FLEXIBLE, LADDER, REAL, SCORES, SHARDED

REPOSITORY = Path(__file__).parents[1]
SHARES = {0.25: -0.5, 1.0: 0.0}  # checkpoint (share of training) -> decades of size that it is behind


def params_of(ladder: str, sets: tuple[str, ...] | None = None) -> dict[str, Any]:
    """The composed params of a ladder, fitted with few replicates, with all families or only `sets`."""
    params: dict[str, Any] = yaml.safe_load(
        compose([f"models={ladder}", "laws.replicates=50", "execution.workers=1"], REPOSITORY / "conf")
    )
    for part in (params["families"]["sets"], params["elicitation"]["ask"]):
        for family in set(part) - set(sets or part):
            del part[family]
    params["humans"]["families"] = list(params["families"]["sets"])
    params["humans"]["population"]["n_people"] = 30
    return params


def write_results(root: Path, params: dict[str, Any]) -> None:
    """Write everything that report and tracking read, as the stages before them would."""
    models, ask = params["models"], params["elicitation"]["ask"]
    ladder = models["name"]
    results = root / "results" / ladder
    items: list[Item] = []
    for family in build(params["families"]["sets"]):
        own = family.items(params["seed"], "test")[::6]
        items += own
        for name, kept in {family.name: own, f"{family.name}.plain": in_plain(family, own)}.items():
            write_jsonl(root / "data" / "items" / f"{name}.jsonl", [item.to_dict() for item in kept])
    LADDER.write(results / "ladder.csv", pd.DataFrame(rung_budgets(Settings.of(params).models)))
    sizes = pd.read_csv(results / "ladder.csv")
    smallest = float(sizes["n_params"].min())
    for rung, entry in models["rungs"].items():
        made = make_card(rung, entry["source"], sizes.loc[sizes["rung"] == rung].iloc[0])
        rows = []
        for checkpoint in made.checkpoints:
            behind = SHARES.get(checkpoint.n_tokens / made.final.n_tokens, 0.0)
            grade = math.log10(made.n_params / smallest) + behind
            for item in items:
                for elicitation in ask[item.family]:
                    rows.append(score(rung, checkpoint, item, elicitation, grade))
        said = [response(row) for row in rows]
        write_jsonl(root / "responses" / ladder / f"{rung}.jsonl", said)
        path = root / "scores" / ladder / entry["role"] / f"{rung}.csv"
        SCORES.write(path, pd.DataFrame(rows, columns=[*SCORES.columns, FLEXIBLE]))
        write_json(path.with_suffix(".json"), {"card": made.to_dict(), "sandbox": "none: the scores are invented"})
    finish(root, params)


def finish(root: Path, params: dict[str, Any]) -> None:
    """Observe, fit, forecast and validate what was scored, with the pipeline's own stages."""
    write_text(root / "params.yaml", yaml.safe_dump(params, sort_keys=False))
    SHARDED.write(root / "results" / params["models"]["name"] / "sharded.csv", SHARDED.frame(sharded_rows(params)))
    REAL.write(root / "results/real/scores.csv", REAL.frame(real_rows(root)))
    stages = (
        "population",
        "humans",
        "observe fit",
        "observe holdout",
        "fit",
        "structure",
        "forecast",
        "validate",
        "orders",
    )
    for stage in stages:
        name, *arguments = stage.split()
        with chdir(root), mock.patch.object(sys, "argv", [name, *arguments]):
            runpy.run_path(str(REPOSITORY / "stages" / f"{name}.py"))["main"]()
    lock(root, params)


def lock(root: Path, params: dict[str, Any]) -> None:
    """Add to dvc.lock what DVC would have there of this ladder, of the stages that say how its results were made."""
    models, laws = params["models"], params["laws"]
    ladder, rungs = models["name"], {"models.name": models["name"], "models.rungs": models["rungs"]}
    results = f"results/{ladder}"
    stages = {
        f"fit@{ladder}": ([], {**rungs, "laws": laws}, [f"{results}/fits.json"]),
        f"forecast@{ladder}": ([f"{results}/fits.json"], rungs, [f"{results}/forecasts.csv"]),
        f"validate@{ladder}": (
            [f"{results}/forecasts.csv", f"scores/{ladder}/fit", f"scores/{ladder}/holdout", "data/items"],
            rungs,
            [f"{results}/validation.csv"],
        ),
    }
    for rung, entry in models["rungs"].items():
        said, scores = f"responses/{ladder}/{rung}.jsonl", f"scores/{ladder}/{entry['role']}/{rung}.csv"
        stages[f"respond@{rung}"] = (["data/items"], {}, [said])
        stages[f"score@{rung}"] = ([said], {}, [scores])
    path = root / "dvc.lock"
    before = yaml.safe_load(path.read_text())["stages"] if path.exists() else {}
    entries = {
        stage: {
            "cmd": f"python stages/{stage}",
            "deps": [{"path": each, "md5": md5(root / each), "size": 1} for each in read],
            "params": {"params.yaml": used},
            "outs": [{"path": each, "md5": md5(root / each), "size": 1} for each in written],
        }
        for stage, (read, used, written) in stages.items()
    }
    write_text(path, yaml.safe_dump({"schema": "2.0", "stages": before | entries}, sort_keys=False))


def sharded_rows(params: dict[str, Any]) -> list[dict[str, Any]]:
    """Invented scores of rungs trained by 1, 2, 4 and 8 workers, which do not depend on their number."""
    rng = random.Random(0)
    return [
        {"rung": name, "n_workers": source.get("n_shards", 1), "seed": seed, "family": family, "metric": metric}
        | {"elicitation": elicitation, "value": round(rng.gauss(0.6, 0.02), 6), "n_items": 100}
        for name, source in params["models"]["sharded"].items()
        for seed in source["seeds"]
        for family, elicitation, metric in (
            ("corpus", "likelihood", "loss_nats"),
            ("addition", "direct", "exact_match"),
        )
    ]


def real_rows(root: Path) -> list[dict[str, Any]]:
    """Invented scores of a real model, asked tersely with 3 shots and plainly with none."""
    one = {"model": "Real-135M", "n_params": 106_203_456, "n_params_total": 134_515_008, "n_items": 20}
    one |= {"chat_template": False, "value": 0.9, "lower": 0.75, "upper": 0.97, "weights_sha256": "0" * 64}
    ways = [{"prompts": "terse", "num_fewshot": 3, "shots": "same"}]
    ways += [{"prompts": "plain", "num_fewshot": 0, "shots": "related"}]
    items = {path.stem: sha256_file(path) for path in sorted((root / "data/items").glob("*.jsonl"))}
    return [
        one | way | {"family": family, "elicitation": how, "metric": metric, "items_sha256": items[family]}
        | ({"value": 0.35, "lower": 0.2, "upper": 0.53} if metric == "exact_match" else {})
        for way in ways
        for family, how in (("sha256_power", "python"), ("gauss_sum", "direct"))
        if family in items
        for metric in ("exact_match", "exact_match_flexible")
    ]  # fmt: skip


def make_card(rung: str, source: dict[str, Any], size: Any) -> card.Card:
    """The card of a rung with two checkpoints a seed."""
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
                    train_flops=train_flops(n_params, tokens),
                    loss_nats=loss,
                    bits_per_byte=round(loss / 2, 6),
                    files={
                        name: hashlib.sha256(f"{n_params} {seed} {tokens} {name}".encode()).hexdigest()
                        for name in ("config.json", "model.safetensors", "tokenizer.json")
                    },
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
    return card.Card(
        rung=rung,
        source_kind=source["kind"],
        n_params=n_params,
        n_params_total=2 * n_params,
        tokenizer_sha256=digest,
        checkpoints=tuple(checkpoints),
        **kind,
    )


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
        "response": f"{rung} {solved}",
        "target_bits_per_byte": round(0.1 + 3 / (1 + math.exp(1.2 * (grade - middle))), 4),
    }
    if elicitation == "choice":
        row["brier"] = round(0.75 * (1 - knows), 4)
    else:
        row[FLEXIBLE] = max(solved, float(row["partial_credit"] > 0.6))
    if elicitation == "python":
        wrong = rng.choice(["ok", "ok", "error"])
        row |= {"status": "ok" if solved else "out_of_fuel" if out_of_fuel else wrong, "fuel": 1000}
    return row


def response(row: dict[str, Any]) -> dict[str, Any]:
    """An invented response to go with an invented score: of a choice, the right one is not told from the wrong."""
    said = {key: row[key] for key in ("seed", "step", "family", "elicitation", "item")}
    if row["elicitation"] == "choice":
        return {**said, "log_likelihoods": [-1.0, -2.0, -2.0, -2.0]}
    return {**said, "response": row["response"], "log_likelihood": -1.0}


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
