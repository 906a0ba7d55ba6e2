"""What cells are given on a cluster, and what of the settings for it cannot be."""

from collections.abc import Sequence

from tasklaws.cells.cell import ASK, TRAIN
from tasklaws.core.errors import TasklawsError
from tasklaws.core.settings import Resources, Settings

# Options of sbatch that submission needs for itself, and the settings by which some of them are given.
_OUR_OPTIONS = {
    **dict.fromkeys(("array", "dependency", "job-name", "output", "error", "nodes", "ntasks", "ntasks-per-node"), ""),
    **dict.fromkeys(("signal", "parsable", "wait", "wrap", "test-only"), ""),
    **dict.fromkeys(("mem", "mem-per-cpu", "mem-per-gpu"), "memory_gb"),
    **{"time": "minutes", "cpus-per-task": "cpus", "gpus-per-node": "gpus", "partition": "partition"},
}


def _by_stage(settings: Settings) -> dict[str, Resources]:
    both = settings.execution.resources
    return {TRAIN: both.model, ASK: both.respond}


def refuse_resources(settings: Settings) -> None:
    """Raise TasklawsError for lines to sbatch that have a setting of their own, or by which cells are told apart."""
    for stage, resources in _by_stage(settings).items():
        for key in {key for rung in settings.models.rungs for key in resources.of(rung).sbatch}:
            if (name := key.replace("_", "-")) in _OUR_OPTIONS:
                instead = f"set {_OUR_OPTIONS[name]} instead" if _OUR_OPTIONS[name] else "leave it out"
                where = f"execution.resources.{stage}.sbatch"
                raise TasklawsError(f"{where} has {key!r}, which tasklaws sets: {instead}")


def strangers(settings: Settings) -> list[str]:
    """A line for each rung that the resources name and the ladder lacks: another ladder's, or misspelt."""
    ladder = settings.models
    return [
        f"note: execution.resources.{stage}.rungs has {rung}, which ladder {ladder.name} lacks: nothing is given to it"
        for stage, resources in _by_stage(settings).items()
        for rung in resources.rungs
        if rung not in ladder.rungs
    ]


def wishes(settings: Settings, names: Sequence[str]) -> str:
    """What Slurm would be asked for, a line for all cells, of these `names`, that are given the same."""
    groups: dict[str, list[str]] = {}
    for name in names:
        stage, _, rung = name.partition(":")[0].partition("@")
        own = _by_stage(settings)[stage].of(rung)
        parts = [
            f"{own.cpus} CPUs",
            f"{own.gpus} GPUs" if own.gpus else "",
            f"{own.minutes} min",
            f"{own.memory_gb:g} GB" if own.memory_gb else "",
            f"partition {own.partition}" if own.partition else "",
            *(f"{key} {value}" for key, value in own.sbatch.items()),
        ]
        groups.setdefault(", ".join(filter(None, parts)), []).append(name)
    return "\n".join(f"{wanted}: {', '.join(cells)}" for wanted, cells in groups.items())
