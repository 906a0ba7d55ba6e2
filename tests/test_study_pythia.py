"""studies/pythia: what it begins at, that its forecasts know no outcome, and that its page says what comes out."""

import json
import re
import runpy
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml

from shared_data import ROOT
from tasklaws import cli
from tasklaws.claims.file import read_claim
from tasklaws.claims.vouched import rests_on
from tasklaws.core.files import read_json, sha256_file
from tasklaws.tables import AHEAD_FORECASTS
from tasklaws.verify.tree import pipeline

STUDY = Path("studies/pythia")
PAGE = (ROOT / STUDY / "README.md").read_text()
FORECASTS = "results/forecasts_6.9b*.csv"
LARGEST = 6_444_163_072


FEW_STEPS = ("1000", "13000", "33000", "63000", "103000", "143000")


def copied(root: Path, **few: tuple[str, ...]) -> Path:
    """A copy of the study without its results, of its tables only the rows with `few` values in some columns."""
    shutil.copytree(ROOT / STUDY, root / STUDY, ignore=shutil.ignore_patterns("results", "fetched"))
    for path in (root / STUDY / "published").glob("*.csv") if few else ():
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
        for column, values in few.items():
            table = table[table[column].isin(values)]
        table.to_csv(path, index=False)
    return root / STUDY


def run_stages(study: Path, monkeypatch: pytest.MonkeyPatch, *stages: str) -> None:
    with monkeypatch.context() as here:
        here.chdir(study.parents[1])
        for stage in stages:
            runpy.run_path(str(STUDY / f"{stage}.py"))["main"]()


def stages() -> list[str]:
    return list(yaml.safe_load((ROOT / STUDY / "dvc.yaml").read_text())["stages"])


@pytest.fixture(scope="module")
def rerun(tmp_path_factory: pytest.TempPathFactory, not_quick: None) -> Path:
    """The study made again, from what it begins at."""
    study = copied(tmp_path_factory.mktemp("study"))
    with pytest.MonkeyPatch.context() as monkeypatch:
        run_stages(study, monkeypatch, *stages())
    return study


def test_it_begins_at_the_figures_that_its_record_names_and_knows_nothing_of_12b() -> None:
    source = read_json(ROOT / STUDY / "published/source.json")
    published = sorted((ROOT / STUDY / "published").glob("*.csv"))
    assert {path.name: sha256_file(path) for path in published} == source["sha256"]
    assert source["licence"] == "Apache-2.0"
    known, early, outcomes = (
        pd.read_csv(ROOT / STUDY / "published" / name)
        for name in ("known.csv", "checkpoints_6.9b.csv", "outcomes_6.9b.csv")
    )
    assert known["n_params"].max() < LARGEST
    assert set(early["n_params"]) == set(outcomes["n_params"]) == {LARGEST}
    assert not early["is_final"].any()
    assert outcomes["is_final"].all()
    assert known.query("is_final")["model"].nunique() == 12
    assert all(table["task"].nunique() == 8 for table in (known, early, outcomes))
    assert [path.name for path in published if "12b" in path.read_text()] == []


def test_no_stage_reads_an_outcome_before_the_forecasts_are_written() -> None:
    by_name = yaml.safe_load((ROOT / STUDY / "dvc.yaml").read_text())["stages"]
    assert "outcomes" not in str(by_name["pythia_forecast"]["deps"])
    assert "forecasts_6.9b.csv" in str(by_name["pythia_check"]["deps"])
    for name in ("pythia_next", "pythia_report"):
        assert f"{STUDY}/results/check.json" in by_name[name]["deps"]


@pytest.mark.slow
def test_it_comes_out_as_it_lies_here(rerun: Path) -> None:
    here = ROOT / STUDY / "results"
    assert {path.name for path in rerun.glob("results/*")} == {path.name for path in here.glob("*")}
    for path in sorted(here.glob("*.csv")):  # to the byte on one machine; another's libraries may round otherwise
        pd.testing.assert_frame_equal(pd.read_csv(rerun / "results" / path.name), pd.read_csv(path), rtol=1e-5)
    assert (rerun / "results/summary.md").read_text() == (here / "summary.md").read_text()


@pytest.mark.slow
def test_forecasts_of_6_9b_do_not_move_by_a_byte_with_its_outcomes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forecast(study: Path) -> list[bytes]:
        run_stages(study, monkeypatch, "pythia_forecast")
        return [path.read_bytes() for path in sorted(study.glob("results/*"))]

    study = copied(tmp_path, task=("arc_easy", "lambada_openai"), step=FEW_STEPS)
    before = forecast(study)
    change(study / "published/outcomes_6.9b.csv")
    assert forecast(study) == before
    change(study / "published/checkpoints_6.9b.csv")  # the test can tell; and these move none by size
    after = forecast(study)
    moved = [
        path.name for path, old, new in zip(sorted(study.glob("results/*")), before, after, strict=True) if old != new
    ]
    assert moved == [path.name for path in sorted(study.glob("results/*_after_*"))]


def change(path: Path) -> None:
    """Another value in every row of a table, within its range."""
    table = pd.read_csv(path)
    table["value"] = table["value"] * 0.9
    table.to_csv(path, index=False)


def test_the_claim_on_12b_is_what_is_forecast_and_rests_on_the_published_figures() -> None:
    claim = read_claim(ROOT / STUDY / "claim_12b.json")
    forecasts = AHEAD_FORECASTS.read(ROOT / STUDY / "results/forecasts_12b.csv")
    assert len(forecasts) == 2 * 9
    forecasts = forecasts[forecasts["metric"] == "acc"].sort_values(["model", "task"])
    said = claim.table.sort_values(["model", "task"])
    assert list(said["model"] + said["task"]) == list(forecasts["model"] + forecasts["task"])
    for name in ("predicted", "lower", "upper", "last"):  # another machine's libraries may round otherwise
        assert said[name].to_numpy() == pytest.approx(forecasts[name].to_numpy(), rel=1e-5)
    known = read_json(ROOT / STUDY / "published/source.json")["sha256"]
    assert claim.rests_on.files == {f"published/{name}": digest for name, digest in known.items()}
    assert {each.state for each in rests_on(claim, ROOT / STUDY)[:-1]} == {"as recorded"}
    for chance in (claim.rule.pass_chance[name] for name in ("true", "no_change_from_the_last_known")):
        assert f"{100 * chance:.0f}%" in PAGE


def test_its_page_says_what_came_out() -> None:
    summary = (ROOT / STUDY / "results/summary.md").read_text()
    assert [table for table in summary.strip().split("\n\n") if table not in PAGE] == []
    by_size = read_json(ROOT / STUDY / "results/check.json")["acc"]["smaller models"]
    front = " ".join((ROOT / "README.md").read_text().split())
    assert f"off by {by_size['mae']:.1f} points (repeating 2.8b's scores: {by_size['mae_repeat_last']:.1f})" in front
    assert f"{by_size['inside']} of {by_size['n']} intervals held it" in front
    assert all(digest in PAGE for digest in read_json(ROOT / STUDY / "published/source.json")["sha256"].values())


# What runs a command of the page that is not run below.
ELSEWHERE = {"make study": "conftest.py: finished_clone", "python studies/pythia/refetch.py": "see below, from a copy"}


@pytest.mark.slow
def test_the_commands_of_its_page_run_and_say_the_same(
    rerun: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    blocks = re.findall(r"```bash\n(.*?)```", PAGE, re.DOTALL)
    lines = [line.split("  #")[0].strip() for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    assert set(ELSEWHERE) < set(lines)
    check, forecast = [line for line in lines if line not in ELSEWHERE]
    monkeypatch.chdir(ROOT)
    # Not the outcomes, but numbers that the claim allows.
    allowed = pd.DataFrame(read_json(ROOT / STUDY / "claim_12b.json")["statements"])
    columns = ["model", "task", "metric", "predicted"]
    allowed[columns].set_axis([*columns[:3], "value"], axis=1).to_csv(tmp_path / "outcomes_12b.csv", index=False)
    monkeypatch.setattr(sys, "argv", [*shlex.split(check)[:-1], str(tmp_path / shlex.split(check)[-1])])
    cli.main()
    assert capsys.readouterr().out.startswith(f"PASS: {len(allowed)} of {len(allowed)}")
    monkeypatch.setattr(sys, "argv", [*shlex.split(forecast)[:-1], str(tmp_path / "out")])
    cli.main()
    said, found = (
        AHEAD_FORECASTS.read(path) for path in (tmp_path / "out/forecasts.csv", rerun / "results/forecasts_6.9b.csv")
    )
    pd.testing.assert_frame_equal(said, found[found["metric"] == "acc"].reset_index(drop=True))


@pytest.mark.slow
@pytest.mark.pipeline
def test_it_is_fetched_again_from_a_copy_of_the_repository_and_what_differs_is_named(tmp_path: Path) -> None:
    root, upstream = tmp_path / "here", tmp_path / "upstream"
    study = copied(root, task=("logiqa", "piqa"), step=FEW_STEPS, model=("pythia-70m", "pythia-6.9b"))
    (root / ".dvc").mkdir()
    (root / ".dvc/config").write_text("[core]\n    analytics = false\n")
    publish(study, upstream)
    git(root, "init", "-q")
    said = refetched(root, upstream)
    n_figures = sum(len(pd.read_csv(path)) for path in study.glob("published/*.csv"))
    assert said.stdout.strip().endswith(f"{n_figures} figures are those of studies/pythia/fetched")
    assert len(list(study.glob("fetched/*/zero-shot/*.json"))) == 2 * len(FEW_STEPS)
    assert [path.name for path in study.rglob("*12b*")] == ["claim_12b.json"]
    assert list(pipeline(root).stages) == stages()  # `tasklaws verify` takes no import for a stage
    commit = git(upstream, "rev-parse", "HEAD")
    assert (
        yaml.safe_load((study / "fetched/pythia-70m/zero-shot.dvc").read_text())["deps"][0]["repo"]["rev_lock"]
        == commit
    )

    file = upstream / "evals/pythia-v1/pythia-6.9b/zero-shot/step33000.json"
    file.write_text(file.read_text().replace('"acc": 0.', '"acc": 0.1', 1))
    commit_all(upstream)
    other = refetched(root, upstream)
    assert other.returncode == 1
    assert re.search(r"error: 1 of \d+ figures differ .*pythia-6.9b step 33000 logiqa acc is 0.1", other.stderr)
    assert refetched(root, upstream, commit).returncode == 0
    assert re.search("error: .*/nowhere: .*: give a repository", refetched(root, tmp_path / "nowhere").stderr)


def publish(study: Path, upstream: Path) -> None:
    """A repository with the published figures as Pythia's has them, and with files of 12b."""
    folder = upstream / "evals/pythia-v1"
    table = pd.concat([pd.read_csv(path) for path in study.glob("published/*.csv")])
    for (model, step), rows in table.groupby(["model", "step"]):
        results = {task: dict(zip(own["metric"], own["value"], strict=True)) for task, own in rows.groupby("task")}
        document = {"results": results, "versions": {}, "config": {"model": "hf-causal", "num_fewshot": 0}}
        path = folder / str(model) / f"zero-shot/step{step}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(document))
    (folder / "pythia-12b/zero-shot").mkdir(parents=True)
    (folder / "pythia-12b/zero-shot/step143000.json").write_text("{}")
    git(upstream, "init", "-q")
    commit_all(upstream)


def commit_all(root: Path) -> None:
    git(root, "add", "-A")
    git(root, "-c", "user.name=t", "-c", "user.email=t@localhost", "commit", "-qm", "results")


def git(root: Path, *words: str) -> str:
    return subprocess.run(["git", *words], cwd=root, check=True, capture_output=True, text=True).stdout.strip()


def refetched(root: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, f"{STUDY}/refetch.py", *map(str, arguments)]
    return subprocess.run(words, cwd=root, capture_output=True, text=True, check=False)
