"""params.yaml: composed from conf/ by Hydra, read by every stage."""

import re
from argparse import Namespace
from pathlib import Path
from typing import Any

import yaml

from tasklaws.errors import TasklawsError
from tasklaws.files import read_text, write_text

PARAMS = Path("params.yaml")
CONF = Path("conf")


def load_params(path: Path = PARAMS) -> dict[str, Any]:
    """Read params.yaml; a malformed file or an unset value (`???`) raises TasklawsError."""
    try:
        params = yaml.safe_load(read_text(path))
    except yaml.YAMLError as error:
        raise TasklawsError(f"{path}: malformed YAML ({error}): run `tasklaws compose`") from error
    if not isinstance(params, dict):
        raise TasklawsError(f"{path} holds no parameters: run `tasklaws compose`")
    refuse_unset(params, str(path))
    return params


def rung_settings(params: dict[str, Any], rung: str) -> dict[str, Any]:
    """A rung's settings; one that the ladder does not list raises TasklawsError."""
    rungs = params["models"]["rungs"]
    if rung not in rungs:
        raise TasklawsError(f"no rung {rung!r} in ladder {params['models']['name']}: it has {', '.join(rungs)}")
    settings: dict[str, Any] = rungs[rung]
    return settings


def refuse_unset(value: Any, where: str) -> None:
    """Raise TasklawsError naming the first value that is `???` (Hydra's mark of an unset value) or null."""
    if isinstance(value, dict):
        for key, inner in value.items():
            refuse_unset(inner, f"{where}: {key}" if ":" not in where else f"{where}.{key}")
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            refuse_unset(inner, f"{where}[{index}]")
    elif value == "???" or value is None:
        raise TasklawsError(f"{where} is unset ({value}): set it in conf/ or give it to `tasklaws compose`")


def compose(overrides: list[str], conf: Path = CONF) -> str:
    """The text of params.yaml for the configuration in `conf`, with Hydra overrides such as `models=nano_mini`.

    It is what `dvc exp run -S` writes, to the byte; but an unset value raises TasklawsError here.
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
        groups = ", ".join(sorted(path.stem for path in (conf / "models").glob("*.yaml")))
        raise TasklawsError(f"cannot compose {overrides}: {reason}: the ladders are {groups}") from error
    refuse_unset(params, "composed configuration")
    for rung in params["models"]["rungs"]:
        if not re.fullmatch(r"[\w-]+", str(rung)):
            raise TasklawsError(f"rung {rung!r}: DVC takes no such name: use letters, digits, - and _")
    return OmegaConf.to_yaml(config)


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser("compose", help="write params.yaml from conf/")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="e.g. models=nano_mini")
    parser.set_defaults(run=run)


def run(arguments: Namespace) -> None:
    write_text(PARAMS, compose(arguments.overrides))
    print(f"wrote {PARAMS}")
