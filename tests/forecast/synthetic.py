"""A made-up ladder in the pipeline's own files, with known truth behind every curve."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

import tiny
from tasklaws.core.files import write_jsonl
from tasklaws.tables import LADDER, OBSERVATIONS, SCORES

N_TOKENS = 2_000_000
LAWS = {"scores": ["logistic", "step"], "losses": ["power"], "replicates": 50}


@dataclass(frozen=True)
class Family:
    """One family under one elicitation: P(solve) = chance + (1 - chance) sigmoid(slope (ln x - middle) - difficulty),
    nothing beyond chance where the slope is 0."""

    name: str
    elicitation: str = "direct"
    slope: float = 1.2
    middle: float = float(np.log(1e4))
    chance: float = 0.0
    spread: float = 1.0
    n_items: int = 100


SMOOTH = Family("addition")
FAMILIES = (
    SMOOTH,
    Family("sha256_power", "python", slope=30.0, middle=float(np.log(7e3)), spread=0.1),
    Family("guessing", "choice", slope=0.0, chance=0.25),
    Family("gauss_sum", "direct", slope=1.0, middle=60.0),
)


@dataclass(frozen=True)
class Ladder:
    """Sizes small to large; the last `holdouts` are held out. The first `doubled` rungs have two seeds."""

    sizes: tuple[int, ...] = (1000, 2200, 4600, 10_000, 22_000, 46_000, 100_000)
    holdouts: int = 1
    doubled: int = 3
    seed_sd: float = 0.1
    families: tuple[Family, ...] = FAMILIES
    seed: int = 0
    laws: dict[str, Any] = field(default_factory=lambda: dict(LAWS))

    def rungs(self) -> dict[str, dict[str, Any]]:
        found = {}
        for index, size in enumerate(self.sizes):
            role = "holdout" if index >= len(self.sizes) - self.holdouts else "fit"
            seeds = [0, 1] if index < self.doubled else [0]
            found[f"n{size}"] = {"role": role, "source": {**asdict(tiny.SOURCE), "seeds": seeds}}
        return found

    def params(self) -> dict[str, Any]:
        params: dict[str, Any] = yaml.safe_load((tiny.ROOT / "params.yaml").read_text())
        models = {**params["models"], "name": "made_up", "rungs": self.rungs()}
        return {**params, "seed": self.seed, "models": models, "laws": self.laws}

    def size_rows(self) -> list[dict[str, Any]]:
        return [
            {"ladder": "made_up", "rung": rung, "role": value["role"], **sizes(size)}
            for size, (rung, value) in zip(self.sizes, self.rungs().items(), strict=True)
        ]

    def write(self, root: Path) -> None:
        """Write everything that fit, forecast and validate read."""
        rng = np.random.default_rng(self.seed)
        (root / "params.yaml").write_text(yaml.safe_dump(self.params(), sort_keys=False))
        sizes_path = root / "results/made_up/ladder.csv"
        LADDER.write(sizes_path, pd.DataFrame(self.size_rows())[LADDER.columns])
        difficulty = {one.name: one.spread * rng.standard_normal(one.n_items) for one in self.families}
        observations: dict[str, list[dict[str, Any]]] = {"fit": [], "holdout": []}
        for size, (rung, value) in zip(self.sizes, self.rungs().items(), strict=True):
            scores, seen = self.rung(rung, value, size, difficulty, rng)
            SCORES.write(root / f"scores/made_up/{value['role']}/{rung}.csv", scores)
            observations[value["role"]] += seen
        for role, rows in observations.items():
            table = OBSERVATIONS.frame(rows)
            OBSERVATIONS.write(root / f"results/made_up/observations_{role}.csv", table)
        for one in self.families:
            write_jsonl(root / f"data/items/{one.name}.jsonl", items_of(one))

    def rung(
        self, rung: str, value: dict[str, Any], size: int, difficulty: dict[str, Any], rng: np.random.Generator
    ) -> tuple[pd.DataFrame, list[dict[str, Any]]]:
        rows: list[dict[str, Any]] = []
        observations: list[dict[str, Any]] = []
        for seed in value["source"]["seeds"]:
            for step, share in ((500, 0.5), (1000, 1.0)):
                point = {"rung": rung, "seed": seed, "step": step}
                more = {
                    "ladder": "made_up",
                    "role": value["role"],
                    "is_final": step == 1000,
                    "n_params_total": size + 5000,
                    **sizes(size),
                    "n_tokens": int(N_TOKENS * share),
                }
                luck = self.seed_sd * rng.standard_normal() + np.log(share)
                for family in self.families:
                    own = score_rows(family, size, luck, difficulty[family.name], rng)
                    rows += [{**point, **row} for row in own]
                    observations += [{**point, **more, **row} for row in observe(own)]
                loss = (0.1 + 12 * size**-0.33) * np.exp(0.1 * luck)
                corpus = {"family": "corpus", "elicitation": "likelihood", "n_items": 500}
                for metric, scale in (("loss_nats", 1.0), ("bits_per_byte", 0.4)):
                    held_out = {"metric": metric, "value": loss * scale, "stderr": 0.01 * loss * scale}
                    observations.append({**point, **more, **corpus, **held_out})
        return SCORES.frame(rows), observations


def sizes(size: int) -> dict[str, Any]:
    return {"n_params": size, "n_tokens": N_TOKENS, "train_flops": 6 * size * N_TOKENS}


def ability(family: Family, size: int) -> float:
    """Far below every item where the slope is 0."""
    return family.slope * (np.log(size) - family.middle) if family.slope else -50.0


def score_rows(
    family: Family, size: int, luck: float, difficulty: Any, rng: np.random.Generator
) -> list[dict[str, Any]]:
    logits = ability(family, size) - difficulty + luck * (family.slope > 0)
    share = 1 / (1 + np.exp(-logits))
    solved = rng.random(family.n_items) < family.chance + (1 - family.chance) * share
    bits = 8 * np.exp(-0.2 * np.log(size / 1000) + 0.05 * difficulty + 0.05 * luck)
    rows = []
    for index in range(family.n_items):
        row: dict[str, Any] = {
            "family": family.name,
            "elicitation": family.elicitation,
            "item": f"{family.name}-{index:03}",
            "chance": family.chance,
            "exact_match": int(solved[index]),
            "partial_credit": max(float(solved[index]), round(float(share[index]) ** 0.5, 6)),
            "target_bits_per_byte": float(bits[index]),
            "status": "ok" if family.elicitation == "python" else None,
            "response": f"said {bits[index]:.12f}",
        }
        if family.elicitation == "choice":
            row["brier"] = 0.75 + 0.01 * rng.standard_normal()
        rows.append(row)
    return rows


def items_of(family: Family) -> list[dict[str, Any]]:
    blank = {"question": "", "answer": "", "n_required": 1, "n_optional": 0, "order_matters": False}
    blank |= {"human_seconds": 1.0, "fuel": 1, "chance": family.chance, "programs": [""]}
    return [
        {**blank, "id": f"{family.name}-{index:03}", "family": family.name, "skills": ["carry", f"digits{index % 4}"]}
        for index in range(family.n_items)
    ]


def observe(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    table = pd.DataFrame(rows)
    found = []
    for metric in ("exact_match", "partial_credit", "target_bits_per_byte", "brier"):
        if metric in table:
            found.append(
                {
                    "family": rows[0]["family"],
                    "elicitation": rows[0]["elicitation"],
                    "metric": metric,
                    "value": table[metric].mean(),
                    "stderr": table[metric].std() / np.sqrt(len(rows)),
                    "n_items": len(rows),
                    "chance": rows[0]["chance"] if metric == "exact_match" else None,
                }
            )
    return found
