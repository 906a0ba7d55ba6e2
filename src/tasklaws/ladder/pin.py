"""Pinning a ladder: the commits that a hub has for its revisions, written into its file."""

import io
from pathlib import Path

from huggingface_hub import HfApi
from ruamel.yaml import YAML

from tasklaws.core.errors import TasklawsError
from tasklaws.core.files import read_text, write_text
from tasklaws.core.git import COMMIT
from tasklaws.core.settings import HubSource, Models
from tasklaws.ladder.hub_answers import checked_answers, endpoint, one_line, refuse_odd_token


def pin(path: Path, models: Models) -> dict[str, dict[str, str]]:
    """Write into a ladder's file the commit of every revision of its fetched rungs; all else stays as it stands.

    `models` is what the file composes to. The last step's commit becomes `revision`, an earlier step's its branch in
    `branches`. Returns by rung what each revision that was no commit yet resolved to; where there is none, nothing is
    written. A rung whose source stands in another file, and what the hub refuses or does not have, raise TasklawsError,
    and the file stays as it was.
    """
    yaml = YAML()
    yaml.width, yaml.preserve_quotes = 4096, True  # as the files in conf/ are laid out
    yaml.indent(mapping=2, sequence=4, offset=2)
    document = yaml.load(read_text(path))
    found: dict[str, dict[str, str]] = {}
    for name, rung in models.rungs.items():
        source = rung.source
        if not isinstance(source, HubSource):
            continue
        revisions = source.revisions
        commits = {step: _commit(source.repo, revision) for step, revision in revisions.items()}
        if list(commits.values()) == list(revisions.values()):
            continue
        own = (document.get("rungs") or {}).get(name) or {}
        if "source" not in own:
            raise TasklawsError(f"{path} has no source of {name}: pin the ladder in whose file it stands")
        *earlier, last = commits
        own["source"]["revision"] = commits[last]
        if earlier:
            own["source"]["branches"] = {step: commits[step] for step in earlier}
        found[name] = {revision: commits[step] for step, revision in revisions.items() if revision != commits[step]}
    if found:
        text = io.StringIO()
        yaml.dump(document, text)
        write_text(path, text.getvalue())
    return found


def _commit(repo: str, revision: str) -> str:
    if COMMIT.fullmatch(revision):
        return revision
    with one_line(repo, revision, endpoint()), checked_answers():
        refuse_odd_token()
        return str(HfApi(endpoint=endpoint()).model_info(repo, revision=revision).sha)
