"""A ladder's results with the weights, dvc.lock and history that the pipeline would leave, made without it, and the
comparison of a trace with what sha256sum, sed and git say."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from results_tree import params_of, write_results
from tasklaws.core.files import write_json, write_text
from tasklaws.core.settings import Settings
from tasklaws.ladder.card import read_made_by, write_card
from tasklaws.provenance.chain import files_in, md5
from tasklaws.report.build import build_report

FEW = ("gauss_sum", "largest_of_four")


def make_tree(root: Path) -> dict[str, Any]:
    """The miniature ladder with its report, its dvc.lock committed; its params."""
    params = params_of("nano_mini", FEW)
    write_results(root, params)
    _write_models(root, params)
    build_report(root, Settings.of(params))
    for name in ("items", "corpus", "model", "respond", "score", "observe", "fit", "forecast", "validate", "report"):
        write_text(root / f"stages/{name}.py", f"# {name}\n")
    write_text(root / ".gitignore", "/data\n/models\n/responses\n/scores\n.work\n")
    write_text(root / "requirements.lock", "numpy==2.4.6\nsix==1.0\n")
    (root / "dvc.lock").unlink(missing_ok=True)  # that of the tree, which git is to meet later
    git(root, "init", "-q")
    commit(root, "the sources")
    write_text(root / "dvc.lock", yaml.safe_dump({"schema": "2.0", "stages": dict(_stages(root, params))}))
    commit(root, "the results")
    return params


def _write_models(root: Path, params: dict[str, Any]) -> None:
    """Files whose hashes are those of the cards that `results_tree` made up."""
    ladder = params["models"]["name"]
    write_text(root / "data/corpus/train.jsonl", "{}\n")
    for rung, entry in params["models"]["rungs"].items():
        card = read_made_by(root / "scores" / ladder / entry["role"], rung).card
        for one in card.checkpoints:
            for name in one.files:
                text = f"{card.n_params} {one.seed} {one.n_tokens} {name}"
                write_text(root / "models" / rung / one.path / name, text)
        write_card(root / "models" / rung, card)


def _stages(root: Path, params: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    ladder, rungs = params["models"]["name"], params["models"]["rungs"]
    results, role = f"results/{ladder}", {rung: entry["role"] for rung, entry in rungs.items()}

    def stage(name: str, deps: list[str], outs: list[str], **more: Any) -> tuple[str, dict[str, Any]]:
        script = f"stages/{name.partition('@')[0]}.py"
        entry = {"cmd": f"python {script}", "deps": [_entry(root, path) for path in (*deps, script)]}
        used = {"models.name": ladder, "models.rungs": rungs, "laws": params["laws"], "seed": params["seed"]}
        entry["params"] = {"params.yaml": {**used, **more}}
        return name, entry | {"outs": [_entry(root, path) for path in outs]}

    yield stage("items", [], ["data/items"])
    yield stage("corpus", ["data/items"], ["data/corpus"])
    for rung in rungs:
        scores = f"scores/{ladder}/{role[rung]}/{rung}"
        gate, said = f"{results}/gate/{role[rung]}.json", f"responses/{ladder}/{rung}.jsonl"
        if not (root / gate).exists():
            write_json(root / gate, {})
        yield stage(f"model@{rung}", ["data/corpus"], [f"models/{rung}"], source=rungs[rung]["source"])
        yield stage(f"respond@{rung}", [f"models/{rung}", "data/items"], [said])
        outs = [f"{scores}.csv", f"{scores}.json"]
        yield stage(f"score@{rung}", [said, f"models/{rung}/card.json", "data/items", gate], outs)
    for each in ("fit", "holdout"):
        outs = [f"{results}/observations_{each}.csv"]
        yield stage(f"observe@{ladder}-{each}", [f"scores/{ladder}/{each}"], outs)
    seen = [f"{results}/observations_{each}.csv" for each in ("fit", "holdout")]
    yield stage(f"fit@{ladder}", [seen[0], f"scores/{ladder}/fit"], [f"{results}/fits.json", f"{results}/mirage.csv"])
    forecasts = [f"{results}/forecasts.csv", f"{results}/bands.csv", f"{results}/gate/holdout.json"]
    yield stage(f"forecast@{ladder}", [f"{results}/fits.json", seen[0]], forecasts)
    validated = [f"{results}/{name}" for name in ("validation.csv", "metrics.json", "surprises.csv")]
    yield stage(f"validate@{ladder}", ["data/items", *seen, forecasts[0], f"scores/{ladder}/holdout"], validated)
    drawn = [f"{results}/figures", f"{results}/provenance.json"]
    yield stage(f"report@{ladder}", [*seen, *forecasts[:2], *validated, f"scores/{ladder}/fit"], drawn)


def _entry(root: Path, path: str) -> dict[str, Any]:
    files = files_in(root / path) if (root / path).is_dir() else [root / path]
    found = {"path": path, "hash": "md5", "md5": md5(root / path), "size": sum(each.stat().st_size for each in files)}
    return found | ({"nfiles": len(files)} if (root / path).is_dir() else {})


def git(root: Path, *command: str) -> str:
    done = subprocess.run(["git", *command], cwd=root, capture_output=True, text=True, check=True)
    return done.stdout


def commit(root: Path, message: str) -> None:
    git(root, "add", "-A")
    git(root, "-c", "user.name=t", "-c", "user.email=t@localhost", "commit", "-qm", message)


def facts(node: Any) -> Iterator[dict[str, Any]]:
    """Every dictionary in a trace's JSON."""
    if isinstance(node, dict):
        yield node
        for value in node.values():
            yield from facts(value)
    elif isinstance(node, list):
        for value in node:
            yield from facts(value)


def check(root: Path, found: dict[str, Any]) -> None:
    """A trace says what sha256sum, sed and git say, and reaches items, responses, weights, params and commit."""
    files: dict[str, str] = {}
    lines: dict[tuple[str, int], str] = {}
    commits: dict[str, str | None] = {}
    weights: dict[str, str] = {}
    params = 0
    for each in facts(found):
        if "line" in each and "sha256" in each:
            lines[each["file"], each["line"]] = each["sha256"]
        elif each.get("sha256") and ("path" in each or "drawn_from" in each):
            name = each.get("within") or each.get("drawn_from") or each["path"]
            assert files.setdefault(name, each["sha256"]) == each["sha256"]
        if isinstance(each.get("files"), dict):
            files |= each["files"]
        if "md5" in each and "commit" in each:
            commits[each["md5"]] = each["commit"]
        if "weights_sha256" in each and "path" in each:
            assert each["weights_sha256_here"] == each["weights_sha256"]
            weights[each["path"]] = each["weights_sha256"]
        params += "params" in each
    for path, sha in weights.items():
        (file,) = (root / path).glob("*.safetensors")
        files[file.relative_to(root).as_posix()] = sha
    said = subprocess.run(["sha256sum", *files], cwd=root, capture_output=True, text=True, check=True).stdout
    assert {line[66:]: line[:64] for line in said.splitlines()} == files
    for (file, number), sha in lines.items():
        command = f"sed -n {number}p '{file}' | sha256sum"
        assert subprocess.run(command, shell=True, cwd=root, capture_output=True, text=True).stdout[:64] == sha
    for hashed, commit_ in commits.items():
        history = git(root, "log", "--reverse", "--format=%H", f"-S{hashed}", "--", "dvc.lock").split()
        assert commit_ == (history[0] if history else None), hashed
    assert any(name.startswith("data/items/") for name in files)
    assert any(name.startswith("responses/") for name in files)
    assert weights
    assert params
    assert any(commits.values())
