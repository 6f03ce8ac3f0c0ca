"""What a finished study gives to other tools: Snakemake's report, model cards, lm-eval's tasks."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sftstudy.files.reading import read_json, read_jsonl
from workflow.running import MINI, plan, snakemake

pytestmark = pytest.mark.slow

TRIAL = "smoke/banking77/lr0.001"


@pytest.fixture(scope="module")
def exported(mini: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the finished mini study, with the exports made; returns its results."""
    checkout = tmp_path_factory.mktemp("exported") / "checkout"
    shutil.copytree(mini, checkout, symlinks=True)
    snakemake(checkout, "exports", "--configfile", MINI)
    assert plan(checkout, "--configfile", MINI).rules == {}, "the study itself is as it was"
    return checkout / "results" / "mini"


def test_status_says_that_all_is_done(exported: Path) -> None:
    """Also that the logs and outputs that `status` looks for are those of the rules."""
    import yaml

    from sftstudy.status import jobs, rows, summary
    from sftstudy.study.grid import Study
    from sftstudy.study.layout import Layout

    checkout = exported.parents[1]
    study = Study(yaml.safe_load((checkout / MINI).read_text(encoding="utf-8")), MINI)
    text = summary(list(rows(study, checkout)))
    assert "2 trials: 2 done" in text and "Time left" not in text
    for variant in study.variants("smoke"):
        for job in jobs(study, "smoke", variant, Layout(exported)):
            assert (
                job.log.is_file()
                and job.record.is_file()
                and all(output.exists() for output in job.outputs)
            )


def test_model_cards_hold_the_evaluation_and_the_recipe(exported: Path) -> None:
    from huggingface_hub import ModelCard

    card = ModelCard.load(exported / "model_cards" / f"{TRIAL}.md")
    evalsets = {
        file.stem: read_json(file) for file in (exported / "metrics" / TRIAL).glob("*.json")
    }
    shown = {(r.dataset_name, r.dataset_split): r.metric_value for r in card.data.eval_results}
    assert shown == {
        (d["task"], d["split"]): round(d["metrics"][d["primary"]]["value"], 4)
        for d in evalsets.values()
    }
    assert all(f"| {name} | " in card.text for name in evalsets)
    assert "| learning_rate | 0.001 |" in card.text and "metrics files" not in card.text
    assert card.data.base_model is None, "a smoke student is on no hub"


def test_lm_eval_gets_our_number(exported: Path, tmp_path: Path) -> None:
    """With the same replies, row by row, from another folder than the checkout."""
    checkpoint = exported / "checkpoints" / TRIAL
    command = [Path(sys.executable).with_name("lm_eval"), "run"]
    command += ["--include_path", exported / "lm_eval_tasks", "--tasks", "banking77_sft"]
    command += ["--model", "hf", "--model_args", f"pretrained={checkpoint},dtype=float32"]
    command += ["--device", "cpu", "--batch_size", "8", "--apply_chat_template"]
    command += ["--output_path", tmp_path / "out", "--log_samples"]
    offline = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command, cwd=tmp_path, env=os.environ | offline, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
    (results,) = (tmp_path / "out").rglob("results_*.json")
    (samples,) = (tmp_path / "out").rglob("samples_*.jsonl")
    ours = read_json(exported / "metrics" / TRIAL / "banking77.test.json")["metrics"]
    theirs = read_json(results)["results"]["banking77_sft"]
    for name in ("accuracy", "invalid_rate"):
        assert theirs[f"{name},none"] == pytest.approx(ours[name]["value"])
    replies = read_jsonl(exported / "predictions" / TRIAL / "banking77.test.jsonl")
    found = {sample["doc"]["id"]: sample["resps"][0][0] for sample in read_jsonl(samples)}
    assert found == {row["id"]: row["text"] for row in replies}


def test_snakemake_report_holds_figures_and_tables_with_labels(mini: Path, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    snakemake(mini, "--report", str(page), "--configfile", MINI)
    text = page.read_text(encoding="utf-8")
    start = text.index('var results = {"') + len("var results = ")
    results, _ = json.JSONDecoder().raw_decode(text, start)
    study = Path("results/mini")
    figures = {str(file.relative_to(mini)) for file in (mini / study).rglob("figures/**/*.svg")}
    tables = {str(file.relative_to(mini)) for file in (mini / study / "tables").glob("*.html")}
    assert figures and tables
    assert set(results) == figures | tables | {str(study / "report/index.html")}
    for name, result in results.items():
        assert result["data_uri"].startswith("data:"), "inside the page, not a link"
        assert result["caption"], name
    assert results[str(study / "figures/trials/smoke/banking77.svg")]["labels"] == {
        "figure": "trials",
        "student": "smoke",
        "task": "banking77",
        "configuration": "all",
        "split": "val",
    }
    assert "rulegraph_spec = {" in text and "runtimes_spec = {" in text
