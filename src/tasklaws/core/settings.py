"""params.yaml as one frozen object, checked whole, which every stage is given.

What only a family, a law or a corpus's tasks can tell is checked where these are made.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import BeforeValidator, Field

from tasklaws.core.checked import (
    DISTINCT,
    NOT_EMPTY,
    Count,
    InnerShare,
    Natural,
    NotNegative,
    Positive,
    Rule,
    Share,
    at_least,
    read,
)
from tasklaws.core.errors import TasklawsError
from tasklaws.core.files import read_text
from tasklaws.core.outputs import refuse_outputs
from tasklaws.core.schema import Chance, Elicitation, Role

PARAMS = Path("params.yaml")
HF = ("hf", "hf-auto", "huggingface")  # the names of lm-eval's model type for directories of transformers
Ask = Mapping[str, tuple[Elicitation, ...]]
# DVC looks for `models.rungs.nano-1.5k.source` below the rung `nano-1`; and names become files.
Name = Annotated[str, Rule("of letters, digits, - and _", re.compile(r"[\w-]+").fullmatch)]
Names = Annotated[tuple[str, ...], NOT_EMPTY, DISTINCT]
Dtype = Literal["float16", "bfloat16", "float32", "float64"]
Device = Literal["auto", "cuda", "mps", "cpu"]
BatchSize = Annotated[
    int | str,
    Rule(
        "1 or more, or auto",
        lambda size: size == "auto" or (isinstance(size, int) and not isinstance(size, bool) and size > 0),
    ),
]
Correlation = Annotated[float, Rule("-1 to 1", lambda value: -1 <= value <= 1)]
Exponent = Annotated[float, Rule("more than 1", lambda value: value > 1)]
_SECRET = re.compile(r"(token|key|secret|password|authorization|cookie|credentials?)$", re.IGNORECASE)
_BY_ENVIRONMENT = "take it out, and set OPENAI_API_KEY, or what else this type of model reads"
_NO_EXPERIMENT = "params.yaml has no experiment: run `dvc exp run -S experiment=overlap`"


@dataclass(frozen=True)
class Families:
    """What is asked: each set's `generator` and that generator's settings, which its class checks."""

    split: Literal["test", "dev"]
    sets: Annotated[dict[Name, dict[str, object]], NOT_EMPTY]


@dataclass(frozen=True)
class Corpus:
    """What a ladder learns from: so many documents, their tasks drawn by the weights of `mixture`."""

    n_documents: Count
    n_heldout: Count
    vocab_size: Count
    mixture: Annotated[dict[str, Positive], NOT_EMPTY]


@dataclass(frozen=True)
class Asked:
    """The key `elicitation`: which families are asked, in which ways, and how many examples of each are kept."""

    ask: Annotated[dict[str, Annotated[tuple[Elicitation, ...], NOT_EMPTY, DISTINCT]], NOT_EMPTY]
    n_shots_kept: Count


@dataclass(frozen=True)
class Work:
    """How a person does a family's items.

    `fixed_seconds` go before the first step (reading, writing the program); the rest of an item's human_seconds is its
    steps, which the machine does if `machine`, or the person. All of `needs` must be known; any of `skips` lets a
    person skip the optional steps. Attempts are stopped at `timeout` seconds.
    """

    fixed_seconds: NotNegative
    timeout: Positive
    machine: bool
    needs: tuple[str, ...]
    skips: tuple[str, ...]


@dataclass(frozen=True)
class Knowledge:
    """A piece of knowledge: the `share` of people who have it, and how it goes with ability (correlation, -1 to 1)."""

    share: InnerShare
    ability: Correlation


@dataclass(frozen=True)
class Population:
    """Made-up people; conf/humans/default.yaml explains each setting."""

    n_people: Count
    speed_sd: NotNegative
    speed_ability: Correlation
    pace_sd: NotNegative
    slip: InnerShare
    skill_sd: NotNegative
    patience_seconds: Positive
    patience_sd: NotNegative
    knowledge: dict[str, Knowledge]
    work: dict[str, Work]

    def __post_init__(self) -> None:
        for name, work in self.work.items():
            for known in (*work.needs, *work.skips):
                if known not in self.knowledge:
                    raise TasklawsError(f"work.{name} names knowledge {known!r}: add it to knowledge")


@dataclass(frozen=True)
class Target:
    """The population that estimates are to speak for: which share of it has each value of one group."""

    group: str
    shares: dict[str, NotNegative]

    def __post_init__(self) -> None:
        if not math.isclose(sum(self.shares.values()), 1, abs_tol=1e-6):
            raise TasklawsError(f"shares of {self.group} are {self.shares}, which do not sum to 1")


@dataclass(frozen=True)
class Humans:
    """Whose attempts are read, at which families' items; estimates speak for `target`, where there is one."""

    attempts: str
    families: Names
    interval: InnerShare
    target: Annotated[Target | None, BeforeValidator(lambda given: given or None)]
    population: Population


@dataclass(frozen=True)
class Laws:
    """Which laws are fitted to every curve, and with how many bootstrap replicates; conf/laws/default.yaml explains."""

    scores: Annotated[tuple[str, ...], DISTINCT]
    losses: Annotated[tuple[str, ...], DISTINCT]
    replicates: Annotated[int, at_least(50)]


@dataclass(frozen=True)
class Resources:
    """What a cell is given; conf/execution/default.yaml explains each setting. `rungs` has what is other for some."""

    cpus: Count
    gpus: Natural
    memory_gb: NotNegative
    minutes: Count
    partition: str
    sbatch: dict[str, str | int]
    setup: tuple[str, ...]
    server: str
    shards: Count
    rungs: dict[Name, dict[str, object]]

    def __post_init__(self) -> None:
        if self.server and self.shards > 1:
            raise TasklawsError(f"shards is {self.shards}, and each would start the server: leave it at 1")
        for rung in self.rungs:
            self.of(rung)

    def of(self, rung: str) -> "Resources":
        """Those of one rung; what cannot be raises TasklawsError."""
        own = {**asdict(self), "rungs": {}, **self.rungs.get(rung, {})}
        return read(Resources, own, f"resources of {rung}", "correct it in conf/execution")


@dataclass(frozen=True)
class StageResources:
    """The resources of the cells that train or fetch, and of those that ask."""

    model: Resources
    respond: Resources

    def __post_init__(self) -> None:
        for rung in ("a rung", *self.model.rungs):
            own = self.model.of(rung)
            if own.server or own.shards > 1:
                raise TasklawsError("resources.model has a server, or shards: give them to resources.respond")


@dataclass(frozen=True)
class Execution:
    """How it is run: on the CPU no result depends on it.

    `auto` takes for `device` the best that is there, and for `batch_size` what fits its memory. Cells of `store`, where
    there is one, are filled by `engine`, `at_once` together, with the `resources` of their stage.
    """

    workers: Count
    device: Device
    batch_size: BatchSize
    store: str
    engine: Literal["debug", "local", "slurm"]
    at_once: Count
    resources: StageResources


def gpt_neox_n_params(layers: int, width: int) -> int:
    """Non-embedding parameters of a GPT-NeoX decoder with a 4x MLP: layers (12 w^2 + 13 w) + 2 w, biases and norms in.

    Counts as the Pythia suite publishes them (Biderman et al. 2023, table 1): 6 layers of width 512 have 18,915,328.
    """
    return layers * (12 * width**2 + 13 * width) + 2 * width


@dataclass(frozen=True)
class TrainSource:
    """A rung that is trained here: its shape, its budget and the shares of it after which a checkpoint is kept.

    A step takes whole documents, of `step_tokens` tokens together (some 1% fewer are there; `n_tokens` counts them as
    full), in `n_shards` parts whose gradients are summed, as so many workers would.
    `muon_lr` drives the matrices of the layers (Muon), min(`adam_lr`, `adam_lr_width` / width) all other parameters
    (AdamW); both warm up over 2% of the steps and fall to 0 along a cosine.
    """

    kind: Literal["train"]
    layers: Count
    width: Count
    heads: Count
    seeds: Annotated[tuple[Natural, ...], NOT_EMPTY, DISTINCT]
    n_tokens: Count
    step_tokens: Count
    muon_lr: Positive
    adam_lr: Positive
    adam_lr_width: Positive
    checkpoints: tuple[Share, ...]
    n_shards: Count = 1
    heldout: ClassVar[bool] = True
    likelihoods: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.width % (2 * self.heads):
            raise TasklawsError(f"width is {self.width}, not an even number for each of {self.heads} heads")
        if self.n_tokens < self.step_tokens:
            raise TasklawsError(f"n_tokens is {self.n_tokens}, less than one step: {self.step_tokens}")

    @property
    def n_params(self) -> int:
        """Non-embedding parameters."""
        return gpt_neox_n_params(self.layers, self.width)

    @property
    def n_steps(self) -> int:
        return self.n_tokens // self.step_tokens

    @property
    def kept_steps(self) -> list[int]:
        """Steps at which a checkpoint is kept: the shares of the whole in `checkpoints`, and the last."""
        return sorted({max(1, round(share * self.n_steps)) for share in self.checkpoints} | {self.n_steps})


@dataclass(frozen=True, kw_only=True)
class StatedSource:
    """What may be stated of a model that was made elsewhere.

    Sizes that are not stated are read from its config.json; `n_tokens`, what its last checkpoint has learned from, may
    stay unknown. One run is one seed.
    """

    seeds: Annotated[tuple[Natural, ...], Rule("one seed", lambda seeds: len(seeds) == 1)] = (0,)
    n_params: Count | None = None
    n_params_total: Count | None = None
    n_tokens: Count | None = None

    def __post_init__(self) -> None:
        if self.n_params is not None and self.n_params_total is not None and self.n_params > self.n_params_total:
            raise TasklawsError(f"n_params is {self.n_params}, more than n_params_total {self.n_params_total}")


@dataclass(frozen=True, kw_only=True)
class CopiedSource(StatedSource):
    """A model whose files come into models/: from a hub, or from this machine.

    With `heldout` its loss on the corpus's held-out documents is measured, `heldout_batch` of them at a time. Weights
    in Python's pickle format (.bin), and code of the model's own, both of which can run anything, are taken only where
    `pickled_weights` or `trust_remote_code` says so.
    """

    layers: Count | None = None
    width: Count | None = None
    heads: Count | None = None
    heldout: bool = True
    heldout_batch: Count = 16
    pickled_weights: bool = False
    trust_remote_code: bool = False
    likelihoods: ClassVar[bool] = True


@dataclass(frozen=True, kw_only=True)
class HubSource(CopiedSource):
    """A rung that is fetched from a hub; docs/ladders.md says what the fields mean.

    `steps` are the checkpoints to fetch, each the branch that `branches` has for it or else stepN, but for the last
    one, which is `revision`; without `steps` that is the only one. `tokens_per_step` gives the tokens of each.
    """

    kind: Literal["hub"]
    repo: Annotated[str, Rule("OWNER/NAME, as a hub has it", re.compile(r"[\w.-]+(/[\w.-]+)?").fullmatch)]
    revision: Annotated[str, Rule("a branch, a tag or a commit", re.compile(r"\S+").fullmatch)] = "main"
    steps: Annotated[tuple[Natural, ...], NOT_EMPTY, DISTINCT] = ()
    branches: dict[Natural, str] = field(default_factory=dict)
    tokens_per_step: Count | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.revision.startswith("step") and self.steps and self.revision != f"step{max(self.steps)}":
            raise TasklawsError(f"revision is {self.revision}, not the last of steps {sorted(self.steps)}")
        for step in self.branches:
            if step not in self.steps or step == max(self.steps):
                raise TasklawsError(f"branches has step {step}, which is none of steps but the last {list(self.steps)}")
        if self.tokens_per_step is None:
            return
        if not self.steps:
            raise TasklawsError("tokens_per_step is given without steps: give n_tokens")
        if self.n_tokens not in (None, found := max(self.steps) * self.tokens_per_step):
            raise TasklawsError(f"n_tokens is {self.n_tokens}, and the last of steps times tokens_per_step {found}")
        object.__setattr__(self, "n_tokens", found)

    @property
    def revisions(self) -> dict[int, str]:
        """Every step's revision, in order of steps; 0 stands for the step where none is stated."""
        *earlier, last = sorted(self.steps) or [0]
        return {step: self.branches.get(step, f"step{step}") for step in earlier} | {last: self.revision}

    def tokens_at(self, step: int) -> int | None:
        """Tokens that a checkpoint has learned from, where they are known."""
        if self.tokens_per_step is not None:
            return step * self.tokens_per_step
        return self.n_tokens if step == max(self.revisions) else None


@dataclass(frozen=True, kw_only=True)
class LocalSource(CopiedSource):
    """A rung that lies on this machine: `path` is a directory as Hugging Face's tools write it, or a GGUF file.

    A relative path is taken from the repository. `weights` are copied into models/, or linked there. Where `sha256`
    is stated, that of the weights must be it.
    """

    kind: Literal["local"]
    path: Annotated[str, NOT_EMPTY]
    weights: Literal["copy", "link"] = "copy"
    step: Natural = 0
    sha256: Annotated[str, Rule("64 hex digits", re.compile(r"[0-9a-f]{64}").fullmatch)] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.is_gguf and self.weights == "link":
            raise TasklawsError(f"weights of {self.path} cannot be linked, as a GGUF file is converted: let it be copy")

    @property
    def is_gguf(self) -> bool:
        return self.path.lower().endswith(".gguf")


@dataclass(frozen=True, kw_only=True)
class LmEvalSource(StatedSource):
    """A rung that lm-eval reaches by itself: `model` is one of its model types, `model_args` its arguments.

    A key or password among the arguments is refused, as they are written into results: such models read it from the
    environment.
    """

    kind: Literal["lm_eval"]
    model: Annotated[str, NOT_EMPTY]
    n_params: Count = field()  # nothing else could tell it
    model_args: dict[str, object] = field(default_factory=dict)
    heldout: ClassVar[bool] = False

    def __post_init__(self) -> None:
        super().__post_init__()
        _refuse_secrets("model_args", self.model_args)

    @property
    def likelihoods(self) -> bool:
        """Whether it can say how likely a text is: chat servers cannot."""
        return not re.search("chat|anthropic|litellm", self.model)


def _refuse_secrets(where: str, value: Any) -> None:
    """Raise TasklawsError at what looks like a key, by its name or as the user of an address."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if _SECRET.search(str(name)) and isinstance(inner, str):
                raise TasklawsError(f"{where} has {name}, which results would show: {_BY_ENVIRONMENT}")
            _refuse_secrets(f"{where}.{name}", inner)
    elif isinstance(value, str) and re.search(r"//[^/\s]*@", value):
        raise TasklawsError(f"{where} has a user or password in its address: {_BY_ENVIRONMENT}")


Source = Annotated[TrainSource | HubSource | LocalSource | LmEvalSource, Field(discriminator="kind")]


@dataclass(frozen=True)
class Asking:
    """How a rung is asked.

    It computes in `dtype`. `num_fewshot` solved examples stand before each question, of the `same` family or of
    `related` ones. `prompts` are the corpus's own `terse` ones, or `plain` language. With `chat_template` a prompt is
    put as the model's own chat template has it.
    """

    dtype: Dtype
    num_fewshot: Natural
    shots: Literal["same", "related"]
    prompts: Literal["terse", "plain"]
    chat_template: bool


@dataclass(frozen=True)
class AskingOfRung:
    """What of `Asking`, and of execution.batch_size, is other for one rung than for its ladder."""

    dtype: Dtype | None = None
    num_fewshot: Natural | None = None
    shots: Literal["same", "related"] | None = None
    prompts: Literal["terse", "plain"] | None = None
    chat_template: bool | None = None
    batch_size: BatchSize | None = None


@dataclass(frozen=True)
class Rung:
    role: Role
    source: Source
    asking: AskingOfRung = AskingOfRung()


@dataclass(frozen=True)
class Planned:
    """A model that nobody trained: its non-embedding parameters, and the tokens that it would learn from."""

    n_params: Count
    n_tokens: Count


@dataclass(frozen=True)
class Models:
    """A ladder: its rungs, and how they are asked where a rung does not say otherwise (`Asking`).

    `sharded` are trained beside it, alike but for their `n_shards`; `planned` are forecast, never trained or asked.
    """

    name: Name
    dtype: Dtype
    num_fewshot: Natural
    shots: Literal["same", "related"]
    prompts: Literal["terse", "plain"]
    chat_template: bool
    rungs: dict[Name, Rung]
    sharded: dict[Name, TrainSource]
    planned: dict[Name, Planned]

    def __post_init__(self) -> None:
        for role in get_args(Role):
            if not self.rungs_of(role):
                raise TasklawsError(f"ladder {self.name} has no rung of role {role}")
        for name in self.planned:
            if name in self.rungs:
                raise TasklawsError(f"planned has {name!r}, which is a rung of ladder {self.name}: name it otherwise")

    @property
    def read_here(self) -> dict[str, str]:
        """The places on this machine that sources name, by rung and key: what lm-eval is to load may be one too."""
        return {f"{key} of {name}": place for name in self.rungs for key, place in self.read_here_by(name).items()}

    def read_here_by(self, name: str) -> dict[str, str]:
        """The places on this machine that one rung's source names, by key."""
        source = self.rungs[name].source
        if isinstance(source, LocalSource):
            return {"path": source.path}
        if not isinstance(source, LmEvalSource):
            return {}
        found = {key: value for key, value in source.model_args.items() if isinstance(value, str)}
        return {f"model_args.{key}": value for key, value in found.items() if Path(value).expanduser().exists()}

    def rungs_of(self, role: Role) -> list[str]:
        """The rungs of one role, from small to large."""
        return [name for name, rung in self.rungs.items() if rung.role == role]

    @property
    def learned_elsewhere(self) -> bool:
        """Whether some rung did not learn the terse prompts or is not asked by them, so that its answers may stand in
        prose: then all rungs' are read as people would too."""
        rungs = self.rungs.items()
        return any(one.source.kind != "train" or self.asking(name).prompts == "plain" for name, one in rungs)

    def asking(self, name: str) -> Asking:
        """How one rung is asked: as the ladder says, but for what the rung says itself."""
        own = self.rungs[name].asking if name in self.rungs else AskingOfRung()
        names = [one.name for one in fields(Asking)]
        return Asking(**{name: getattr(self if getattr(own, name) is None else own, name) for name in names})


@dataclass(frozen=True)
class OverlapSets:
    """Item sets that differ in overlap alone: `n_seeds` of each overlap; forecasts start from `min_rungs` rungs.

    `chain` has the settings of step_chain, but for its overlap: chains of one step, as those of more need common skills
    too, which would leave n_eff below what the overlap says.
    """

    overlaps: Annotated[tuple[Share, ...], NOT_EMPTY, DISTINCT]
    n_seeds: Annotated[int, at_least(2)]
    min_rungs: Annotated[int, at_least(3)]
    chain: dict[str, object]

    def __post_init__(self) -> None:
        lengths = self.chain.get("lengths")
        if not isinstance(lengths, dict) or set(lengths) != {1}:
            raise TasklawsError(f"chain.lengths is {lengths}: give chains of one step, whose n_eff is as designed")


@dataclass(frozen=True)
class ZipfRuns:
    """Corpora of `chain` that differ in their Zipf exponent, and a run of `source` for each of `n_tokens`."""

    n_documents: Count
    n_heldout: Count
    vocab_size: Count
    n_tokens: Annotated[tuple[Count, ...], NOT_EMPTY, DISTINCT]
    chain: dict[str, object]
    source: dict[str, object]

    def __post_init__(self) -> None:
        _ = self.sources

    @property
    def sources(self) -> dict[int, TrainSource]:
        """The source of each run, by its tokens."""
        remedy = "correct it in conf/experiment"
        return {n: read(TrainSource, {**self.source, "n_tokens": n}, "source", remedy) for n in self.n_tokens}


@dataclass(frozen=True)
class Experiment:
    """An experiment beside the ladders of these names; without any, nothing but the three empty lists."""

    ladders: tuple[str, ...]
    rungs: tuple[str, ...]
    exponents: Annotated[tuple[Exponent, ...], DISTINCT]
    evidence: str
    sets: OverlapSets | None = None
    zipf: ZipfRuns | None = None

    def __post_init__(self) -> None:
        if self.ladders and not self.exponents:
            raise TasklawsError("exponents is (), not one or more")

    @property
    def overlap_sets(self) -> OverlapSets:
        """Its sets; TasklawsError where there is no such experiment."""
        if self.sets is None:
            raise TasklawsError(_NO_EXPERIMENT)
        return self.sets

    @property
    def zipf_runs(self) -> ZipfRuns:
        """Its runs on corpora; TasklawsError where there is no such experiment."""
        if self.zipf is None:
            raise TasklawsError(_NO_EXPERIMENT)
        return self.zipf


@dataclass(frozen=True)
class Benchmark:
    """How an lm-eval task or group is asked; what is not said here is as the task has it.

    Of each task the first `limit` documents are asked, with `num_fewshot` solved examples before them, each `repeats`
    times, and what is written is drawn as `generation_kwargs` say. Of its metrics those of the names in `metrics` are
    kept; `solved` is the one that says whether an answer is right, 0 or 1, and `chance` what a guess scores by it.
    """

    limit: Count | None = None
    num_fewshot: Natural | None = None
    repeats: Count | None = None
    generation_kwargs: dict[str, object] | None = None
    metrics: Names | None = None
    solved: str | None = None
    chance: Chance | None = None


@dataclass(frozen=True)
class Settings:
    """All of params.yaml. `raw` is its text as plain data, for what logs or hashes it."""

    families: Families
    corpus: Corpus
    elicitation: Asked
    humans: Humans
    laws: Laws
    execution: Execution
    models: Models
    benchmarks: dict[str, Benchmark]
    benchmark_folder: str
    experiment: Experiment
    seed: Natural
    raw: Mapping[str, Any] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for key, named in (("elicitation.ask", self.elicitation.ask), ("humans.families", self.humans.families)):
            for family in named:
                if family not in self.families.sets:
                    raise TasklawsError(f"{key} has {family!r}, which families.sets lacks")
        read = self.models.read_here | {"benchmark_folder": self.benchmark_folder}
        store = {"execution.store": self.execution.store} if self.execution.store else {}
        refuse_outputs(read | store, self.models.rungs)
        for name in self.benchmarks:
            if name in self.families.sets:
                raise TasklawsError(f"benchmarks has {name!r}, which is a family: ask it by elicitation.ask")
        for name in self.models.rungs:
            wanted, kept = self.models.asking(name).num_fewshot, self.elicitation.n_shots_kept
            if wanted > kept:
                raise TasklawsError(f"num_fewshot of {name} is {wanted}, more than elicitation.n_shots_kept {kept}")
        if self.experiment.ladders:
            count, least = len(self.models.rungs), self.experiment.overlap_sets.min_rungs
            if count <= least:
                raise TasklawsError(
                    f"{self.models.name} has {count} rungs, and forecasts start from experiment.sets.min_rungs "
                    f"{least}: take a longer ladder, or lower it"
                )

    @classmethod
    def of(cls, raw: Any, where: str = str(PARAMS)) -> "Settings":
        """The settings that plain data hold; a value that is unset (`???`) or cannot be raises TasklawsError."""
        _refuse_unset(raw, where)
        found = read(cls, raw, where, "correct it in conf/ or give another to `tasklaws compose`")
        object.__setattr__(found, "raw", raw)
        return found

    def rung(self, name: str) -> Rung:
        """A rung's settings; one that the ladder does not list raises TasklawsError."""
        rungs = self.models.rungs
        if name not in rungs:
            raise TasklawsError(f"no rung {name!r} in ladder {self.models.name}: it has {', '.join(rungs)}")
        return rungs[name]

    def gaps(self) -> list[str]:
        """What each family goes without, a line each: nobody asks it, no document is of it, nobody attempts it."""
        learned = {task.rpartition("_")[0] for task in self.corpus.mixture}
        lacks = {
            "is not asked (elicitation.ask)": self.elicitation.ask,
            "is not in the corpus (corpus.mixture)": learned,
            "has no people (humans.families)": self.humans.families,
        }
        return [
            f"{family} {what}" for family in self.families.sets for what, there in lacks.items() if family not in there
        ]


def load(path: Path = PARAMS) -> Settings:
    """Read params.yaml; a missing or malformed file, an unset value and one that cannot be raise TasklawsError."""
    import yaml  # not in the core that the commands on tables need

    try:
        raw = yaml.safe_load(read_text(path, "run `tasklaws compose`"))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise TasklawsError(f"{path}: malformed YAML ({str(error)[:200]}): run `tasklaws compose`") from error
    if not isinstance(raw, dict):
        raise TasklawsError(f"{path} holds no parameters: run `tasklaws compose`")
    return Settings.of(raw, str(path))


def _refuse_unset(value: Any, where: str) -> None:
    """Raise TasklawsError naming the first value that is `???` (Hydra's mark of an unset value) or null."""
    if isinstance(value, dict):
        for key, inner in value.items():
            _refuse_unset(inner, f"{where}: {key}" if ":" not in where else f"{where}.{key}")
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            _refuse_unset(inner, f"{where}[{index}]")
    elif value == "???" or value is None:
        raise TasklawsError(f"{where} is unset ({value}): set it in conf/ or give it to `tasklaws compose`")
