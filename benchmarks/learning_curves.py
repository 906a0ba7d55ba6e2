"""Extrapolating published learning curves: tasklaws against M1-M4, the broken power law and "repeat the last value".

    python benchmarks/learning_curves.py [--table ../shared/ladders/learning_curves.csv.gz]

Every method sees the points that the authors of the data (Alabdulmohsin et al. 2022) call training, and foretells the
rest. Figures are geometric means over curves of the RMSE of log loss, also for either half of the curves (by a hash
of the curve's name), and arithmetic means by domain.

Laws and memories were chosen on half 0. Of the rules for weights that half 0 could not tell apart, the textbook one was
taken, after both halves had been seen.
"""

import argparse
import hashlib
import time
from pathlib import Path

import numpy as np
import pandas as pd

from tasklaws.laws.fitting import fit_many
from tasklaws.laws.learning_curve import extrapolate_many

RIVALS = {"M1": "m1", "M2": "m2", "M3": "m3", "M4": "m4", "broken power law": "broken_power"}
PUBLISHED = pd.DataFrame(  # Alabdulmohsin et al. 2022, over all 92 curves; "last": run on the same
    {
        "NMT": [0.222, 0.030, 0.047, 0.020, 0.0083],
        "LM": [0.0140, 0.0020, 0.0022, 0.0023, 0.0072],
        "BB": [0.0148, 0.0091, 0.0087, 0.0094, 0.0092],
        "IC": [0.125, 0.120, 0.097, 0.095, 0.0999],
    },
    index=["M1", "M2", "M3", "M4", "repeat the last value"],
)


def half(curve: str) -> int:
    # "fold:", because the table itself holds the curves that a hash of the bare name chose.
    return int(hashlib.sha256(f"fold:{curve}".encode()).hexdigest(), 16) % 2


def errors(table: pd.DataFrame) -> pd.DataFrame:
    """RMSE of log loss by curve and method."""
    table = table.rename(columns={"n_examples": "n_tokens", "loss": "value"}).assign(metric="loss")
    names = sorted(table["curve"].unique())
    seen, hidden = [], []
    for name in names:
        curve = table[table["curve"] == name].sort_values("n_tokens", kind="stable")
        seen.append(curve.loc[curve["is_train"] == 1, ["n_tokens", "value", "metric"]])
        hidden.append(curve[curve["is_train"] == 0])
    ends = [curve["n_tokens"].to_numpy(dtype=float) for curve in hidden]
    forecasts: dict[str, list[np.ndarray]] = {}
    start = time.perf_counter()
    forecasts["tasklaws"] = [found.value for found in extrapolate_many(seen, ends)]
    print(f"tasklaws: {time.perf_counter() - start:.0f} s for {len(names)} curves")
    for label, law in RIVALS.items():
        fits = fit_many(seen, law, axis="n_tokens", replicates=0)
        forecasts[label] = [one.predict(x) for one, x in zip(fits, ends, strict=True)]
    forecasts["repeat the last value"] = [
        np.full(len(x), curve["value"].iloc[-1]) for curve, x in zip(seen, ends, strict=True)
    ]
    found = {
        label: [
            np.sqrt(np.mean((np.log(np.maximum(ours, 1e-6)) - np.log(curve["value"])) ** 2))
            for ours, curve in zip(values, hidden, strict=True)
        ]
        for label, values in forecasts.items()
    }
    return pd.DataFrame(found, index=pd.Index(names, name="curve"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", type=Path, default=Path("../shared/ladders/learning_curves.csv.gz"))
    found = errors(pd.read_csv(parser.parse_args().table))
    logs = found.map(np.log)
    halves = np.array([half(str(name)) for name in found.index])
    domain = found.index.str.split("|").str[0]
    summary = pd.DataFrame({"all": np.exp(logs.mean())})
    summary["ratio"] = np.exp((logs - logs[["tasklaws"]].to_numpy()).mean())
    for number in (0, 1):
        summary[f"half {number}"] = np.exp(logs[halves == number].mean())
    summary["curves where tasklaws is better"] = [int((found[label] > found["tasklaws"]).sum()) for label in found]
    print(f"\ngeometric mean of the RMSE of log loss, {len(found)} curves ({(halves == 0).sum()} in half 0)")
    print(summary.round(5).to_string())
    print("\narithmetic mean by domain")
    print(found.groupby(domain).mean().T.round(4).to_string())
    print("\nas published, over all 92 curves, by domain")
    print(PUBLISHED.to_string())


if __name__ == "__main__":
    main()
