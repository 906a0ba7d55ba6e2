"""The whole pipeline on a small ladder, in a clone: real DVC, training, lm-eval and sandbox."""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import pandas as pd
import pytest
import yaml

import local_tasks
from clone import ROOT, Clone, asked

pytestmark = [pytest.mark.slow, pytest.mark.pipeline]

SIZES = ("1k", "21k")  # of the miniature ladder, but for mini-5k


def goes_from_nothing_to_the_report(clone: Clone, order: list[str]) -> None:
    page = (clone.path / "reports/nano_mini/index.html").read_text()
    assert "nano_mini" in page
    assert "sha256_power" in page
    results = clone.path / "results/nano_mini"
    for name in ("observations_fit.csv", "observations_holdout.csv", "validation.csv", "metrics.json", "tracking.json"):
        assert (results / name).stat().st_size > 0
    observed = pd.read_csv(results / "observations_holdout.csv")
    assert set(observed["rung"]) == {"mini-21k"}
    assert observed["value"].notna().all()
    assert order.index("forecast@nano_mini") < order.index("score@mini-21k") < order.index("validate@nano_mini")
    assert order.index("score@mini-1k") < order.index("fit@nano_mini")


def test_it_goes_from_nothing_to_the_report_and_forecasts_before_it_scores(finished_clone: Clone) -> None:
    goes_from_nothing_to_the_report(finished_clone, (finished_clone.path.parent / "order").read_text().splitlines())


@pytest.mark.heavy
def test_so_does_the_ladder_of_the_readme_with_two_workers_and_they_change_no_byte(tmp_path: Path) -> None:
    two, one = Clone.fresh(tmp_path / "two"), Clone.fresh(tmp_path / "one")
    two.run("tasklaws", "compose", "models=nano_mini", "execution.workers=2")
    goes_from_nothing_to_the_report(two, two.ran("dvc", "repro"))
    one.run("tasklaws", "compose", "models=nano_mini", "execution.workers=1")
    one.run("dvc", "repro")
    assert one.outputs() == two.outputs()


def test_a_second_repro_does_nothing(clone: Clone) -> None:
    before = (clone.path / "dvc.lock").read_bytes()
    assert clone.ran("dvc", "repro") == []
    assert (clone.path / "dvc.lock").read_bytes() == before


def test_metrics_and_plots_show_with_titles_and_leave_nothing_behind(clone: Clone) -> None:
    numbers = json.loads((clone.path / "results/headline.json").read_text())
    shown = clone.run("dvc", "metrics", "show")
    assert set(numbers) <= set(shown.split())
    assert len(shown.splitlines()) == 2
    said = clone.run("dvc", "plots", "show")
    page = (clone.path / "dvc_plots/index.html").read_text()
    plots = [json.loads(spec) for spec in re.findall(r"var spec = (\{.*?\});\n", page)]
    assert [plot["title"][:3] for plot in plots] == ["1. ", "2. "]
    assert '"type": "log"' in page or '"type":"log"' in page
    assert page.count("<img src=") == len(list((clone.path / "results/nano_mini/figures").iterdir()))
    assert not any(word in shown + said for word in ("WARNING", "failed"))
    assert clone.run("git", "status", "--porcelain") == ""


def test_a_laws_setting_asks_no_model_again(clone: Clone) -> None:
    clone.set(lambda params: params["laws"].update(replicates=params["laws"]["replicates"] + 20))
    changed = clone.run("dvc", "status")  # it runs in test_pythia_pipeline.py
    assert "fit@nano_mini:" in changed
    assert not [line for line in changed.splitlines() if line.startswith(("model@", "respond@", "items", "corpus"))]


def test_one_rungs_budget_concerns_that_rung_and_what_follows_only(clone: Clone) -> None:
    clone.set(lambda params: params["models"]["rungs"]["mini-5k"]["source"].update(n_tokens=20_480))
    made = ("models/mini-5k/card.json", "responses/nano_mini/mini-5k.jsonl", "scores/nano_mini/fit/mini-5k.csv")
    for path in made:  # as if each stage had run, and the next not yet
        (clone.path / path).write_bytes((clone.path / path).read_bytes() + b"\n")
    changed = {line.split(":")[0] for line in clone.run("dvc", "status").splitlines() if line.endswith(":")}
    assert {f"{stage}@mini-5k" for stage in ("model", "respond", "score")} <= changed
    assert {"observe@nano_mini-fit", "fit@nano_mini", "report@nano_mini", "track@nano_mini"} <= changed
    others = ("items", "corpus", *(f"{stage}@mini-{size}" for stage in ("model", "respond", "score") for size in SIZES))
    assert not set(others) & changed


@pytest.mark.heavy
def test_one_rungs_budget_reruns_that_rung_and_what_follows_only(clone: Clone) -> None:
    clone.set(lambda params: params["models"]["rungs"]["mini-5k"]["source"].update(n_tokens=20_480))
    ran = clone.ran("dvc", "repro", "forecast@nano_mini")
    assert [stage for stage in ran if stage.startswith(("model@", "respond@"))] == ["model@mini-5k", "respond@mini-5k"]
    assert {"score@mini-5k", "observe@nano_mini-fit", "fit@nano_mini", "forecast@nano_mini"} <= set(ran)
    follow = clone.run("dvc", "status")  # they run in the test from nothing to the report
    assert all(f"{stage}@nano_mini:" in follow for stage in ("validate", "report", "track"))
    clone.run("git", "checkout", ".")
    # DVC keeps no run of an output that it leaves in place, as it does models, which might be a person's.
    assert clone.ran("dvc", "repro") == ["model@mini-5k"]
    clone.run("git", "diff", "--exit-code")


# What stands when a stage is in the middle of its work, in the order in which stages first run; one that writes
# all at its end is killed as it sets out.
MIDDLE = {
    "items": "data/items/*",
    "corpus": "data/corpus/*",
    "model": ".work/train/*/*/seed0.state",
    "respond": ".work/respond/*/*/seed0-*.jsonl",
    "score": ".work/outcomes/*",
    "fit": "dvc.yaml",
    "report": "results/nano_mini/figures/*",
    "track": "mlflow.db*",
}


def test_kill_9_while_a_rung_is_asked_then_repro_gives_the_same_bytes(clone: Clone) -> None:
    """In the middle of training: ladder/test_train.py; of scoring: sandbox/test_outcome_cache.py."""
    wanted = clone.outputs()
    (clone.path / "responses/nano_mini/mini-1k.jsonl").unlink()
    clone.forget("respond@mini-1k")
    shutil.rmtree(clone.path / ".dvc/cache/runs")
    kill_in_the_middle(clone, "respond", "respond@mini-1k")
    assert clone.ran("dvc", "repro", "score@mini-1k") == ["respond@mini-1k"]
    assert clone.outputs() == wanted


def test_kill_9_while_the_runs_are_rebuilt_then_repro_gives_the_same_account(clone: Clone) -> None:
    wanted = clone.outputs()
    (clone.path / "results/nano_mini/tracking.json").unlink()
    clone.forget("track@nano_mini")
    kill_in_the_middle(clone, "track")
    assert clone.ran("dvc", "repro") == ["track@nano_mini"]
    assert clone.outputs() == wanted


@pytest.mark.heavy
def test_kill_9_in_the_middle_of_every_stage_then_repro_gives_the_same_bytes(
    finished_clone: Clone, tmp_path: Path
) -> None:
    """Two runs on one machine end alike, training included, though one is killed over and over."""
    again = Clone.small(tmp_path / "again")
    for stage in MIDDLE:
        kill_in_the_middle(again, stage)
    again.run("dvc", "repro")
    assert again.outputs() == finished_clone.outputs()


def kill_in_the_middle(clone: Clone, stage: str, *targets: str) -> None:
    """Run the pipeline, and end it without warning when the first stage of this name is in the middle of its work."""
    middle, known = MIDDLE[stage], set(clone.locked())
    with (clone.path / "log").open("w") as log:
        process = subprocess.Popen(
            ["dvc", "repro", *targets], cwd=clone.path, env=clone.env, stdout=log, stderr=log, start_new_session=True
        )
    deadline = time.monotonic() + 900
    try:
        while not (any(clone.path.glob(middle)) and runs(clone.path, stage)):
            ended = process.poll()
            assert ended is None, f"{stage} was never in its middle, {ended}: {(clone.path / 'log').read_text()}"
            assert time.monotonic() < deadline, stage
            time.sleep(0.02)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    new = set(clone.locked()) - known
    assert not any(name.split("@")[0] == stage for name in new), f"{stage} was done before it was killed"


def runs(root: Path, stage: str) -> bool:
    """Whether a process runs the stage's script in this clone."""
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = entry.read_bytes().split(b"\0")
            if f"stages/{stage}.py".encode() in words and (entry.parent / "cwd").readlink() == root:
                return True
        except OSError:
            continue
    return False


def test_a_clone_that_pulled_from_a_folder_has_every_curve_and_run_and_asks_no_model(
    clone: Clone, tmp_path: Path
) -> None:
    clone.run("git", "clone", "-q", ".", str(tmp_path / "other"))
    other = Clone(tmp_path / "other")
    clone.run("dvc", "remote", "add", "--local", "-d", "store", str(tmp_path / "store"))
    shutil.copy(clone.path / ".dvc/config.local", other.path / ".dvc")
    for each, move in ((clone, "push"), (other, "pull")):
        assert "WARNING" not in each.run("dvc", move)
    other.run("tasklaws", "track")
    assert (other.path / "mlflow.db").exists()
    assert other.ran("dvc", "repro") == ["report@nano_mini"]
    assert 'href="nano_mini/index.html"' in (other.path / "reports/index.html").read_text()
    for files in ("reports/nano_mini/*", "results/nano_mini/figures/*", "responses/nano_mini/*"):
        there, here = ([path.relative_to(each.path) for path in each.path.glob(files)] for each in (clone, other))
        assert sorted(there) == sorted(here) != []
    assert other.run("git", "status", "--porcelain") == ""


RUNG = (
    "{role: fit, source: {kind: train, layers: 3, width: 8, heads: 1, seeds: [0], n_tokens: 30720, "
    "step_tokens: 1024, muon_lr: 0.01, adam_lr: 0.009, adam_lr_width: 0.18, checkpoints: []}}"
)
OTHER = [
    "models=nano_mini",
    "models.name=nano_four",
    f"+models.rungs.mini-2k={RUNG}",
    *(f"~elicitation.ask.{family}" for family in asked() if family != "largest_of_four"),
    "experiment=overlap",
    "experiment.sets.overlaps=[0,1]",
    "experiment.sets.n_seeds=2",
    "experiment.sets.min_rungs=3",
    "experiment.exponents=[1.5]",
    "experiment.zipf.n_documents=400",
    "experiment.zipf.n_heldout=20",
    "experiment.zipf.n_tokens=[4096,8192,16384,32768]",
    "experiment.zipf.source.width=8",
    "experiment.zipf.source.heads=1",
    "experiment.zipf.source.seeds=[0]",
]


@pytest.mark.heavy
def test_an_experiment_switches_ladders_runs_its_overlap_sets_and_goes_back(clone: Clone) -> None:
    """`dvc exp run -S` recomposes and runs, `dvc exp show` lists it, going back runs nothing again."""
    page = (clone.path / "reports/nano_mini/index.html").read_bytes()
    figures = [path.relative_to(clone.path) for path in clone.path.glob("results/nano_mini/figures/*")]
    numbers = json.loads((clone.path / "results/headline.json").read_text())
    said = clone.run("dvc", "exp", "run", "-n", "four", *(word for setting in OTHER for word in ("-S", setting)))
    ran = [line.split("'")[1] for line in said.splitlines() if line.startswith("Running stage '")]
    assert [stage for stage in ran if stage.startswith("model@")] == ["model@mini-2k"]
    assert ran.index("forecast@nano_four") < ran.index("overlap_score@mini-21k"), "no outcome before its forecast"
    other = (clone.path / "reports/nano_four/index.html").read_text()
    entry = (clone.path / "reports/index.html").read_text()
    assert all(f'href="{name}/index.html"' in entry for name in ("nano_mini", "nano_four"))
    results = clone.path / "results/nano_four"
    assert all(
        (results / f"figures/overlap-{name}.svg").exists() for name in ("forecast", "theory", "coverage", "zipf")
    )
    assert all(f'id="overlap-{name}-title"' in other for name in ("forecast", "theory", "coverage", "zipf"))
    clone.env["COLUMNS"] = "140"
    compare = re.search("^dvc exp show (.*?)   #", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert compare
    shown = clone.run("dvc", "exp", "show", "--no-pager", *shlex.split(compare[1]))
    assert all(word in shown for word in ("nano_mini", "nano_four", "[four]", *numbers))
    assert max(map(len, shown.splitlines())) <= 140
    assert "…" not in shown
    assert "mae_repeat" in clone.run("dvc", "metrics", "diff", "HEAD")
    for file in ("reports/nano_mini/index.html", *figures):
        assert (clone.path / file).exists(), "the other ladder's pages and figures stay"
    assert clone.ran("dvc", "exp", "run", "-S", "models=nano_mini") == []
    assert (clone.path / "reports/nano_mini/index.html").read_bytes() == page
    clone.run("git", "diff", "--exit-code", "params.yaml", "results/nano_mini")


@pytest.mark.heavy
def test_benchmarks_go_from_their_documents_to_the_report_and_train_nothing_again(clone: Clone) -> None:
    local_tasks.write_tasks(clone.path / "my_tasks", named="my_tasks")
    asked = {"subjects": {}, "written": {"repeats": 2}, "ending": {}, "text": {}}
    mine = {"benchmarks": asked, "benchmark_folder": "my_tasks"}
    (clone.path / "conf/benchmarks/mine.yaml").write_text("# @package _global_\n" + yaml.safe_dump(mine))
    clone.commit("benchmarks")
    ran = clone.ran("dvc", "exp", "run", "-S", "models=nano_mini", "-S", "benchmarks=mine")
    assert not [stage for stage in ran if stage.startswith("model@")]
    results = clone.path / "results/nano_mini"
    for name in ("points", "forecasts", "validation"):
        text = (results / f"{name}.csv").read_text()
        assert all(word in text for word in ("perplexity", "word_perplexity", "pass@2", '"exact_match,strict,mean@2"'))
    surprises = pd.read_csv(results / "surprises.csv")
    assert set(asked) - {"text"} <= set(surprises["family"])
    pages = [page.read_text() for page in (clone.path / "reports/nano_mini").rglob("*.html")]
    assert sum('id="written-benchmark-pass@2-title"' in page for page in pages) == 1
    for point in ("written_benchmark", "perplexity:ending_benchmark", "letters-00002"):
        assert "data/benchmarks/" in clone.run("tasklaws", "trace", f"{point}@mini-21k")
    clone.commit("its results")
    assert "nothing differs" in clone.run("tasklaws", "verify")
    assert clone.ran("dvc", "repro") == []
    task = clone.path / "my_tasks/ending.yaml"
    task.write_text(task.read_text().replace("{{before}}", "{{before}}?"))
    assert {"benchmarks", "respond@mini-1k"} <= set(clone.ran("dvc", "repro", "respond@mini-1k"))
