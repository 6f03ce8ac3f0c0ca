"""Results that only newer code would make again are kept; what else has changed is made again."""

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from sftstudy.records.explain import explain
from workflow.keeping import counts, keep
from workflow.running import MINI, Editor, plan, snakemake

pytestmark = pytest.mark.slow

STUDY = ("--configfile", MINI)
TRAINED = "smoke/banking77/lr0.001"
OTHER = "smoke/pubmedqa/lr0.001"
METRICS = Path(f"results/mini/metrics/{TRAINED}/banking77.val.json")
KEPT = "results/mini/kept.json"


@pytest.fixture
def editor(mini: Path, tmp_path: Path) -> Iterator[Editor]:
    """Edits files of a copy of the finished mini study, which a test may spoil."""
    checkout = tmp_path / "checkout"
    shutil.copytree(mini, checkout, symlinks=True)
    yield Editor(checkout)


def edit_training(editor: Editor) -> None:
    editor.append("scripts/sftstudy/training/trial.py", "ANOTHER = 1")


def test_code_is_kept_and_a_hyperparameter_is_trained(
    editor: Editor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And what is told of it, by `make explain` and by the report."""
    checkout = editor.checkout
    edit_training(editor)
    editor.append("scripts/sftstudy/tasks/banking77/score.py", "ANOTHER = 1")
    assert plan(checkout, *STUDY).rules["train"] == 2
    editor.replace(
        MINI, "      mem_gb: 2", "      mem_gb: 2\n      tasks: {pubmedqa: {training: {seed: 7}}}"
    )
    status, text = keep(checkout, "--dry-run")
    assert status == 0 and counts(text)["train"] == (1, 1)
    assert not (checkout / KEPT).exists()
    assert plan(checkout, *STUDY).rules["train"] == 2, "a dry run keeps nothing"

    status, text = keep(checkout)
    assert status == 0, text
    # banking77 is scored on val and test of base and of its own training: 4. The fifth, the other
    # training on its test split, is made again.
    assert counts(text)["train"] == (1, 1) and counts(text)["score"][0] == 4
    planned = plan(checkout, *STUDY)
    assert planned.rules == {rule: run for rule, (_, run) in counts(text).items() if run}
    assert planned.of("checkpoints") == {OTHER}
    assert all(
        f"/{OTHER}" in f"/{job}" for job in planned.of("predictions") | planned.of("metrics")
    )

    monkeypatch.chdir(checkout)
    told = [line.strip() for line in explain(METRICS) if " kept " in f" {line}"]
    assert [line.split()[7] for line in told] == ["scripts/score.py", "scripts/train.py"]
    snakemake(checkout, *STUDY)
    assert plan(checkout, *STUDY).rules == {}
    page = (checkout / "results/mini/report/index.html").read_text(encoding="utf-8")
    [version] = re.findall(r"(scripts/train.py [0-9a-f]{16})", told[1])[:1]
    assert f"1 result, made by <code>{version}</code>" in page


def test_changed_data_and_changed_inputs_keep_nothing(editor: Editor) -> None:
    edit_training(editor)
    data = editor.checkout / "results/mini/data/banking77/train.jsonl"
    data.write_bytes(data.read_bytes() + b"\n")
    os.utime(data)
    status, text = keep(editor.checkout)
    assert status == 0 and counts(text)["train"] == (1, 1), text
    assert plan(editor.checkout, *STUDY).of("checkpoints") == {TRAINED}


def test_where_all_is_for_code_the_report_alone_is_made_again(editor: Editor) -> None:
    edit_training(editor)
    status, text = keep(editor.checkout)
    assert status == 0 and counts(text)["train"] == (2, 0)
    assert plan(editor.checkout, *STUDY).rules == {"report": 1}
    status, text = keep(editor.checkout)
    assert "train" not in text, "nothing is kept twice"


def test_replies_of_an_engine_whose_code_is_kept_are_known(editor: Editor) -> None:
    """To the jobs that run for another reason."""
    editor.append("scripts/sftstudy/prediction/hf.py", "ANOTHER = 1")
    status, text = keep(editor.checkout)
    assert status == 0 and counts(text)["predict_select"] == (2, 0)
    replies = Path(f"results/mini/predictions/{TRAINED}/banking77.val.jsonl")
    (editor.checkout / replies).unlink()
    snakemake(editor.checkout, str(replies), *STUDY)
    log = f"results/mini/logs/predictions/{TRAINED}/banking77.select.log"
    text = (editor.checkout / log).read_text(encoding="utf-8")
    assert "banking77.val.jsonl: 16 replies, 16 known before" in text


def test_nothing_is_kept_while_snakemake_runs(editor: Editor) -> None:
    edit_training(editor)
    locks = editor.checkout / ".snakemake/locks"
    locks.mkdir(exist_ok=True)
    (locks / "0.output.lock").write_text(f"results/mini/checkpoints/{TRAINED}\n", encoding="utf-8")
    status, text = keep(editor.checkout)
    assert status == 1 and "nothing was kept: Snakemake runs here" in text
    assert not (editor.checkout / KEPT).exists()
