"""The chain behind an output: the stage that wrote it, its code and params, and its inputs' outputs in turn."""

from dataclasses import replace

from tasklaws.core.errors import TasklawsError
from tasklaws.ladder.card import CARD, Card, Checkpoint, read_card
from tasklaws.provenance.chain import Entry, Stage
from tasklaws.trace.ground import AS_RECORDED, DIFFERS, GONE, Ground, brief
from tasklaws.trace.node import Facts, Node


class Walk:
    """One walk back over a ground: whatever was met before is named and not told again."""

    def __init__(self, ground: Ground) -> None:
        self.ground = ground
        self._told: set[str] = set()

    def output(self, path: str, deep: bool = True) -> Node:
        """The node of an output, or of a file within one, and all that it was made from; its inputs' own chains only
        if `deep`."""
        written = self.ground.chain.written(path)
        if written is None:
            return self._plain(path)
        stage, entry = written
        facts: Facts = {"path": entry.path, "md5": entry.md5, "stage": stage.name}
        if entry.path in self._told:
            return Node(f"{entry.path}  (above)", {**facts, "told": "above"})
        self._told.add(entry.path)
        facts |= {"state": self.ground.state(entry), "record": self.ground.records[entry.path]}
        facts |= {"commit": self.ground.commit(entry)}
        facts |= self._hashes(entry, path)
        if path != entry.path:
            facts |= {"within": path, "sha256": self.ground.sha256(path)}
        sha = f"sha256 {brief(facts['sha256'])}" if "sha256" in facts else f"{entry.n_files} files"
        line = f"{path}  {sha}  {facts['state']}  record {brief(facts['record'])}"
        children = [*self._models(entry), self.stage(stage, entry, deep)]
        return Node(line, facts, children)

    def stage(self, stage: Stage, entry: Entry, deep: bool = True) -> Node:
        """The stage that wrote an output, with its parameters, code and inputs."""
        facts: Facts = {"stage": stage.name, "command": stage.command}
        name = f"stage:{stage.name}"
        if name in self._told:
            return Node(f"stage {stage.name}  (above)", {**facts, "told": "above"})
        self._told.add(name)
        commit = self.ground.commit(entry)
        line = stage_line(stage.name, stage.command, commit) + noted_run(self.ground, stage, facts)
        children = [self._params(stage), self._code(stage)]
        for each in stage.data:
            # The gate holds back a score until a forecast is written; what is scored does not come from it.
            children.append(self._input(each) if deep and "/gate/" not in each.path else self._leaf(each))
        return Node(line, {**facts, "commit": commit}, children)

    def _leaf(self, entry: Entry) -> Node:
        state = self.ground.state(entry)
        return Node(f"{entry.path}  {state}", {"path": entry.path, "md5": entry.md5, "state": state})

    def _input(self, entry: Entry) -> Node:
        """An input as it is now; where a stage read other bytes, it says so."""
        below = self.ground.chain.below(entry.path)
        if self.ground.chain.written(entry.path) is not None or not below:
            node = self.output(entry.path)
            node.facts["read_md5"] = entry.md5
            if self.ground.state(entry) == DIFFERS:
                node.line += "  (the stage read other bytes)"
            return node
        nodes = [self.output(each.path) for _, each in below]
        facts = {"path": entry.path, "md5": entry.md5, "state": self.ground.state(entry)}
        return Node(f"{entry.path}  {len(nodes)} outputs  {facts['state']}", facts, nodes)

    def _plain(self, path: str) -> Node:
        sha = self.ground.sha256(path)
        if path in self._told or not (self.ground.root / path).exists():
            return Node(f"{path}  {'(above)' if path in self._told else 'not on this disk'}", {"path": path})
        self._told.add(path)
        facts: Facts = {"path": path, "sha256": sha} if sha else {"path": path, "files": self.ground.files(path)}
        return Node(f"{path}  sha256 {brief(sha)}  no stage wrote it", facts)

    def _hashes(self, entry: Entry, path: str) -> Facts:
        """The SHA-256 of what is on this disk now: of a file, or of every file in a folder."""
        if entry.n_files is None:
            return {"sha256": self.ground.sha256(entry.path)}
        if path != entry.path or not (self.ground.root / entry.path).is_dir():
            return {}
        return {"files": self.ground.files(entry.path)}

    def _params(self, stage: Stage) -> Node:
        shown = [f"{key} = {value}" for key, value in stage.params.items() if not isinstance(value, (dict, list))]
        more = [key for key, value in stage.params.items() if isinstance(value, (dict, list))]
        return Node(f"params: {', '.join([*shown, *more]) or 'none'}", {"params": dict(stage.params)})

    def _code(self, stage: Stage) -> Node:
        states = {entry.path: self.ground.state(entry) for entry in stage.code}
        changed = [path for path, state in states.items() if state != AS_RECORDED]
        now = "all as dvc.lock has them" if not changed else f"{', '.join(changed)} {DIFFERS}"
        facts = {entry.path: {"md5": entry.md5, "state": states[entry.path]} for entry in stage.code}
        return Node(f"code: {len(facts)} entries, {now}", {"code": facts})

    def _models(self, entry: Entry) -> list[Node]:
        """Of a rung's models: every checkpoint's weights, by its card and on this disk, and the hub's commit."""
        folder = self.ground.root / entry.path
        if not entry.path.startswith("models/") or not (folder / CARD).is_file():
            return []
        try:
            return [models_node(self.ground, entry.path, read_card(folder))]
        except TasklawsError as error:
            return [Node(str(error), {"error": str(error)})]


def stage_line(name: str, command: str, commit: str | None) -> str:
    """A stage, and the commit that first put its output into dvc.lock."""
    return f"stage {name}: {command}  commit {brief(commit) if commit else 'none yet'}"


def noted_run(ground: Ground, stage: Stage, facts: Facts) -> str:
    """What the note of a stage's run says, for a line; it is put among the facts."""
    if (note := ground.notes.of(stage)) is None:
        return ""
    facts["run"] = {key: value for key, value in note.items() if key not in ("wrote_md5", "stage")}
    sources = (
        f" from {brief(str(note['commit']))}{' with changes' if note.get('dirty') else ''}" if "commit" in note else ""
    )
    return f"  ran {note['started']}, {note.get('seconds')} s{sources}"


def models_node(ground: Ground, path: str, card: Card, only: frozenset[tuple[int, int]] = frozenset()) -> Node:
    """The checkpoints of a card (those of the (seed, step) in `only`, if any) beside the weights in `path`."""
    children = []
    for each in card.checkpoints:
        if only and (each.seed, each.step) not in only:
            continue
        where = f"{path}/{each.path}" if each.path != "." else path
        here = _weights(ground, where, each)
        state = GONE if here is None else "as the card says" if here == each.weights_sha256 else "DIFFERS from the card"
        if each.weights_sha256 is None:
            children.append(Node(f"{where}  reached by lm-eval, no weights here", {"path": where, "seed": each.seed}))
            continue
        facts = {"path": where, "seed": each.seed, "step": each.step, "weights_sha256": each.weights_sha256}
        facts |= {"weights_sha256_here": here, "commit": each.commit}
        of_hub = f"  {card.repo} at commit {each.commit}" if each.commit else ""
        if here not in (None, each.weights_sha256):
            state += f", {brief(each.weights_sha256)}"
        weights = brief(here or each.weights_sha256)
        line = f"{where}  seed {each.seed} step {each.step}  weights sha256 {weights}  {state}{of_hub}"
        children.append(Node(line, facts))
    kept = ["repo", "revision", "commit", "corpus_sha256", "tokenizer_sha256", "path", "gguf_sha256"]
    kept += ["model", "model_args", "identity"]
    told = {key: value for key, value in card.to_dict().items() if key in kept}
    origin = f"{card.repo} {card.revision}, commit {card.commit}" if card.repo else card.origin
    origin = f"corpus {brief(card.corpus_sha256)}" if card.corpus_sha256 else origin
    return Node(f"models of {card.rung}: {origin}", {"rung": card.rung, **told}, children)


def _weights(ground: Ground, folder: str, one: Checkpoint) -> str | None:
    """The SHA-256 of a checkpoint's weights as a folder has them, made as its card makes it; None where it has none."""
    if not (ground.root / folder).is_dir():
        return None
    here = {name: ground.sha256(f"{folder}/{name}") or "" for name in one.files}
    return replace(one, files=here).weights_sha256 or None
