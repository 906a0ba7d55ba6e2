"""Ways to change a finished tree, each with what `tasklaws verify` must name."""

import os
import py_compile
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from tasklaws.provenance.chain import load_yaml, md5

RUNG = "mini-5k"  # a fit rung
RESULTS, RESPONSES, SCORES = "results/nano_mini", "responses/nano_mini", "scores/nano_mini/fit"
Change = Callable[[Path], None]


@dataclass(frozen=True)
class Tampering:
    """A change of a tree; `named` must begin a line of verify's, which `deep` says needs --deep."""

    name: str
    change: Change
    named: str
    deep: bool = False


def flipped(path: str) -> Change:
    """One bit of the middle byte of a file."""

    def change(root: Path) -> None:
        data = bytearray((root / path).read_bytes())
        data[len(data) // 2] ^= 1
        (root / path).chmod(0o644)
        (root / path).write_bytes(data)

    return change


def appended(path: str, text: str) -> Change:
    def change(root: Path) -> None:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        with (root / path).open("a") as file:
            file.write(text)

    return change


def replaced(path: str, old: str, new: str) -> Change:
    def change(root: Path) -> None:
        text = (root / path).read_text()
        assert old in text, f"{path} does not say {old!r}"
        (root / path).write_text(text.replace(old, new, 1))

    return change


def removed(path: str) -> Change:
    return lambda root: (root / path).unlink()


def in_lock(edit: Callable[[dict[str, Any]], object]) -> Change:
    """An edit of dvc.lock's stages."""

    def change(root: Path) -> None:
        lock = load_yaml((root / "dvc.lock").read_text())
        edit(lock["stages"])
        (root / "dvc.lock").write_text(yaml.safe_dump(lock, sort_keys=False))

    return change


def with_its_hash(path: str, change: Change) -> Change:
    """A change of a file or folder, and of every hash of it in dvc.lock, folders that hold it included."""

    def both(root: Path) -> None:
        change(root)

        def edit(stages: dict[str, Any]) -> None:
            for stage in stages.values():
                for entry in [*stage.get("deps", []), *stage.get("outs", [])]:
                    there = entry["path"]
                    if path == there or path.startswith(f"{there}/") or there.startswith(f"{path}/"):
                        entry["md5"] = md5(root / there)

        in_lock(edit)(root)

    return both


def linked(path: str) -> Change:
    def change(root: Path) -> None:
        away = root / ".work/away"
        away.mkdir(parents=True)
        (root / path).rename(away / "it")
        (root / path).symlink_to(away / "it")

    return change


def _other_step(root: Path) -> None:
    model = root / "models" / RUNG
    other = next(path for path in sorted(model.glob("seed*")) if path.is_dir())
    shutil.copy2(other / "model.safetensors", model / "model.safetensors")


def _overlooked(root: Path) -> None:
    """git is told not to look at the file that is changed."""
    subprocess.run(["git", "update-index", "--assume-unchanged", "src/tasklaws/gate.py"], cwd=root, check=True)
    appended("src/tasklaws/gate.py", "\n# changed\n")(root)


def _bytecode(root: Path, optimize: int = 0) -> None:
    """Python loads bytecode of this size and date in the place of the source."""
    source = root / "src/tasklaws/gate.py"
    text, status = source.read_text(), source.stat()
    source.write_text(text.replace("sha256_file(table)", "sha256_file(gate_)")[: len(text)])
    os.utime(source, ns=(status.st_atime_ns, status.st_mtime_ns))
    py_compile.compile(str(source), doraise=True, optimize=optimize)
    source.write_text(text)
    os.utime(source, ns=(status.st_atime_ns, status.st_mtime_ns))


def _cache_object(root: Path) -> None:
    """Another content below the name of what the cache holds, left read-only as DVC leaves it."""
    path = f"{RESPONSES}/{RUNG}.jsonl"
    digest = md5(root / path)
    held = root / ".dvc/cache/files/md5" / digest[:2] / digest[2:]
    held.chmod(0o644)
    held.write_bytes(held.read_bytes() + b"\n")
    held.chmod(0o444)


def _unreferenced_object(root: Path) -> None:
    folder = root / ".dvc/cache/files/md5/00"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / ("0" * 30)).write_text("whoever checks out an older commit gets this")


def _moved_score(root: Path) -> None:
    path = root / SCORES / f"{RUNG}.csv"
    table = pd.read_csv(path)
    table["exact_match"] = 1 - table["exact_match"]
    table.to_csv(path, index=False)


def _said_otherwise(root: Path) -> None:
    path = root / RESPONSES / f"{RUNG}.jsonl"
    path.write_text(path.read_text().replace('"log_likelihood": -', '"log_likelihood": -1'))


def _cut(root: Path) -> None:
    """A valid beginning of dvc.lock, as a kill in the middle of DVC's writing leaves it."""
    text = (root / "dvc.lock").read_text()
    (root / "dvc.lock").write_text(text[: text.index("  validate@nano_mini:")])


def _everywhere(root: Path) -> None:
    """Another number of replicates in params.yaml, and in every stage of dvc.lock."""
    for name in ("params.yaml", "dvc.lock"):
        text = (root / name).read_text()
        (root / name).write_text(text.replace("replicates: 50", "replicates: 400"))


def _committed(change: Change) -> Change:
    def both(root: Path) -> None:
        change(root)
        who = ("-c", "user.name=t", "-c", "user.email=t@localhost")
        subprocess.run(["git", *who, "commit", "-qam", "a change"], cwd=root, check=True)

    return both


def both(*changes: Change) -> Change:
    def change(root: Path) -> None:
        for each in changes:
            each(root)

    return change


def _other(field: str, value: object) -> Callable[[dict[str, Any]], object]:
    """Another value of a field of data/items."""
    return lambda stages: stages["items"]["outs"][0].update({field: value})


def _twice(root: Path) -> None:
    text = (root / "dvc.lock").read_text()
    start = text.index("  items:")
    (root / "dvc.lock").write_text(text + text[start : text.index("\n  ", text.index("nfiles", start)) + 1])


def _executable(path: str) -> Change:
    return lambda root: (root / path).chmod(0o755)


def _junk(name: str) -> Change:
    """A file in the folder of bytecode; `311` becomes this Python's tag."""
    tag = sys.implementation.cache_tag
    return appended(f"stages/__pycache__/{name.replace('cpython-311', str(tag))}", "junk")


WEIGHTS = f"models/{RUNG}/model.safetensors"
FORECASTS, FITS = f"{RESULTS}/forecasts.csv", f"{RESULTS}/fits.json"
STATED = "studies/pythia/results/forecasts_12b.csv"
ADD_ROW = "made up\n"


def _pipe(root: Path) -> None:
    (root / f"{RESULTS}/fits.json").unlink()
    os.mkfifo(root / f"{RESULTS}/fits.json")


def _folder(root: Path) -> None:
    (root / f"{RESULTS}/fits.json").unlink()
    (root / f"{RESULTS}/fits.json").mkdir()


def _lost_link(root: Path) -> None:
    (root / f"{RESULTS}/figures/d.svg").symlink_to("nowhere")


def _no_text(root: Path) -> None:
    with (root / "dvc.lock").open("ab") as file:
        file.write(b"\xff\xfe")


TAMPERINGS = (
    # data
    Tampering("an item", flipped("data/items/addition.jsonl"), "data/items/addition.jsonl: "),
    Tampering("an item is gone", removed("data/items/addition.jsonl"), "data/items/addition.jsonl: "),
    Tampering("a stray file of items", appended("data/items/more.jsonl", "{}\n"), "data/items/more.jsonl: "),
    Tampering("the corpus", flipped("data/corpus/train.jsonl"), "data/corpus/train.jsonl: "),
    Tampering("the encoded corpus", flipped("data/corpus/train.npy"), "data/corpus/train.npy: "),
    Tampering("the people's attempts", flipped("data/population/attempts.csv"), "data/population/attempts.csv: "),
    Tampering("the people's estimates", flipped("data/humans/items.csv"), "data/humans/items.csv: "),
    Tampering(
        "items with their hash",
        with_its_hash("data/items", replaced("data/items/addition.jsonl", '"answer": "', '"answer": "1')),
        "data/items/addition.jsonl: ",
        deep=True,
    ),
    # models
    Tampering("weights", flipped(WEIGHTS), f"{WEIGHTS}: "),
    Tampering("another step's weights", _other_step, f"{WEIGHTS}: "),
    Tampering("config.json", appended(f"models/{RUNG}/config.json", " "), f"models/{RUNG}/config.json: "),
    Tampering(
        "generation_config.json",
        appended(f"models/{RUNG}/generation_config.json", " "),
        f"models/{RUNG}/generation_config.json: ",
    ),
    Tampering("the tokenizer", appended(f"models/{RUNG}/tokenizer.json", " "), f"models/{RUNG}/tokenizer.json: "),
    Tampering("the card", appended(f"models/{RUNG}/card.json", " "), f"models/{RUNG}/card.json: "),
    Tampering("one more file", appended(f"models/{RUNG}/added_tokens.json", "{}"), f"models/{RUNG}/added_tokens.json"),
    Tampering("a model is a link", linked(f"models/{RUNG}"), f"models/{RUNG}: is a link"),
    Tampering("weights are a link", linked(WEIGHTS), f"{WEIGHTS}: is a link"),
    Tampering(
        "another step's weights with their hash",
        with_its_hash(f"models/{RUNG}", _other_step),
        f"{RESPONSES}/{RUNG}.jsonl: ",
        deep=True,
    ),
    # responses and scores
    Tampering("a response", flipped(f"{RESPONSES}/{RUNG}.jsonl"), f"{RESPONSES}/{RUNG}.jsonl: "),
    Tampering("a stray file of responses", appended(f"{RESPONSES}/x.jsonl", "{}\n"), f"{RESPONSES}/x.jsonl: "),
    Tampering(
        "responses with their hash: other scores",
        with_its_hash(f"{RESPONSES}/{RUNG}.jsonl", _said_otherwise),
        f"{SCORES}/{RUNG}.csv: score@{RUNG} makes another",
        deep=True,
    ),
    Tampering(
        "responses with their hash: the weights say otherwise",
        with_its_hash(f"{RESPONSES}/{RUNG}.jsonl", _said_otherwise),
        f"{RESPONSES}/{RUNG}.jsonl: seed",
        deep=True,
    ),
    Tampering("a score", flipped(f"{SCORES}/{RUNG}.csv"), f"{SCORES}/{RUNG}.csv: "),
    Tampering("what made the scores", appended(f"{SCORES}/{RUNG}.json", " "), f"{SCORES}/{RUNG}.json: "),
    Tampering("a stray file of scores", appended(f"{SCORES}/x.csv", "rung\n"), f"{SCORES}/x.csv: "),
    Tampering(
        "scores with their hash",
        with_its_hash(f"{SCORES}/{RUNG}.csv", _moved_score),
        f"{SCORES}/{RUNG}.csv: score@{RUNG} makes another",
        deep=True,
    ),
    # results and pages
    Tampering("an observation", flipped(f"{RESULTS}/observations_fit.csv"), f"{RESULTS}/observations_fit.csv: "),
    Tampering("a fit", appended(FITS, " "), f"{FITS}: "),
    Tampering("a forecast", appended(FORECASTS, ADD_ROW), f"{FORECASTS}: "),
    Tampering("a metric", appended(f"{RESULTS}/metrics.json", " "), f"{RESULTS}/metrics.json: "),
    Tampering("a figure", appended(f"{RESULTS}/figures/ladder.svg", " "), f"{RESULTS}/figures/ladder.svg: "),
    Tampering("the plots' table", appended(f"{RESULTS}/plots/curves.csv", ADD_ROW), f"{RESULTS}/plots/curves.csv: "),
    Tampering("the gate", appended(f"{RESULTS}/gate/holdout.json", " "), f"{RESULTS}/gate/holdout.json: "),
    Tampering("a result is gone", removed(f"{RESULTS}/validation.csv"), f"{RESULTS}/validation.csv: missing"),
    Tampering("a study's forecast", flipped(STATED), f"{STATED}: is not what pythia_next wrote"),
    Tampering("a study's lock", appended("studies/pythia/dvc.lock", "\n- x"), "studies/pythia/dvc.lock: is damaged"),
    Tampering("a stray result", appended(f"{RESULTS}/better.csv", "x\n"), f"{RESULTS}/better.csv: no stage"),
    Tampering("the list of pages", appended("reports/index.html", " "), "reports/index.html: "),
    Tampering("the report", appended("reports/nano_mini/index.html", " "), "reports/nano_mini/index.html: "),
    Tampering(
        "observations with their hash",
        with_its_hash(f"{RESULTS}/observations_fit.csv", flipped(f"{RESULTS}/observations_fit.csv")),
        f"{RESULTS}/observations_fit.csv: ",
        deep=True,
    ),
    Tampering("forecasts with their hash", with_its_hash(FORECASTS, flipped(FORECASTS)), f"{FORECASTS}: ", deep=True),
    Tampering(
        "a figure with its hash",
        with_its_hash(f"{RESULTS}/figures", appended(f"{RESULTS}/figures/ladder.svg", " ")),
        f"{RESULTS}/figures/ladder.svg: report@nano_mini makes another",
        deep=True,
    ),
    Tampering(
        "the report with its hash",
        with_its_hash("reports/nano_mini/index.html", appended("reports/nano_mini/index.html", " ")),
        "reports/nano_mini/index.html: report@nano_mini makes another",
        deep=True,
    ),
    # settings
    Tampering(
        "params.yaml", replaced("params.yaml", "replicates: 50", "replicates: 51"), "params.yaml: laws.replicates"
    ),
    Tampering(
        "conf/ is not composed",
        replaced("conf/laws/default.yaml", "replicates: 50", "replicates: 60"),
        "params.yaml: laws",
    ),
    Tampering(
        "conf/ is committed and not composed",
        _committed(replaced("conf/laws/default.yaml", "replicates: 50", "replicates: 60")),
        "params.yaml: laws.replicates",
    ),
    Tampering(
        "params.yaml with dvc.lock",
        _everywhere,
        f"{FITS}: fit@nano_mini makes another",
        deep=True,
    ),
    # code
    Tampering("code", appended("src/tasklaws/core/files.py", "#\n"), "src/tasklaws/core/files.py: "),
    Tampering("the package's __init__", appended("src/tasklaws/__init__.py", "#\n"), "src/tasklaws/__init__.py: "),
    Tampering(
        "a room's __init__", appended("src/tasklaws/ladder/__init__.py", "#\n"), "src/tasklaws/ladder/__init__.py: "
    ),
    Tampering("a stage", appended("stages/fit.py", "#\n"), "stages/fit.py: "),
    Tampering("a module in stages/", appended("stages/pandas.py", "#\n"), "stages/pandas.py: "),
    Tampering("bytecode in stages/", appended("stages/json.pyc", "#\n"), "stages/json.pyc: "),
    Tampering(
        "a package in the place of a module",
        appended("src/tasklaws/gate/__init__.py", "#\n"),
        "src/tasklaws/gate/__init__.py",
    ),
    Tampering("bytecode of another source", _bytecode, "src/tasklaws/__pycache__/gate"),
    Tampering(
        "bytecode of another source, for python -OO",
        lambda root: _bytecode(root, 2),
        "src/tasklaws/__pycache__/gate",
    ),
    Tampering("a task", appended("custom_tasks/_base.yaml", "#\n"), "custom_tasks/_base.yaml: "),
    Tampering("code that git overlooks", _overlooked, "src/tasklaws/gate.py: "),
    Tampering(
        "code with its hash",
        with_its_hash("src/tasklaws/gate.py", appended("src/tasklaws/gate.py", "#\n")),
        "src/tasklaws/gate.py: ",
    ),
    Tampering(
        "code that is committed and was not run",
        _committed(appended("src/tasklaws/gate.py", "#\n")),
        "src/tasklaws/gate.py: is not what was read by",
    ),
    Tampering("the pipeline", replaced("dvc.yaml", "stages/orders.py\n", "stages/orders.py -v\n"), "dvc.yaml: "),
    Tampering("what DVC leaves out", appended(".dvcignore", "models\n"), ".dvcignore: "),
    # dvc.lock
    Tampering("dvc.lock was cut off", _cut, "dvc.lock: lost the stage validate@nano_mini"),
    Tampering("dvc.lock lost a stage", in_lock(lambda stages: stages.pop("corpus")), "dvc.lock: lost the stage corpus"),
    Tampering("dvc.lock is empty", lambda root: (root / "dvc.lock").write_text("") and None, "dvc.lock"),
    Tampering(
        "a command in dvc.lock",
        in_lock(lambda stages: stages["fit@nano_mini"].update(cmd="true")),
        "fit@nano_mini: dvc.lock has the command 'true'",
    ),
    Tampering(
        "an output's hash in dvc.lock",
        in_lock(lambda stages: stages["fit@nano_mini"]["outs"][0].update(md5="0" * 32)),
        f"{FITS}: ",
    ),
    Tampering(
        "an output is not in dvc.lock",
        in_lock(lambda stages: stages["fit@nano_mini"]["outs"].pop(0)),
        "fit@nano_mini: dvc.lock has no output",
    ),
    Tampering(
        "an input is not in dvc.lock",
        in_lock(lambda stages: stages["fit@nano_mini"]["deps"].pop(0)),
        "fit@nano_mini: dvc.lock has no input",
    ),
    Tampering(
        "a parameter in dvc.lock",
        in_lock(lambda stages: stages["fit@nano_mini"]["params"]["params.yaml"].update(seed=7)),
        "params.yaml: seed was 7",
    ),
    # what runs it, and what DVC keeps
    Tampering("requirements.lock", replaced("requirements.lock", "pandas==", "pandas==9"), "pandas: requirements.lock"),
    Tampering("pyproject.toml", appended("pyproject.toml", "#\n"), "pyproject.toml: "),
    Tampering("a cache object", _cache_object, ".dvc/cache/files/md5/"),
    Tampering("an old cache object", _unreferenced_object, ".dvc/cache/files/md5/00/", deep=True),
    # what dvc.lock says beside hashes, and lines that DVC itself does not take
    Tampering("a size in dvc.lock", in_lock(_other("size", 1)), "dvc.lock: items has the size 1 of data/items"),
    Tampering(
        "a number of files in dvc.lock", in_lock(_other("nfiles", 99)), "dvc.lock: items has 99 files in data/items"
    ),
    Tampering(
        "an output that may be executed, in dvc.lock",
        in_lock(_other("isexec", True)),
        "dvc.lock: items has it that data/items may be",
    ),
    Tampering(
        "a size of an input in dvc.lock",
        in_lock(lambda stages: stages["fit@nano_mini"]["deps"][0].update(size=1)),
        "dvc.lock: fit@nano_mini has the size 1 of ",
    ),
    Tampering("a stage twice in dvc.lock", _twice, "dvc.lock is damaged: "),
    Tampering("another schema of dvc.lock", replaced("dvc.lock", "'2.0'", "'2.1'"), "dvc.lock: DVC cannot read it"),
    Tampering(
        "a field in dvc.lock that DVC does not know",
        in_lock(lambda stages: stages["items"].update(made="by hand")),
        "dvc.lock: DVC cannot read it",
    ),
    Tampering("a line before all others in dvc.lock", replaced("dvc.lock", "schema", "x: !!y z\nschema"), "dvc.lock"),
    # one file that cannot be read hides no other change
    *(
        Tampering(f"a fit, and {name} cannot be read", both(appended(name, "\n: ["), appended(FITS, " ")), f"{FITS}: ")
        for name in ("params.yaml", "dvc.yaml", "dvc.lock", "conf/models/nano_mini.yaml", ".dvc/config")
    ),
    *(
        Tampering(f"{name} cannot be read", appended(name, "\n: ["), named)
        for name, named in (("params.yaml", "params.yaml: malformed"), ("dvc.yaml", "dvc.yaml: DVC cannot read"))
    ),
    # which file of a folder, where DVC's cache does not say
    Tampering(
        "a figure, and there is no cache",
        both(lambda root: shutil.rmtree(root / ".dvc/cache"), appended(f"{RESULTS}/figures/ladder.svg", " ")),
        f"{RESULTS}/figures/ladder.svg: ",
    ),
    Tampering("a page", appended("reports/nano_mini/surprises.html", " "), "reports/nano_mini/surprises.html: "),
    # modes
    Tampering("a result that may be executed", _executable(FITS), f"{FITS}: may be executed"),
    Tampering("weights that may be executed", _executable(WEIGHTS), f"{WEIGHTS}: may be executed"),
    Tampering(
        "code that may be executed", _executable("src/tasklaws/gate.py"), "src/tasklaws/gate.py: has another mode"
    ),
    # strays
    *(
        Tampering(f"a stray {path}", appended(path, "x\n"), f"{path}: no stage")
        for path in (
            "models/x/card.json",
            "data/loose",
            "results/loose.txt",
            "reports/loose.html",
            "scores/x/fit/a.csv",
        )
    ),
    Tampering("a stray link", lambda root: (root / "models/x").symlink_to("."), "models/x: is a link to ."),
    Tampering("a pipe among weights", lambda root: os.mkfifo(root / f"models/{RUNG}/pipe"), f"models/{RUNG}/pipe: "),
    Tampering("a name of two lines", appended(f"{RESULTS}/a\nb.csv", "x\n"), f"{RESULTS}/a\\nb.csv: no stage"),
    Tampering("a module in a library's place", appended("src/pandas.py", "x = 1\n"), "src/pandas.py: "),
    Tampering(
        "a library in a module's place",
        appended(f"src/tasklaws/gate{EXTENSION_SUFFIXES[0]}", "x"),
        f"src/tasklaws/gate{EXTENSION_SUFFIXES[0]}: ",
    ),
    Tampering("another package's entry points", appended("src/x.egg-info/entry_points.txt", "x"), "src/x.egg-info/"),
    Tampering("junk for bytecode", _junk("fit.cpython-311.pyc"), "stages/__pycache__/fit"),
    Tampering("junk beside bytecode", _junk("fit.so"), "stages/__pycache__/fit.so: is no bytecode"),
    # no files
    Tampering("a result is gone", removed(f"{RESULTS}/mirage.csv"), f"{RESULTS}/mirage.csv: "),
    Tampering("a pipe for a result", _pipe, f"{RESULTS}/fits.json: "),
    Tampering("a folder for a result", _folder, f"{RESULTS}/fits.json: "),
    Tampering("a link to nowhere", _lost_link, f"{RESULTS}/figures/d.svg: "),
    Tampering("a ladder without a name", appended("conf/models/extra.yaml", "x: 1\n"), "conf/models/extra.yaml: "),
    Tampering("a lock that is no text", _no_text, "dvc.lock is damaged: "),
)
