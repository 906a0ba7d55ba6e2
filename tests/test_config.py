"""params.yaml is what conf/ composes to, and nothing unset gets into it."""

import itertools
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from dvc.utils.hydra import compose_and_dump

from tasklaws.config import compose, load_params, refuse_unset, rung_settings
from tasklaws.errors import TasklawsError
from tasklaws.families import build
from tasklaws.ladder.sizes import ladder_rows
from tasklaws.laws import LawSettings

ROOT = Path(__file__).parents[1]
CONF = ROOT / "conf"
LADDERS = sorted(path.stem for path in (CONF / "models").glob("*.yaml"))


@pytest.fixture
def conf(tmp_path: Path) -> Path:
    """A copy of conf/ that a test may spoil."""
    return Path(shutil.copytree(CONF, tmp_path / "conf"))


def tasklaws(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("tasklaws")), *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_params_are_what_conf_composes_to():
    composed = compose([], CONF)
    assert (ROOT / "params.yaml").read_text() == composed, "conf/ and params.yaml differ: run `tasklaws compose`"
    assert load_params(ROOT / "params.yaml") == yaml.safe_load(composed)


def test_composing_twice_gives_the_same_bytes():
    assert compose(["models=nano_mini"], CONF) == compose(["models=nano_mini"], CONF)


@pytest.mark.parametrize("ladder", LADDERS)
def test_every_ladder_composes_into_whole_parameters(ladder):
    params = yaml.safe_load(compose([f"models={ladder}"], CONF))
    refuse_unset(params, ladder)
    assert params["models"]["name"] == ladder
    rows = ladder_rows(params["models"])
    sizes = [row["n_params"] for row in rows]
    assert sizes == sorted(set(sizes)), "a ladder is ordered small to large"
    assert rows[-1]["role"] == "holdout"
    LawSettings.from_params(params)
    names = {family.name for family in build(params["families"]["sets"])}
    assert set(params["elicitation"]["ask"]) <= names
    for settings in params["models"]["rungs"].values():
        assert settings["source"]["width"] % settings["source"]["heads"] == 0


def test_the_default_ladder_is_as_the_issue_asks():
    """Seven rungs or more from about 1e3 to 1e5 or more, in even steps of log size, the top one held out."""
    models = yaml.safe_load(compose([], CONF))["models"]
    rows = ladder_rows(models)
    sizes = [row["n_params"] for row in rows]
    assert len(rows) >= 7
    assert sizes[0] < 2000
    assert sizes[-1] > 1e5
    assert all(1.4 < large / small < 2.6 for small, large in itertools.pairwise(sizes))
    assert [row["role"] for row in rows] == ["fit"] * (len(rows) - 1) + ["holdout"]
    for row, settings in zip(rows, models["rungs"].values(), strict=True):
        assert len(settings["source"]["checkpoints"]) >= 2, "three training lengths, the last one in"
        assert len(set(settings["source"]["seeds"])) >= 2 or row["n_params"] > 3e4


def test_an_unset_value_is_refused_by_name(conf):
    (conf / "laws/default.yaml").write_text((conf / "laws/default.yaml").read_text() + "cap: ???\n")
    with pytest.raises(TasklawsError, match=r"laws.cap is unset \(\?\?\?\)"):
        compose([], conf)
    assert yaml.safe_load(compose(["laws.cap=3"], conf))["laws"]["cap"] == 3
    with pytest.raises(TasklawsError, match=r"laws.cap is unset \(None\)"):
        compose(["laws.cap=null"], conf)


@pytest.mark.parametrize(
    ("params", "where"),
    [
        ({"a": "???"}, "params.yaml: a is unset"),
        ({"a": {"b": [1, {"c": None}]}}, r"params.yaml: a.b\[1\].c is unset"),
        ({"a": {"b": {"c": "???"}}}, "params.yaml: a.b.c is unset"),
    ],
)
def test_an_unset_value_in_params_is_refused(tmp_path, params, where):
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(params))
    with pytest.raises(TasklawsError, match=where):
        load_params(path)


@pytest.mark.parametrize(
    ("text", "said"),
    [("", "holds no parameters"), ("- 1\n", "holds no parameters"), ("a: [\n", "malformed YAML"), (None, "not exist")],
)
def test_a_bad_params_file_is_refused(tmp_path, text, said):
    path = tmp_path / "params.yaml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(TasklawsError, match=said) as error:
        load_params(path)
    assert str(path) in str(error.value)


def test_an_unknown_ladder_names_the_existing_ones():
    with pytest.raises(TasklawsError) as error:
        compose(["models=nano_huge"], CONF)
    line = str(error.value)
    assert "\n" not in line
    assert "nano_huge" in line
    assert all(ladder in line for ladder in LADDERS)


@pytest.mark.parametrize("override", ["laws.no_such=1", "nonsense", "=", "models.rungs[0=1", "seed=${nowhere}"])
def test_a_bad_override_is_refused_in_one_line(override):
    with pytest.raises(TasklawsError, match="cannot compose") as error:
        compose([override], CONF)
    assert "\n" not in str(error.value)


def test_a_rung_whose_name_dvc_cannot_track_is_refused(conf):
    """DVC looks for `models.rungs.nano-1.5k.source` below the rung `nano-1`."""
    path = conf / "models/nano_mini.yaml"
    path.write_text(path.read_text().replace("mini-5k:", "mini-5.1k:"))
    with pytest.raises(TasklawsError, match=r"rung 'mini-5.1k'"):
        compose(["models=nano_mini"], conf)


def test_without_conf_the_remedy_is_named(tmp_path):
    with pytest.raises(TasklawsError, match="repository's root"):
        compose([], tmp_path)


def test_an_unknown_rung_names_the_existing_ones():
    params = load_params(ROOT / "params.yaml")
    first = next(iter(params["models"]["rungs"]))
    assert rung_settings(params, first)["role"] == "fit"
    with pytest.raises(TasklawsError, match=rf"no rung 'n9z' in ladder {params['models']['name']}: it has {first}"):
        rung_settings(params, "n9z")


def test_the_command_composes_another_ladder(conf):
    done = tasklaws(conf.parent, "compose", "models=nano_mini", "laws.replicates=7")
    assert (done.returncode, done.stderr) == (0, "")
    params = load_params(conf.parent / "params.yaml")
    assert (params["models"]["name"], params["laws"]["replicates"]) == ("nano_mini", 7)
    kept = (conf.parent / "params.yaml").read_bytes()
    failed = tasklaws(conf.parent, "compose", "models=nano_huge")
    assert failed.returncode == 1
    assert failed.stderr.startswith("error: cannot compose")
    assert failed.stderr.count("\n") == 1
    assert (conf.parent / "params.yaml").read_bytes() == kept
    assert sorted(path.name for path in conf.parent.iterdir()) == ["conf", "params.yaml"]


@pytest.mark.parametrize("ladder", LADDERS)
def test_dvc_composes_the_same_bytes(ladder, tmp_path):
    """`dvc exp run -S` rewrites params.yaml itself; going back to the default must leave it as committed."""
    compose_and_dump(tmp_path / "params.yaml", str(CONF), None, "config", "", [f"models={ladder}"])
    assert (tmp_path / "params.yaml").read_text() == compose([f"models={ladder}"], CONF)
