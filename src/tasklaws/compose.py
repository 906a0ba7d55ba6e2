"""params.yaml from conf/, refused here where any stage would refuse it later."""

import re
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from tasklaws.core.errors import TasklawsError
from tasklaws.core.files import read_text

CONF = Path("conf")


def compose(overrides: list[str], conf: Path = CONF) -> str:
    """The text of params.yaml for the configuration in `conf`, with Hydra overrides such as `models=nano_mini`.

    It is what `dvc exp run -S` writes, to the byte; but a value that is unset or cannot be raises TasklawsError here.
    """
    from hydra import compose as hydra_compose
    from hydra import initialize_config_dir
    from hydra.errors import HydraException, MissingConfigException
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    if not (conf / "config.yaml").is_file():
        raise TasklawsError(f"{conf}/config.yaml does not exist: run this in the repository's root")
    try:
        with initialize_config_dir(str(conf.resolve()), version_base=None):
            config = hydra_compose("config", overrides, return_hydra_config=True)
        ladder = config.hydra.runtime.choices["models"]
        OmegaConf.set_struct(config, False)
        del config["hydra"]
        OmegaConf.resolve(config)
        params: Any = OmegaConf.to_container(config)
    except yaml.YAMLError as error:
        raise TasklawsError(_malformed(error, conf)) from error
    except MissingConfigException as error:
        group, _, name = str(error.missing_cfg_file).rpartition("/")
        there = ", ".join(error.options or ())
        raise TasklawsError(f"cannot compose {overrides}: {conf}/{group} has no {name}: give one of {there}") from error
    except (HydraException, OmegaConfBaseException, OSError) as error:
        _refuse_no_mappings(conf)
        reason = str(error).splitlines()[0].rstrip(".:")
        groups = ", ".join(sorted(path.name for path in conf.iterdir() if path.is_dir()))
        raise TasklawsError(
            f"cannot compose {overrides}: {reason}: give GROUP=NAME or GROUP.KEY=VALUE, as in "
            f"the files of {conf}; the groups are {groups}"
        ) from error
    name = OmegaConf.select(config, "models.name")
    if name != ladder and (conf / "models" / f"{name}.yaml").exists():
        raise TasklawsError(
            f"ladder {ladder} has the name of another, {name}, whose results it would overwrite: "
            f"write `name: {ladder}` in {conf}/models/{ladder}.yaml"
        )
    _refuse(params)
    return OmegaConf.to_yaml(config)


def family_sets() -> Any:
    """families.sets of the default experiment: each family's settings by its name."""
    return yaml.safe_load(compose([]))["families"]["sets"]


def _malformed(error: yaml.YAMLError, conf: Path) -> str:
    """Where a file of `conf` is no YAML, and what to do: FILE:LINE."""
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
    if mark is None or problem is None or conf.resolve() not in Path(mark.name).parents:
        return f"a file of {conf} is no YAML ({' '.join(str(error).split())}): correct it"
    where = f"{conf / Path(mark.name).relative_to(conf.resolve())}:{mark.line + 1}"
    twice = re.fullmatch(r"found duplicate key (.*)", problem)
    return (
        f"{where}: {twice[1]} stands twice: rename one" if twice else f"{where}: malformed YAML ({problem}): correct it"
    )


def _refuse_no_mappings(conf: Path) -> None:
    for path in sorted(conf.rglob("*.yaml")):
        with suppress(yaml.YAMLError):  # which is refused with its line where the file is used
            if not isinstance(yaml.safe_load(read_text(path)) or {}, dict):
                raise TasklawsError(f"{path} holds no `KEY: VALUE` lines: write it so, as the files beside it")


def _refuse(params: Any) -> None:
    """Raise TasklawsError for what any stage would refuse."""
    # SciPy, pandas and pydantic take a second, which other commands need not.
    from tasklaws.core.settings import Settings
    from tasklaws.families import build
    from tasklaws.families.base import refuse_terse_families
    from tasklaws.families.prompts import task_name
    from tasklaws.ladder.corpus import refuse_unknown_tasks
    from tasklaws.laws.forms import refuse_unfit
    from tasklaws.overlap.sets import set_chains

    settings = Settings.of(params, "composed configuration")
    families = build(settings.families.sets)
    asked = [task_name(family, way) for family, ways in settings.elicitation.ask.items() for way in ways]
    for tasks in (settings.corpus.mixture, asked):
        refuse_unknown_tasks(families, tasks)
    for name in settings.models.rungs:
        if settings.models.asking(name).prompts == "plain":
            refuse_terse_families(name, [family for family in families if family.name in settings.elicitation.ask])
    refuse_unfit(settings.laws)
    if settings.experiment.ladders:
        set_chains(settings.experiment.overlap_sets)
