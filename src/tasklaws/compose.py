"""params.yaml from conf/, refused here where any stage would refuse it later."""

from pathlib import Path
from typing import Any

import yaml

from tasklaws.core.errors import TasklawsError

CONF = Path("conf")


def compose(overrides: list[str], conf: Path = CONF) -> str:
    """The text of params.yaml for the configuration in `conf`, with Hydra overrides such as `models=nano_mini`.

    It is what `dvc exp run -S` writes, to the byte; but a value that is unset or cannot be raises TasklawsError here.
    """
    from hydra import compose as hydra_compose
    from hydra import initialize_config_dir
    from hydra.errors import HydraException
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    if not (conf / "config.yaml").is_file():
        raise TasklawsError(f"{conf}/config.yaml does not exist: run this in the repository's root")
    try:
        with initialize_config_dir(str(conf.resolve()), version_base=None):
            config = hydra_compose("config", overrides)
        OmegaConf.resolve(config)
        params: Any = OmegaConf.to_container(config)
    except (HydraException, OmegaConfBaseException) as error:
        reason = str(error).splitlines()[0]
        ladders, experiments = (
            ", ".join(sorted(path.stem for path in (conf / group).glob("*.yaml"))) for group in ("models", "experiment")
        )
        raise TasklawsError(
            f"cannot compose {overrides}: {reason}: the ladders are {ladders}; the experiments {experiments}"
        ) from error
    _refuse(params)
    return OmegaConf.to_yaml(config)


def family_sets() -> Any:
    """families.sets of the default experiment: each family's settings by its name."""
    return yaml.safe_load(compose([]))["families"]["sets"]


def _refuse(params: Any) -> None:
    """Raise TasklawsError for what any stage would refuse."""
    # SciPy, pandas and pydantic take a second, which other commands need not.
    from tasklaws.core.settings import Settings
    from tasklaws.experiments.overlap_sets import set_chains
    from tasklaws.families import build
    from tasklaws.families.base import refuse_terse_families
    from tasklaws.families.prompts import task_name
    from tasklaws.ladder.corpus import refuse_unknown_tasks
    from tasklaws.laws.forms import refuse_unfit

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
