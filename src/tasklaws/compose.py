"""The `tasklaws compose` command: params.yaml from conf/, refused here where any stage would refuse it later."""

from argparse import Namespace
from pathlib import Path
from typing import Any

import yaml

from tasklaws.core.errors import TasklawsError
from tasklaws.core.files import write_text

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


def _refuse(params: Any) -> None:
    """Raise TasklawsError for what any stage would refuse."""
    # SciPy, pandas and pydantic take a second, which other commands need not.
    from tasklaws.core.settings import Settings
    from tasklaws.experiments.overlap_sets import chains
    from tasklaws.families import build
    from tasklaws.families.prompts import task_name
    from tasklaws.ladder.corpus import refuse_unknown_tasks
    from tasklaws.laws.forms import refuse_unfit

    settings = Settings.of(params, "composed configuration")
    families = build(settings.families.sets)
    asked = [task_name(family, way) for family, ways in settings.elicitation.ask.items() for way in ways]
    for tasks in (settings.corpus.mixture, asked):
        refuse_unknown_tasks(families, tasks)
    refuse_unfit(settings.laws)
    if settings.experiment.ladders:
        chains(settings.experiment.overlap_sets)


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser("compose", help="write params.yaml from conf/")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="e.g. models=nano_mini")
    parser.set_defaults(run=run)
    family = subparsers.add_parser("new-family", help="write a new family of tasks, to be edited")
    family.add_argument("name", help="a lower-case Python name, such as multiplication")
    family.set_defaults(run=_run_new_family)
    tasks = subparsers.add_parser("custom-tasks", help="write custom_tasks/ from the families")
    tasks.set_defaults(run=_run_custom_tasks)


def run(arguments: Namespace) -> None:
    from tasklaws.core.settings import PARAMS, load

    write_text(PARAMS, compose(arguments.overrides))
    print(f"wrote {PARAMS}")
    for gap in load().gaps():
        print(f"note: {gap}")


def _configured() -> Any:
    """families.sets of the default experiment."""
    return yaml.safe_load(compose([]))["families"]["sets"]


def _run_new_family(arguments: Namespace) -> None:
    from tasklaws.harness.scaffold import new_family

    code, entry, *others = new_family(arguments.name, Path(), _configured())
    print(f"wrote {code}: what is asked; edit it\nwrote {entry}: its settings; edit them")
    print(*(f"wrote {path}" for path in others), sep="\n")
    print("after each edit of the code: tasklaws custom-tasks")
    print("then: tasklaws compose models=nano_mini && dvc repro")


def _run_custom_tasks(arguments: Namespace) -> None:
    from tasklaws.families import build
    from tasklaws.harness.task_files import stale_task_files, task_files, write_task_files

    files = task_files(build(_configured()))
    written = write_task_files(files, Path())
    print(*(f"wrote {path}" for path in written) if written else ["custom_tasks/ is as the families have it"], sep="\n")
    for path in stale_task_files(files, Path()):
        print(f"{path} belongs to no family of conf/: remove it")
