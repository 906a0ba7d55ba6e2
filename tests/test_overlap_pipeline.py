"""The overlap experiment from nothing to the report, by the README's one command, on a ladder of almost nothing."""

import json
from pathlib import Path

import pytest

from clone import Clone

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("pipeline")]

LEFT_OUT = ["gauss_sum", "step_chain", "step_chain_shared", "string_edit", "addition"]
TINY = [
    "models.name=nano_four",
    "corpus=mini",
    "corpus.n_documents=1000",
    "corpus.n_heldout=50",
    *(f"~models.rungs.nano-{size}" for size in ("10k", "38k", "84k", "149k")),
    "models.rungs.nano-21k.role=holdout",
    *(
        f"models.rungs.nano-{size}.source.{setting}"
        for size in ("1k", "2k", "5k", "21k")
        for setting in ("n_tokens=20480", "checkpoints=[]")
    ),
    *(f"~elicitation.ask.{family}" for family in LEFT_OUT),
    "experiment.sets.overlaps=[0,1]",
    "experiment.sets.n_seeds=2",
    "experiment.sets.min_rungs=3",
    "experiment.exponents=[1.5]",
    "experiment.zipf.n_documents=400",
    "experiment.zipf.n_heldout=20",
    "experiment.zipf.n_tokens=[4096,8192,16384,32768]",
    "experiment.zipf.source.width=8",
    "experiment.zipf.source.heads=1",
]


def test_one_command_runs_the_experiment_to_its_figures_and_sentences_in_the_report(tmp_path: Path) -> None:
    clone = Clone(tmp_path / "clone")
    settings = [word for one in ("experiment=overlap", *TINY) for word in ("-S", one)]
    ran = clone.ran("dvc", "exp", "run", *settings, "report@nano_four")
    assert {"overlap_items@nano_four", "overlap_respond@nano-21k", "overlap@nano_four", "zipf@nano_four"} <= set(ran)
    assert ran.index("forecast@nano_four") < ran.index("overlap_score@nano-21k"), "no outcome before its forecast"
    page = (clone.path / "reports/index.html").read_text()
    results = clone.path / "results/nano_four"
    for name in ("forecast", "theory", "coverage", "zipf"):
        assert (results / f"figures/overlap-{name}.svg").stat().st_size > 0
        assert f"overlap-{name}" in page
    said = [
        one
        for file in ("summary", "zipf")
        for one in json.loads((results / f"overlap/{file}.json").read_text())["sentences"]
    ]
    assert len(said) == 4
    assert all(sentence in page for sentence in said)
