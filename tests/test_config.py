"""params.yaml is what conf/ composes to, and nothing unset gets into it."""

import itertools
import re
import shutil
import subprocess
import sys
from dataclasses import FrozenInstanceError, replace
from pathlib import Path

import pytest
import yaml
from dvc.utils.hydra import compose_and_dump

from tasklaws.compose import compose
from tasklaws.core.errors import TasklawsError
from tasklaws.core.settings import Settings, load
from tasklaws.ladder.sizes import rung_budgets

ROOT = Path(__file__).parents[1]
CONF = ROOT / "conf"
LADDERS = sorted(path.stem for path in (CONF / "models").glob("*.yaml"))


@pytest.fixture
def conf(tmp_path: Path) -> Path:
    """A copy of conf/ that a test may spoil."""
    return Path(shutil.copytree(CONF, tmp_path / "conf"))


def composed(*overrides: str) -> Settings:
    """What params.yaml would hold."""
    return Settings.of(yaml.safe_load(compose([*overrides], CONF)))


def tasklaws(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("tasklaws")), *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_params_are_what_conf_composes_to():
    composed = compose([], CONF)
    assert (ROOT / "params.yaml").read_text() == composed, "conf/ and params.yaml differ: run `tasklaws compose`"
    assert load(ROOT / "params.yaml").raw == yaml.safe_load(composed)


def test_composing_twice_gives_the_same_bytes():
    assert compose(["models=nano_mini"], CONF) == compose(["models=nano_mini"], CONF)


@pytest.mark.parametrize("ladder", LADDERS)
def test_every_ladder_composes_into_whole_parameters(ladder):
    settings = composed(f"models={ladder}")
    assert settings.models.name == ladder
    rungs = list(settings.models.rungs.values())
    sizes = [rung.source.n_params for rung in rungs if rung.source.n_params is not None]
    assert sizes == sorted(set(sizes)), "a ladder is ordered small to large"
    assert rungs[-1].role == "holdout"
    for rung in rungs:
        if rung.source.width and rung.source.heads:
            assert rung.source.width % rung.source.heads == 0


def test_the_default_ladder_has_even_steps_and_a_near_and_a_far_holdout():
    models = composed().models
    rows = rung_budgets(models)
    fitted, held = ([row for row in rows if row["role"] == role] for role in ("fit", "holdout"))
    assert rows == fitted + held
    sizes = [row["n_params"] for row in fitted]
    assert len(sizes) >= 10
    assert all(1.25 < large / small < 1.65 for small, large in itertools.pairwise([*sizes, held[0]["n_params"]]))
    assert [row["n_params"] / sizes[-1] >= 3 for row in held] == [False, True]
    assert all(row["n_tokens"] >= 20 * row["n_params"] for row in rows)
    for rung in models.rungs.values():
        assert len(rung.source.checkpoints) >= 2, "three training lengths, the last one in"
        assert len(rung.source.seeds) >= 2


def test_a_ladder_without_a_holdout_is_refused():
    models = composed().models
    with pytest.raises(TasklawsError, match="ladder nano_ladder has no rung of role holdout"):
        replace(models, rungs={name: replace(rung, role="fit") for name, rung in models.rungs.items()})


def test_a_planned_model_that_is_a_rung_is_refused():
    models = composed().models
    assert models.planned, "the default ladder asks for models that nobody trains"
    with pytest.raises(TasklawsError, match="planned has 'nano-3k', which is a rung of ladder nano_ladder"):
        replace(models, planned={"nano-3k": next(iter(models.planned.values()))})


def test_the_bunk_axis_moves_nothing_but_the_number_of_workers():
    sources = list(composed().models.sharded.values())
    assert [source.n_shards for source in sources] == [1, 2, 4, 8]
    assert len({replace(source, n_shards=1) for source in sources}) == 1


def test_an_unset_value_is_refused_by_name(conf):
    path = conf / "config.yaml"
    path.write_text(path.read_text().replace("seed: 0", "seed: ???"))
    with pytest.raises(TasklawsError, match=r"seed is unset \(\?\?\?\)"):
        compose([], conf)
    assert yaml.safe_load(compose(["seed=3"], conf))["seed"] == 3
    with pytest.raises(TasklawsError, match=r"seed is unset \(None\)"):
        compose(["seed=null"], conf)


SOURCE = "models.rungs.nano-3k.source"


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("execution.workers=0", "execution.workers is 0, not 1 or more"),
        ("execution.batch_size=-1", "execution.batch_size is -1, not 1 or more"),
        ("execution.workers=two", "execution.workers is 'two', not a whole number"),
        ("seed=abc", "seed is 'abc', not a whole number"),
        ("seed=-1", "seed is -1, not 0 or more"),
        ("seed=true", "seed is True, not a whole number"),
        ("corpus.n_documents=-1", "corpus.n_documents is -1, not 1 or more"),
        ("corpus.mixture.addition_direct=-0.5", "corpus.mixture.addition_direct is -0.5, not more than 0"),
        ("+corpus.mixture.addition_choice=0.5", "no task addition_choice"),
        ("+corpus.colour=blue", "corpus has an unknown key 'colour'"),
        ("~corpus.n_heldout", "corpus has no n_heldout"),
        ("families.split=all", "families.split is 'all', not one of test, dev"),
        ("families.sets.addition.per_length=0", "family addition: per_length is 0, not 1 or more"),
        ("families.sets.addition.fuel=much", "family addition: fuel is 'much', not a whole number"),
        ("families.sets.gauss_sum.large_share=2", "family gauss_sum: large_share is 2, not 0 to 1"),
        ("families.sets.step_chain.n_rare=5", "raise n_rare from 5"),
        ("elicitation.ask.addition=[shouted]", r"elicitation.ask.addition\[0\] is 'shouted', not one of direct"),
        ("elicitation.ask.addition=[]", r"elicitation.ask.addition is \[\], not one or more"),
        ("elicitation.ask.addition=[choice]", "no task addition_choice"),
        ("+elicitation.ask.nonsense=[direct]", "elicitation.ask has 'nonsense', which families.sets lacks"),
        ("humans.families=[nonsense]", "humans.families has 'nonsense', which families.sets lacks"),
        ("models.num_fewshot=21", "num_fewshot of nano-3k is 21, more than elicitation.n_shots_kept 20"),
        ("models.dtype=floaty", "models.dtype is 'floaty', not one of float16"),
        ("models.name=a/b", "models.name is 'a/b', not of letters"),
        ("models.rungs.nano-3k.role=spare", "models.rungs.nano-3k.role is 'spare', not one of fit, holdout"),
        (f"{SOURCE}.kind=disk", f"{SOURCE}.kind is 'disk', not one of train, hub"),
        (f"{SOURCE}.kind=hub", f"{SOURCE} has an unknown key 'step_tokens'"),
        (f"{SOURCE}.seeds=[]", rf"{SOURCE}.seeds is \[\], not one or more"),
        (f"{SOURCE}.seeds=[1,1]", rf"{SOURCE}.seeds is \[1, 1\], not each once"),
        (f"{SOURCE}.seeds=3", f"{SOURCE}.seeds is 3, not a list"),
        (f"{SOURCE}.heads=3", f"{SOURCE}: width is 8, not an even number for each of 3 heads"),
        (f"{SOURCE}.n_tokens=1000", f"{SOURCE}: n_tokens is 1000, less than one step: 1024"),
        (f"{SOURCE}.muon_lr=0", f"{SOURCE}.muon_lr is 0, not more than 0"),
        (f"{SOURCE}.checkpoints=[1.5]", rf"{SOURCE}.checkpoints\[0\] is 1.5, not 0 to 1"),
        ("humans.interval=1", "humans.interval is 1, not between 0 and 1"),
        ("humans.target.shares.no=0.5", "humans.target: shares of python are .*, which do not sum to 1"),
        ("humans.population.slip=1", "humans.population.slip is 1, not between 0 and 1"),
        ("humans.population.work.addition.needs=[luck]", "work.addition names knowledge 'luck'"),
        ("laws.replicates=7", "laws.replicates is 7, not 50 or more: correct it in conf/"),
        ("laws.scores=[power_law]", "laws.scores has 'power_law', not one of power, "),
        ("laws.losses=[log_accuracy]", "laws.losses has 'log_accuracy', not one of power, "),
        ("laws.scores=[logistic_in_loss]", "laws.scores has 'logistic_in_loss'"),
        ("laws.losses=[power,power]", r"laws.losses is \['power', 'power'\], not each once"),
    ],
)
def test_what_a_later_stage_would_refuse_is_refused_at_once(conf, override, said):
    kept = (conf.parent / "params.yaml").write_text("as before\n")
    with pytest.raises(TasklawsError, match=said) as error:
        compose([override], conf)
    assert "\n" not in str(error.value)
    assert kept == (conf.parent / "params.yaml").stat().st_size


def test_settings_are_frozen_and_no_number_is_changed():
    settings = load(ROOT / "params.yaml")
    with pytest.raises(FrozenInstanceError):
        settings.seed = 1
    assert settings.models.rungs["nano-3k"].source.seeds == (0, 1)
    assert settings.humans.target is not None
    assert load(ROOT / "params.yaml") == settings
    humans = settings.raw["humans"]
    assert Settings.of({**settings.raw, "humans": {**humans, "target": {}}}).humans.target is None
    target = {"group": "python", "shares": {True: 1.0}}
    with pytest.raises(TasklawsError, match=r"a key of humans\.target\.shares is True, not text"):
        Settings.of({**settings.raw, "humans": {**humans, "target": target}})


def test_a_bad_value_in_params_is_refused_by_every_stage(tmp_path):
    """`dvc exp run -S` composes by itself, past `tasklaws compose`."""
    path = tmp_path / "params.yaml"
    path.write_text((ROOT / "params.yaml").read_text().replace("workers: 2", "workers: 0"))
    with pytest.raises(TasklawsError, match=r"params\.yaml: execution\.workers is 0.*correct it in conf/"):
        load(path)
    path.write_text((ROOT / "params.yaml").read_text().replace("execution:", "executions:"))
    with pytest.raises(TasklawsError, match=r"params\.yaml: it has an unknown key 'executions'"):
        load(path)


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
        load(path)


@pytest.mark.parametrize(
    ("text", "said"),
    [("", "holds no parameters"), ("- 1\n", "holds no parameters"), ("a: [\n", "malformed YAML"), (None, "not exist")],
)
def test_a_bad_params_file_is_refused(tmp_path, text, said):
    path = tmp_path / "params.yaml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(TasklawsError, match=said) as error:
        load(path)
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
    with pytest.raises(TasklawsError, match=r"a key of models.rungs is 'mini-5.1k', not of letters"):
        compose(["models=nano_mini"], conf)


@pytest.mark.parametrize("text", [None, "defaults:\n  - nano_mini\n", "defaults:\n  - nano_mini\nname: 'nano_mini'\n"])
def test_a_ladder_with_the_name_of_another_is_refused(conf, text):
    """A copy that somebody changed, but for its name, would overwrite the results of what it was copied from."""
    path = conf / "models/mine.yaml"
    path.write_text(text or (conf / "models/nano_mini.yaml").read_text())
    with pytest.raises(TasklawsError, match=r"ladder mine has the name of another, nano_mini,.* write `name: mine`"):
        compose(["models=mine"], conf)
    assert yaml.safe_load(compose(["models=mine", "models.name=mine"], conf))["models"]["name"] == "mine"
    assert yaml.safe_load(compose(["models=nano_mini"], conf))["models"]["name"] == "nano_mini"


@pytest.mark.parametrize("text", ["- one\n- two\n", "3\n"])
def test_a_file_that_is_no_mapping_is_named(conf, text):
    (conf / "models/mine.yaml").write_text(text)
    with pytest.raises(TasklawsError, match=r"conf/models/mine\.yaml holds no `KEY: VALUE` lines"):
        compose(["models=mine"], conf)


def test_without_conf_the_remedy_is_named(tmp_path):
    with pytest.raises(TasklawsError, match="repository's root"):
        compose([], tmp_path)


def test_an_unknown_rung_names_the_existing_ones():
    settings = load(ROOT / "params.yaml")
    first = next(iter(settings.models.rungs))
    assert settings.rung(first).role == "fit"
    with pytest.raises(TasklawsError, match=rf"no rung 'n9z' in ladder {settings.models.name}: it has {first}"):
        settings.rung("n9z")


def test_the_command_composes_another_ladder(conf):
    done = tasklaws(conf.parent, "compose", "models=nano_mini", "laws.replicates=70")
    assert (done.returncode, done.stderr) == (0, "")
    settings = load(conf.parent / "params.yaml")
    assert (settings.models.name, settings.laws.replicates) == ("nano_mini", 70)
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


def test_what_a_family_goes_without_is_said(conf):
    done = tasklaws(
        conf.parent,
        "compose",
        "~elicitation.ask.addition",
        "~humans.population.work.addition",
        "~corpus.mixture.addition_direct",
    )
    assert done.stdout.splitlines()[1:] == [
        "note: step_chain_shared is not in the corpus (corpus.mixture)",
        "note: addition is not asked (elicitation.ask)",
        "note: addition is not in the corpus (corpus.mixture)",
        "note: addition has no people (humans.families)",
    ]


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["experiment.exponents=[a]"], "exponents[0] is 'a'"),
        (["experiment.exponents=[1]"], "exponents[0] is 1, not more than 1"),
        (["experiment.sets.chain.n_rare=3"], "correct it in conf/experiment"),
        (["experiment.sets.overlaps=[1.2]"], "overlaps[0] is 1.2, not 0 to 1"),
        (["models=nano_mini"], "nano_mini has 3 rungs, and forecasts start from experiment.sets.min_rungs 4"),
    ],
)
def test_an_experiment_that_cannot_be_is_refused_when_it_is_composed(overrides, said):
    with pytest.raises(TasklawsError, match=re.escape(said)):
        compose(["experiment=overlap", *overrides], ROOT / "conf")


@pytest.mark.parametrize(
    ("overrides", "elsewhere"),
    [
        (["models=nano_mini"], False),
        (["models=nano_mini", "models.prompts=plain"], True),
        (["models=nano_mini", "+models.rungs.mini-21k.asking.prompts=plain"], True),
        (["models=pythia_ladder"], True),
    ],
)
def test_answers_are_read_as_people_would_where_a_rung_learned_elsewhere_or_is_asked_plainly(overrides, elsewhere):
    assert Settings.of(yaml.safe_load(compose(overrides)), "x").models.learned_elsewhere == elsewhere


@pytest.mark.parametrize(
    ("added", "said"),
    [
        ("name: nano_mini\n", r"conf/models/nano_mini.yaml:\d+: name stands twice: rename one"),
        ("  mini-1k: {}\n", r"conf/models/nano_mini.yaml:\d+: mini-1k stands twice: rename one"),
        ("x: [a, {b\n", r"conf/models/nano_mini.yaml:\d+: malformed YAML \(expected"),
        ("x:\n\t- 1\n", r"conf/models/nano_mini.yaml:\d+: malformed YAML"),
        ("x: '\x01'\n", "conf is no YAML"),
    ],
)
def test_a_broken_file_is_named_with_its_line(conf, added, said):
    path = conf / "models/nano_mini.yaml"
    text = path.read_text()
    path.write_text(text.replace("planned:\n", f"{added}planned:\n") if added.startswith(" ") else text + added)
    with pytest.raises(TasklawsError, match=said) as error:
        compose(["models=nano_mini"], conf)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("group", sorted(path.name for path in CONF.iterdir() if path.is_dir()))
def test_an_unknown_option_names_those_of_its_group(group):
    with pytest.raises(TasklawsError, match=f"conf/{group} has no nix: give one of ") as error:
        compose([f"{group}=nix"], CONF)
    assert all(path.stem in str(error.value).split("one of")[1] for path in (CONF / group).glob("*.yaml"))


def test_an_unknown_key_names_the_groups():
    with pytest.raises(TasklawsError, match=r"Could not override 'foo': .* the groups are asking, benchmarks, corpus"):
        compose(["foo=3"], CONF)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("{kind: hub, repo: not a repo}", "repo is 'not a repo', not OWNER/NAME"),
        ("{kind: hub, repo: hub/me/m}", "not OWNER/NAME"),
        ("{kind: hub, repo: me/m, revision: the main one}", "revision is 'the main one', not a branch"),
    ],
)
def test_what_no_hub_has_is_refused(source, said):
    with pytest.raises(TasklawsError, match=said):
        compose([f"+models.rungs.other={{role: fit, source: {source}}}"], CONF)
