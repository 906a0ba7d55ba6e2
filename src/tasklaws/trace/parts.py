"""The chain behind a figure or table of a report, by the record that the report wrote of it."""

from pathlib import Path

from tasklaws.core.files import sha256_file
from tasklaws.core.marks import SHOWN
from tasklaws.families.prompts import MARKERS
from tasklaws.paths import Paths
from tasklaws.provenance.record import Record, record_sha256
from tasklaws.trace.ground import GONE, Ground, brief
from tasklaws.trace.node import Facts, Node
from tasklaws.trace.outputs import Walk, noted_run, stage_line

_IN_FIGURE_NAMES = ("exact_match", "exact_match_flexible", "partial_credit", "brier", "target_bits_per_byte")


def part_node(ground: Ground, ladder: str, record: Record, rung: str | None, file: Path | None = None) -> Node:
    """A figure or table with all that it was made from; `file` is where a figure was met, `rung` serves as an example.

    Each input is set beside what the record says of it, and the figure beside the one that the report drew.
    """
    full, (kind, _, name) = record_sha256(record), record["name"].partition(" ")
    facts: Facts = {"part": record["name"], "ladder": ladder, "record": full, "seeds": record["seeds"]}
    facts |= {key: record[key] for key in ("models", "items", "guests")}
    line = f"{record['name']} of {ladder}  record {full[:SHOWN]}"
    if file is not None and kind == "figure":
        drawn = Paths(ladder, ground.root).figures / f"{name}.svg"
        own = sha256_file(file)
        same = drawn.is_file() and own == sha256_file(drawn)
        facts |= {"file": str(file), "sha256": own, "as_drawn": same}
        line += f"\n{file}  sha256 {brief(own)}  {'as the report drew it' if same else 'OTHER than the report drew it'}"
    if rung is not None and (task := _task(name)) is not None:
        line += f"\na point of it: tasklaws trace {task}@{rung}"
    walk, children = Walk(ground), _made_by(ground, ladder, record)
    for path, sha in record["inputs"].items():
        node, here = walk.output(path), ground.sha256(path)
        state = "as drawn" if here == sha else GONE if here is None else "DIFFERS from what was drawn"
        told = f"drawn from {path}  sha256 {brief(sha)}  {state}"
        children.append(Node(told, {"drawn_from": path, "sha256": sha, "state": state}, [node]))
    return Node(line, facts, children)


def _made_by(ground: Ground, ladder: str, record: Record) -> list[Node]:
    """The stage that made a part, with its params, code and packages, and the commit that has its record."""
    written = ground.chain.written(Paths(ladder).records.as_posix())
    commit = ground.commit(written[1]) if written else None
    stage = ground.chain.stages.get(record["stage"])
    facts = {"stage": record["stage"], "command": record["command"], "commit": commit}
    line = stage_line(record["stage"], record["command"], commit)
    line += noted_run(ground, stage, facts) if stage is not None else ""
    versions = " ".join(f"{key} {value}" for key, value in record["packages"].items())
    return [
        Node(line, facts),
        Node(f"params: {', '.join(record['params'])}", {"params": record["params"]}),
        Node(f"code: {len(record['code'])} entries", {"code": record["code"]}),
        Node(f"packages: {versions}", {"packages": record["packages"]}),
    ]


def _task(figure: str) -> str | None:
    """The METRIC:TASK that a figure's name says, if any."""
    family, _, rest = figure.partition("-")
    elicitation, _, metric = rest.partition("-")
    if elicitation not in MARKERS:
        return "loss_nats:corpus_likelihood" if figure in ("ladder", "ladder-tokens") else None
    return f"{metric if metric in _IN_FIGURE_NAMES else 'exact_match'}:{family}_{elicitation}"
