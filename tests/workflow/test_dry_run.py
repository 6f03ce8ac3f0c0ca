"""The real study on a fresh checkout: what a dry run says, without network and quickly."""

import re
import resource
from pathlib import Path

import pytest

from workflow.running import copy_repository, plan, snakemake


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_repository(tmp_path_factory.mktemp("fresh"))


@pytest.mark.slow
def test_job_counts_of_the_original_study(fresh: Path) -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    rules = plan(fresh, profile="local").rules
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    trials = 5 * 4 * 12
    variants = trials + 5
    assert rules == {
        "fetch_dataset": 6,
        "fetch_student": 5,
        "prepare": 4,
        "prepare_control": 2,
        "lengths": 5 * 4,
        "fits": 5 * 4,
        "fits_control": 5 * 2,
        "card": 4,
        "duplicates": 4,
        "recipe": trials,
        "train": trials,
        "predict_select": trials,
        "predict_select_base": 5,
        "predict_controls": variants,
        "predict_confirm": variants,
        "score": trials * (1 + 4) + 5 * (4 + 4),
        "score_control": variants * 2,
        "recommend": 5,
        "plan": 1,
        "collate": 1,
        "draw": 1,
        "report": 1,
    }
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert seconds < 15, f"the dry run took {seconds:.1f} CPU-seconds"


def test_default_is_the_smoke_study(fresh: Path) -> None:
    rules = plan(fresh).rules
    assert rules["train"] == 4 * 2
    assert "fetch_dataset" not in rules and "fetch_student" not in rules


@pytest.mark.slow
def test_quiet_dry_run_is_the_table_of_jobs(fresh: Path) -> None:
    text = snakemake(fresh, "--dry-run", "--quiet").stdout
    assert re.search(r"^train +8$", text, re.MULTILINE)
    assert text.count("Job stats:") == 1 and "Training" not in text
    assert snakemake(fresh, "--dry-run").stdout.count("Job stats:") == 2  # Snakemake's own


def test_one_cell_of_the_original_study(fresh: Path) -> None:
    cell = "results/metrics/gemma-3-4b-it/tatqa/lr2e-05_ep3_bs4/tatqa.val.json"
    assert plan(fresh, cell, profile="local").rules == {
        "fetch_dataset": 1,
        "fetch_student": 1,
        "prepare": 1,
        "lengths": 1,
        "fits": 1,
        "recipe": 1,
        "train": 1,
        "predict_select": 1,
        "score": 1,
    }


@pytest.mark.slow
def test_exports_are_a_job_per_student_and_one_for_lm_eval(fresh: Path) -> None:
    """They are no part of `all`, whose jobs are counted above."""
    rules = plan(fresh, "exports", profile="local").rules
    assert (rules["model_cards"], rules["lm_eval_tasks"], rules["train"]) == (5, 1, 240)
    assert "report" not in rules


@pytest.mark.slow
def test_students_tasks_and_limit_from_the_command_line(fresh: Path) -> None:
    choice = ["--config", "students=[SmolLM2-135M-Instruct]", "tasks=[banking77]", "limit=20"]
    done = snakemake(fresh, "--dry-run", "--printshellcmds", *choice, profile="local")
    assert plan(fresh, *choice, profile="local").rules["train"] == 12
    assert "results/limit-20/checkpoints/SmolLM2-135M-Instruct/banking77" in done.stdout
    assert "results/checkpoints" not in done.stdout
    assert "--limit=20" in done.stdout


@pytest.mark.slow
def test_overrides_from_the_command_line(fresh: Path) -> None:
    """In the original study --model.device_map, torch_dtype_str, model_max_length,
    generation.batch_size and num_samples."""
    settings = ("device=cpu", "dtype=float32", "max_length=2048", "batch_size=4", "limit=20")
    done = snakemake(fresh, "--dry-run", "--printshellcmds", "--config", *settings, profile="local")
    assert "results/limit-20_dtype-float32_max_length-2048/checkpoints" in done.stdout
    assert "results/checkpoints" not in done.stdout
    assert "accelerate launch" not in done.stdout
    assert "--device cpu --batch-size 4" in done.stdout
    assert '"dtype": "float32", "max_length": 2048' in done.stdout


def test_a_profile_runs_the_study_that_it_is_given(fresh: Path) -> None:
    assert plan(fresh, "--configfile", "config/smoke.yaml", profile="local").rules["train"] == 8


@pytest.mark.slow
def test_a_judge_is_asked_about_every_variant(fresh: Path) -> None:
    with_judge = plan(fresh, "--config", "judge=smoke").rules
    without = plan(fresh).rules
    extra = {rule: count for rule, count in with_judge.items() if count != without.get(rule)}
    assert extra == {"ask_judge": 9, "predict_judge": 9}
    guard = "judge={student: smoke, format: wild_guard}"
    text = snakemake(fresh, "--dry-run", "--printshellcmds", "--config", guard).stdout
    assert plan(fresh, "--config", guard).rules == with_judge
    assert text.count("--format wild_guard") == 9
    assert text.count("You are a classifier for analyzing interactions") == 9
    assert text.count('--judge={"format": "wild_guard", "student": "smoke"}') == 9


@pytest.mark.parametrize("option", ["--dry-run", "--lint", "--unlock"])
def test_bad_configuration_is_one_readable_message(fresh: Path, option: str) -> None:
    done = snakemake(fresh, option, "--config", "limt=20", check=False)
    assert done.returncode == 1
    profile, line = (done.stderr + done.stdout).strip().splitlines()
    assert profile.startswith("Using profile")
    assert line.startswith("error: config/smoke.yaml + --config limt: unknown key 'limt'")
    assert line.endswith("Did you mean 'limit'?")


def test_what_a_rule_finds_wrong_is_one_readable_message(fresh: Path) -> None:
    """Snakemake wraps what functions of rules raise, and raises it again in another place."""
    moved = "catalog={students: {smoke: {source: {path: /nowhere}}}}"
    done = snakemake(fresh, "--dry-run", "--config", moved, check=False)
    assert done.returncode == 1 and "Traceback" not in done.stderr + done.stdout
    last = done.stdout.strip().splitlines()[-1]
    assert last.startswith("error: /nowhere: the source of smoke (its 'path') is no folder")


OVERLAY = """
students: [smoke]
catalog:
  students:
    smoke:
      source: {path: mirror}
"""


@pytest.mark.slow
def test_a_layer_replaces_a_source_and_null_takes_a_key_away(fresh: Path) -> None:
    """In Snakemake's own merge the source would hold both."""
    file = fresh / "overlay.yaml"
    file.write_text(OVERLAY)
    (fresh / "mirror").mkdir()
    (fresh / "mirror" / "config.json").touch()
    layers = ("--configfile", "config/smoke.yaml", file.name)
    rules = plan(fresh, *layers).rules
    assert rules["fetch_student"] == 1 and "build_smoke_student" not in rules
    inline = "catalog={students: {smoke: {source: {path: mirror}}}}"
    assert plan(fresh, "--config", inline).rules == rules
    nulls = ("judge=smoke", "judge=null", "space={learning_rate: [1e-4, 2e-4, 3e-4]}")
    found = plan(fresh, "--config", *nulls).rules
    assert found["train"] == 4 * 3 and "ask_judge" not in found


@pytest.mark.slow
def test_faults_of_a_study_file_are_one_message_with_its_line(fresh: Path) -> None:
    text = (fresh / "config/smoke.yaml").read_text(encoding="utf-8")
    file = fresh / "faulty.yaml"
    line = len(text.splitlines()) + 1
    for fault, words in {
        "study: twice": "study: the key stands on line",
        "limit: 4096.0": "limit: found 4096.0; expected an integer or null: write 4096",
        "limit: 0123": "limit: 0123 is octal",
        "batch_size: .nan": "batch_size: found .nan",
    }.items():
        file.write_text(f"{text}{fault}\n", encoding="utf-8")
        done = snakemake(fresh, "--dry-run", "--configfile", file.name, check=False)
        assert done.returncode
        assert f"{file.name}, line {line}: {words}" in done.stdout + done.stderr, done.stdout
