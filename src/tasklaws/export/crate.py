"""The entities of a crate: the workflow with its steps, a run of each stage, and the files, parameters and software.

RO-Crate 1.1 (https://w3id.org/ro/crate/1.1) and Provenance Run Crate 0.5 (https://w3id.org/ro/wfrun/provenance/0.5).
Whatever has no address of its own has an id that begins with `#`; so have files that the crate does not hold.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from rocrate.model import ComputerLanguage, ContextEntity, Entity
from rocrate.rocrate import ROCrate

from tasklaws.core.marks import marked
from tasklaws.export.run import Held, ThisMachine, Times
from tasklaws.provenance.chain import Stage

_PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": "Process Run Crate",
    "https://w3id.org/ro/wfrun/workflow/0.5": "Workflow Run Crate",
    "https://w3id.org/ro/wfrun/provenance/0.5": "Provenance Run Crate",
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": "Workflow RO-Crate",
}
# RO-Crate 1.1 has no words for these. They stand in the crate itself, so that it can be read without a network.
_TERMS = {name: f"https://w3id.org/ro/terms/workflow-run#{name}" for name in ("md5", "sha256")}
# Python's own table is the machine's, and would differ between machines.
_TYPES = {
    ".csv": "text/csv",
    ".html": "text/html",
    ".json": "application/json",
    ".jsonl": "application/jsonl",
    ".lock": "text/plain",
    ".py": "text/x-python",
    ".svg": "image/svg+xml",
    ".yaml": "application/yaml",
}


@dataclass(frozen=True)
class About:
    """What a crate says of the whole: the date of publication (ISO 8601), licence (SPDX), commit, who ran it, what was
    checked, and the versions of packages, DVC's among them."""

    ladder: str
    published: str
    license: str
    commit: str | None
    agent: str | None
    checked: str
    packages: Mapping[str, str]


class Crate:
    """A crate that grows by files, stages and what they are of."""

    def __init__(self, here: ThisMachine, about: About, records: Mapping[str, str]) -> None:
        """`records`: the digest of the provenance record of each output, by its path."""
        self._here, self._about, self._records = here, about, records
        self.crate = ROCrate(version="1.1")
        self.crate.metadata.extra_terms = dict(_TERMS)
        self.n_carried, self.n_named = 0, 0
        self._version = {} if about.commit is None else {"version": about.commit}
        self._agent = {} if about.agent is None else {"agent": self._add("#agent", "Person", name=about.agent)}
        self._describe_root()

    def _add(self, identifier: str, kind: str | list[str], **properties: Any) -> Entity:
        """A contextual entity, which the crate has once."""
        known = self.crate.get(identifier)
        return known or self.crate.add(ContextEntity(self.crate, identifier, {"@type": kind, **properties}))

    def _describe_root(self) -> None:
        about, root = self._about, self.crate.root_dataset
        root["name"] = f"tasklaws: the run of the ladder {about.ladder}"
        root["description"] = (
            "A ladder of language models, trained or fetched, asked and scored; the largest were forecast before they "
            f"were scored. {about.checked}"
        )
        root["datePublished"] = about.published
        root["license"] = self._add(
            f"https://spdx.org/licenses/{about.license}", "CreativeWork", name=about.license, description="SPDX licence"
        )
        root["conformsTo"] = [
            self._add(address, "CreativeWork", name=name, version=address.rsplit("/")[-1])
            for address, name in _PROFILES.items()
        ]

    def add_file(self, path: str) -> None:
        """Add a file of the repository that no stage wrote."""
        self.plain(self._here.carried(path), "File")

    def run(self, stages: Sequence[Stage], times: Mapping[str, Times]) -> None:
        """Add the workflow, its steps and a run of each stage, in this order, and of the whole."""
        tools = {name: self._tool(name) for name in dict.fromkeys(stage.name.partition("@")[0] for stage in stages)}
        workflow = self._workflow(tools)
        steps = {
            name: self._add(f"#step/{name}", "HowToStep", name=name, position=str(place), workExample=tool)
            for place, (name, tool) in enumerate(tools.items(), 1)
        }
        workflow["step"] = list(steps.values())
        actions, controls = [], []
        for stage in stages:
            name = stage.name.partition("@")[0]
            action = self._stage(stage, tools[name], times.get(stage.name))
            actions.append(action)
            control = self._add(f"#control/{stage.name}", "ControlAction", name=f"DVC ran {stage.name}")
            control["instrument"], control["object"] = steps[name], action
            controls.append(control)
        whole = self._whole(workflow, stages, times)
        engine = self._package("dvc", self._about.packages["dvc"])
        organised = self._add(f"#organize/{self._about.ladder}", "OrganizeAction", name="dvc repro", **self._agent)
        organised["instrument"], organised["object"], organised["result"] = engine, controls, whole
        self.crate.root_dataset["mentions"] = [whole, *actions]

    def _tool(self, name: str) -> Entity:
        held = self._here.carried(f"stages/{name}.py")
        return self.plain(held, ["File", "SoftwareSourceCode"], programmingLanguage="Python", **self._version)

    def _workflow(self, tools: Mapping[str, Entity]) -> Entity:
        kinds = ["File", "SoftwareSourceCode", "ComputationalWorkflow", "HowTo"]
        workflow = self.plain(self._here.carried("dvc.yaml"), kinds, **self._version)
        language = ComputerLanguage(self.crate, "#dvc-yaml", {"name": "DVC pipeline", "alternateName": "DVC"})
        language["url"] = "https://dvc.org/doc/user-guide/project-structure/dvcyaml-files"
        workflow["programmingLanguage"] = self.crate.add(language)
        workflow["hasPart"] = list(tools.values())
        workflow["softwareRequirements"] = [
            self._package(name, version) for name, version in sorted(self._about.packages.items())
        ]
        self.crate.mainEntity = workflow
        self.crate.metadata["conformsTo"] = [
            {"@id": "https://w3id.org/ro/crate/1.1"},
            {"@id": "https://w3id.org/workflowhub/workflow-ro-crate/1.0"},
        ]
        return workflow

    def _package(self, name: str, version: str) -> Entity:
        """A package by its package URL (purl)."""
        kind = "generic" if name == "python" else "pypi"
        address = f"pkg:{kind}/{name}@{version}"
        return self._add(address, "SoftwareApplication", name=name, softwareVersion=version)

    def _stage(self, stage: Stage, tool: Entity, times: Times | None) -> Entity:
        action = self._add(f"#stage/{stage.name}", "CreateAction", name=stage.name, description=stage.command)
        action["instrument"] = tool
        params = [self._param(name, value) for name, value in sorted(stage.params.items())]
        action["object"] = _one([*(self.entity(self._here.held(each)) for each in stage.data), *params])
        action["result"] = _one([self.entity(self._here.held(each)) for each in stage.outputs])
        return self._timed(action, times)

    def _whole(self, workflow: Entity, stages: Sequence[Stage], times: Mapping[str, Times]) -> Entity:
        """The run of the whole: what no stage of it wrote, and all that lies in results and reports."""
        written = {each.path for stage in stages for each in stage.outputs}
        read = [each for stage in stages for each in stage.data]
        given = [each for each in read if not any(f"{each.path}/".startswith(f"{path}/") for path in written)]
        given = [each for each in given if not any(path.startswith(f"{each.path}/") for path in written)]
        made = [held for stage in stages for each in stage.outputs if (held := self._here.held(each)).is_carried]
        action = self._add(f"#run/{self._about.ladder}", "CreateAction", name=f"the run of {self._about.ladder}")
        action["description"] = "All stages, by `dvc repro`."
        action["instrument"] = workflow
        params = [self._param(name, value) for stage in stages for name, value in sorted(stage.params.items())]
        objects = [*(self.entity(self._here.held(each)) for each in given), *params]
        action["object"] = list({each.id: each for each in objects}.values())
        action["result"] = [self.entity(held) for held in made]
        known = [times[stage.name] for stage in stages if stage.name in times]
        whole = len(known) == len(stages)
        return self._timed(
            action, Times(min(each.start for each in known), max(each.end for each in known)) if whole else None
        )

    def _timed(self, action: Entity, times: Times | None) -> Entity:
        if times is not None:
            action["startTime"], action["endTime"] = times.start, times.end
        for name, value in self._agent.items():
            action[name] = value
        return action

    def _param(self, name: str, value: Any) -> Entity:
        """A parameter with its value, text as it is and all else as JSON; equal ones are one entity."""
        text = value if isinstance(value, str) else json.dumps(value, sort_keys=True, ensure_ascii=False)
        key = hashlib.sha256(text.encode()).hexdigest()[:12]
        return self._add(f"#param/{quote(name)}/{key}", "PropertyValue", name=name, value=text)

    def entity(self, held: Held) -> Entity:
        """The entity of a file or folder with its hashes; a folder's has its files as parts."""
        if held.is_folder:
            parts = [self.entity(part) for part in held.parts]
            more = {"hasPart": _one(parts)} if parts else {}
            return self.plain(held, "Dataset", **more)
        return self.plain(held, "File")

    def plain(self, held: Held, kind: str | list[str], **more: Any) -> Entity:
        """The same without the parts of a folder, and with other properties."""
        identifier = quote(held.path) + ("/" if held.is_folder else "")
        if not held.is_carried:
            identifier = f"#{identifier}" if held.is_here else f"#{identifier}@{held.md5}"
        known = self.crate.get(identifier)
        if known is not None:
            return known
        properties = {"@type": kind, "name": held.path, "md5": held.md5, **more}
        if not held.is_folder:
            properties["contentSize"] = str(held.size)
            properties["encodingFormat"] = _encoding(held.path)
        if held.sha256 is not None:
            properties["sha256"] = held.sha256
        if (record := self._record(held)) is not None:
            properties["identifier"] = self._add(
                f"#record/{record}",
                "PropertyValue",
                propertyID="tasklaws trace",
                name="provenance record",
                value=record,
            )
        if identifier.startswith("#"):
            self.n_named += not held.is_folder
            properties["description"] = "Not in this crate: known by its hashes. `dvc pull` or the pipeline makes it."
            return self.crate.add(ContextEntity(self.crate, identifier, properties))
        if held.is_folder:
            return self.crate.add_dataset(dest_path=held.path, properties=properties)
        self.n_carried += 1
        return self.crate.add_file(self._here.root / held.path, dest_path=held.path, properties=properties)

    def _record(self, held: Held) -> str | None:
        """The digest by which `tasklaws trace` finds the record of an output, or of a figure."""
        if (
            held.path.endswith(".svg")
            and held.is_here
            and (found := marked((self._here.root / held.path).read_bytes()))
        ):
            return found
        return self._records.get(held.path)


def _one(values: list[Entity]) -> Entity | list[Entity]:
    """A single value by itself, as RO-Crate 1.1 has it."""
    return values[0] if len(values) == 1 else values


def _encoding(path: str) -> str:
    return _TYPES.get(Path(path).suffix, "application/octet-stream")
