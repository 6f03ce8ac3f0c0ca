"""The heart of the product: exactly what a change touches is done again, and nothing else."""

import os
import shutil
from pathlib import Path

import pytest

from sftstudy.files.reading import read_json
from tiny_gguf import save_gguf
from tiny_student import save_student
from tiny_tokenizer import CHATML
from workflow.running import MINI, Editor, copy_repository, plan, snakemake

pytestmark = pytest.mark.slow

SUMMARY = {"collate": 1, "draw": 1, "report": 1}
STUDY = ("--configfile", MINI)
CODE = "ANOTHER = 1"  # a statement: comments are no change


def test_finished_study_has_nothing_to_do(mini: Path) -> None:
    assert plan(mini, *STUDY).rules == {}


def test_touching_every_file_of_the_repository_reruns_nothing(mini: Path) -> None:
    for file in mini.rglob("*"):
        parts = file.relative_to(mini).parts
        if file.is_file() and parts[0] != ".snakemake" and parts[:2] != ("results", "mini"):
            os.utime(file)
    assert plan(mini, *STUDY).rules == {}


def test_new_learning_rate_trains_only_what_is_new(edited: Editor) -> None:
    edited.replace(MINI, "learning_rate: [1.0e-3]", "learning_rate: [1.0e-3, 2.0e-3]")
    planned = plan(edited.checkout, *STUDY)
    new = {f"smoke/{task}/lr0.002" for task in ("banking77", "pubmedqa")}
    assert planned.of("checkpoints") == new
    assert planned.of("recipes") == new
    assert all("/lr0.002/" in job for job in planned.of("predictions") | planned.of("metrics"))
    assert planned.rules == {
        "recipe": 2,
        "train": 2,
        "predict_select": 2,
        "predict_controls": 2,
        "predict_confirm": 2,
        "score": 2 * 3,
        "score_control": 2 * 2,
        "recommend": 1,
        "plan": 1,
        **SUMMARY,
    }


def test_new_task_trains_only_itself(edited: Editor) -> None:
    edited.replace(MINI, "tasks: [banking77, pubmedqa]", "tasks: [banking77, pubmedqa, tatqa]")
    edited.replace(
        MINI,
        "  controls:\n    ifeval:",
        "    tatqa:\n"
        "      source: {smoke: {seed: 3, train: 48, test: 16}}\n"
        "      split: {strategy: grouped, val: 16, test: published}\n"
        "      max_new_tokens: 8\n"
        "  controls:\n    ifeval:",
    )
    planned = plan(edited.checkout, *STUDY)
    assert planned.of("checkpoints") == {"smoke/tatqa/lr0.001"}
    made = {"tatqa/prepare", "tatqa/lengths/smoke", "tatqa/fits/smoke", "tatqa/card"}
    made.add("tatqa/duplicates")
    assert planned.of("data") == made
    # The confirm suite of the others gains an eval set; what it knew comes from its journal.
    others = {job for job in planned.of("metrics") if "/tatqa/" not in job}
    assert {job.rpartition("/")[2] for job in others} >= {"tatqa.test"}


def test_new_student_leaves_the_others_alone(edited: Editor) -> None:
    edited.replace(MINI, "students: [smoke]", "students: [smoke, second]")
    edited.replace(
        MINI,
        "  tasks:\n    banking77:",
        "    second:\n"
        "      source: {smoke: {seed: 2, steps: 20}}\n"
        "      max_length: 1024\n"
        "      dtype: float32\n"
        "      gpus: 0\n"
        "  tasks:\n    banking77:",
    )
    planned = plan(edited.checkout, *STUDY)
    stages = ("checkpoints", "recipes", "predictions", "metrics", "recommendations")
    assert all(job.startswith("second") for stage in stages for job in planned.of(stage))
    assert planned.rules["train"] == 2 and planned.rules["lengths"] == 2
    assert "prepare" not in planned.rules


def test_changed_duplicates_redo_the_recommendation(edited: Editor) -> None:
    file = edited.checkout / "results/mini/data/pubmedqa/duplicates.json"
    content, times = file.read_bytes(), file.stat()
    try:
        file.touch()
        assert plan(edited.checkout, *STUDY).rules == {}, "the same content is no change"
        file.write_bytes(content.replace(b"pubmedqa", b"banking77"))
        assert plan(edited.checkout, *STUDY).rules == {"recommend": 1, **SUMMARY}
    finally:
        file.write_bytes(content)
        os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))


def test_new_control_prompts_train_nothing(edited: Editor) -> None:
    edited.replace(
        MINI,
        "ifeval:\n      source: {smoke: {seed: 5, test: 10}}",
        "ifeval:\n      source: {smoke: {seed: 5, test: 11}}",
    )
    rules = plan(edited.checkout, *STUDY).rules
    assert "train" not in rules and "prepare" not in rules and "predict_confirm" not in rules
    assert rules["predict_controls"] == 3


def test_edited_scorer_scores_its_task_and_nothing_else(edited: Editor) -> None:
    edited.append("scripts/sftstudy/tasks/pubmedqa/score.py", CODE)
    planned = plan(edited.checkout, *STUDY)
    # base: val and test; each of two trials: test; the pubmedqa trial: val
    assert planned.rules == {"score": 5, "recommend": 1, **SUMMARY}
    assert all("/pubmedqa." in job for job in planned.of("metrics"))


def test_another_engine_predicts_anew_and_trains_nothing(edited: Editor) -> None:
    edited.replace(MINI, "students: [smoke]", "engine: openai\nstudents: [smoke]")
    rules = plan(edited.checkout, *STUDY).rules
    predictions = {rule for rule in rules if rule.startswith("predict")}
    assert predictions == {
        "predict_select",
        "predict_select_base",
        "predict_controls",
        "predict_confirm",
    }
    assert not {"train", "prepare", "lengths"} & set(rules)


def test_how_an_engine_is_run_and_code_of_another_engine_rerun_nothing(edited: Editor) -> None:
    edited.replace(
        MINI, "students: [smoke]", "serve: x {port}\nenforce_eager: true\nstudents: [smoke]"
    )
    edited.append("scripts/sftstudy/prediction/openai.py", CODE)
    edited.append("scripts/sftstudy/prediction/vllm.py", CODE)
    assert plan(edited.checkout, *STUDY).rules == {}


def test_overrides_come_and_go_without_touching_other_results(mini: Path) -> None:
    """Snakemake keeps what it knows of a job by its outputs: nothing has been run here."""
    whole = plan(mini, *STUDY, "--config", "dtype=bfloat16").rules
    assert whole["train"] == 2 and whole["build_smoke_student"] == 1
    assert plan(mini, *STUDY, "--config", "device=cpu", "batch_size=4").rules == {}
    assert plan(mini, *STUDY).rules == {}


def test_edited_control_scorer_scores_the_control(edited: Editor) -> None:
    edited.append("scripts/sftstudy/tasks/ifeval/score.py", CODE)
    assert plan(edited.checkout, *STUDY).rules == {"score_control": 3, "recommend": 1, **SUMMARY}


def test_edited_prompt_redoes_its_task_and_trains_no_other(edited: Editor) -> None:
    edited.append("scripts/sftstudy/tasks/banking77/data.py", CODE)
    planned = plan(edited.checkout, *STUDY)
    assert planned.of("checkpoints") == {"smoke/banking77/lr0.001"}
    assert planned.of("data") == {
        "banking77/prepare",
        "banking77/lengths/smoke",
        "banking77/fits/smoke",
        "banking77/card",
        "banking77/duplicates",
    }
    others = {job for job in planned.of("predictions") if "/banking77/" not in job}
    assert others == {"smoke/base/select", "smoke/base/confirm", "smoke/pubmedqa/lr0.001/confirm"}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("mem_gb: 2", "mem_gb: 7"),
        ("gpus: 0", "gpus: 0\n      hours: 9"),
        ("cpus: 1", "cpus: 2"),
        ("study: mini", "study: mini\ntracking: tensorboard"),
        ("gpus: 0", "gpus: 0\n      accelerate: config/accelerate/ddp.yaml"),
    ],
)
def test_changed_resources_rerun_nothing(edited: Editor, old: str, new: str) -> None:
    edited.replace(MINI, old, new)
    assert plan(edited.checkout, *STUDY).rules == {}


@pytest.mark.parametrize("rules", ["train", "predict", "recommend"])
def test_changed_messages_and_rule_resources_rerun_nothing(edited: Editor, rules: str) -> None:
    edited.replace(f"rules/{rules}.smk", '    message:\n        "', '    message:\n        "Now ')
    resources = "\n    resources:\n"  # of the first rule that is no checkpoint
    edited.replace(f"rules/{rules}.smk", resources, f"{resources}        disk_mb=10,\n")
    assert plan(edited.checkout, *STUDY).rules == {}


def test_hyperparameter_of_one_pair_retrains_that_pair(edited: Editor) -> None:
    edited.replace(
        MINI, "      mem_gb: 2", "      mem_gb: 2\n      tasks: {pubmedqa: {training: {seed: 7}}}"
    )
    assert plan(edited.checkout, *STUDY).of("checkpoints") == {"smoke/pubmedqa/lr0.001"}


def test_hyperparameter_of_all_retrains_all(edited: Editor) -> None:
    edited.replace(MINI, "num_train_epochs: 1", "num_train_epochs: 1\n  weight_decay: 0.02")
    planned = plan(edited.checkout, *STUDY)
    assert planned.rules["train"] == 2 and "prepare" not in planned.rules


def test_writing_out_a_default_reruns_nothing(edited: Editor) -> None:
    edited.replace(MINI, "num_train_epochs: 1", "num_train_epochs: 1\n  weight_decay: 0.01")
    assert plan(edited.checkout, *STUDY).rules == {}


def test_gates_redo_the_recommendation(edited: Editor) -> None:
    edited.append(MINI, "gates: {simple_safety_tests: {metric: safe_rate, above: 0.8}}")
    assert plan(edited.checkout, *STUDY).rules == {"recommend": 1, "plan": 1, **SUMMARY}


def test_report_template_redoes_the_report(edited: Editor) -> None:
    templates = "scripts/sftstudy/report/templates"
    name = sorted(path.name for path in (edited.checkout / templates).iterdir())[0]
    edited.append(f"{templates}/{name}", "")
    assert plan(edited.checkout, *STUDY).rules == {"report": 1}


def test_training_code_retrains(edited: Editor) -> None:
    edited.append("scripts/sftstudy/training/trial.py", CODE)
    planned = plan(edited.checkout, *STUDY)
    assert planned.rules["train"] == 2 and "prepare" not in planned.rules


def test_code_of_the_own_engine_predicts_anew_and_trains_nothing(edited: Editor) -> None:
    edited.append("scripts/sftstudy/prediction/hf.py", CODE)
    rules = plan(edited.checkout, *STUDY).rules
    assert rules["predict_select_base"] == 1 and rules["predict_controls"] == 3
    assert not {"train", "prepare", "lengths"} & set(rules)


def test_style_reruns_nothing(edited: Editor) -> None:
    """Comments, docstrings, annotations, layout, imports for annotations, a renamed module."""
    edited.append("scripts/sftstudy/training/trial.py", "# an edit")
    edited.append("scripts/train.py", "\n\n")
    package = "scripts/sftstudy/prefix_sharing"
    edited.replace(f"{package}/trie.py", '"""Token sequences', '"""Sequences of tokens')
    edited.replace(f"{package}/trie.py", "(a: Sequence[int], b: Sequence[int])", "(a, b: object)")
    edited.replace(
        f"{package}/batching.py",
        "if TYPE_CHECKING:",
        "if TYPE_CHECKING:\n    from sftstudy.report import page\n",
    )
    edited.move(f"{package}/trie.py", f"{package}/laid_out.py")
    for importing in ("mask", "collator", "generate", "slots"):
        edited.replace(
            f"{package}/{importing}.py", "prefix_sharing.trie", "prefix_sharing.laid_out"
        )
    assert plan(edited.checkout, *STUDY).rules == {}


def test_rooms_that_determine_no_result_rerun_nothing(edited: Editor) -> None:
    """Better error messages, and a new helper that only such rooms use."""
    edited.append("scripts/sftstudy/errors.py", CODE)
    edited.append("scripts/sftstudy/cli.py", CODE)
    edited.append("scripts/sftstudy/records/lineage.py", CODE)
    edited.write("scripts/sftstudy/files/helper.py", "def help():\n    return 1\n")
    edited.append("scripts/sftstudy/files/reading.py", "from sftstudy.files.helper import help")
    assert plan(edited.checkout, *STUDY).rules == {}


def test_edited_prompt_generates_no_token_of_another_task_again(mini: Path, tmp_path: Path) -> None:
    """For real: the confirm suite of another task's checkpoint answers from its journal."""
    checkout = tmp_path / "checkout"
    shutil.copytree(mini, checkout, symlinks=True)
    kept = checkout / "results/mini/predictions/smoke/pubmedqa/lr0.001/pubmedqa.test.jsonl"
    weights = checkout / "results/mini/checkpoints/smoke/pubmedqa/lr0.001/model.safetensors"
    before = kept.read_bytes(), weights.stat().st_mtime_ns
    editor = Editor(checkout)
    editor.replace("scripts/sftstudy/tasks/banking77/data.py", "intent classifier", "classifier")
    snakemake(checkout, *STUDY)
    assert plan(checkout, *STUDY).rules == {}
    log = checkout / "results/mini/logs/predictions/smoke/pubmedqa/lr0.001/confirm.log"
    lines = log.read_text(encoding="utf-8").splitlines()
    assert "pubmedqa.test.jsonl: 16 replies, 16 known before" in lines
    assert "banking77.test.jsonl: 16 replies, 0 known before" in lines
    assert (kept.read_bytes(), weights.stat().st_mtime_ns) == before


def test_a_forced_suite_generates_and_a_deleted_file_does_not(mini: Path, tmp_path: Path) -> None:
    """For real: the base's replies to the val splits. Touching forces nothing."""
    checkout = tmp_path / "checkout"
    shutil.copytree(mini, checkout, symlinks=True)
    folder = checkout / "results/mini/predictions/smoke/base"
    log = checkout / "results/mini/logs/predictions/smoke/base/select.log"
    target = ("results/mini/predictions/smoke/base/banking77.val.jsonl", *STUDY)
    before = (folder / "banking77.val.jsonl").read_bytes()
    snakemake(checkout, *target, "--force", "--touch")
    (folder / "banking77.val.jsonl").unlink()
    snakemake(checkout, *target)
    assert "banking77.val.jsonl: 16 replies, 16 known before" in log.read_text(encoding="utf-8")
    for _ in range(2):
        snakemake(checkout, *target, "--force")
        lines = log.read_text(encoding="utf-8").splitlines()
        for task in ("banking77", "pubmedqa"):
            assert f"{task}.val.jsonl: 16 replies, 0 known before" in lines
        forced = "banking77.val.jsonl: 16 known replies are generated anew: the run was forced"
        assert forced in lines
    assert (folder / "banking77.val.jsonl").read_bytes() == before


def test_an_edited_folder_of_a_student_is_fetched_again(tmp_path: Path) -> None:
    """For real, as after a message that asks for another template in it; hidden files are not
    brought, and touching is no edit."""
    checkout, folder = copy_repository(tmp_path / "checkout"), save_student(tmp_path / "student")
    Editor(checkout).replace(MINI, "{smoke: {seed: 1, steps: 20}}", f"{{path: {folder}}}")
    base = "results/mini/checkpoints/smoke/base"
    snakemake(checkout, base, *STUDY)
    (folder / ".git").mkdir()
    (folder / ".git" / "index").touch()
    for file in folder.iterdir():
        file.touch()
    assert plan(checkout, base, *STUDY).rules == {}
    template = folder / "chat_template.jinja"
    template.write_text(template.read_text(encoding="utf-8") + "{# another #}", encoding="utf-8")
    assert plan(checkout, base, *STUDY).rules == {"fetch_student": 1}


def test_a_changed_gguf_file_is_converted_again_and_a_touched_one_is_not(tmp_path: Path) -> None:
    pytest.importorskip("gguf", reason="the package gguf is not installed")
    checkout, file = copy_repository(tmp_path / "checkout"), tmp_path / "checkout" / "tiny.gguf"
    Editor(checkout).replace(MINI, "{smoke: {seed: 1, steps: 20}}", "{gguf: tiny.gguf}")
    base = "results/mini/checkpoints/smoke/base"
    refused = snakemake(checkout, "--dry-run", *STUDY, check=False)
    assert refused.returncode
    assert "tiny.gguf: the source of smoke (its 'gguf') is no file" in refused.stdout
    save_gguf(file)
    whole = plan(checkout, *STUDY).rules
    assert whole["convert_student"] == 1 and "build_smoke_student" not in whole
    snakemake(checkout, base, *STUDY)
    weights = checkout / base / "model.safetensors"
    before = weights.read_bytes()
    file.touch()
    assert plan(checkout, base, *STUDY).rules == {}
    save_gguf(file, template=CHATML + "{# another #}")
    snakemake(checkout, base, *STUDY)
    assert "another" in (checkout / base / "chat_template.jinja").read_text(encoding="utf-8")
    assert weights.read_bytes() == before


def test_deleted_metrics_file_is_scored_from_its_predictions(edited: Editor) -> None:
    cell = "results/mini/metrics/smoke/base/ifeval.json"
    file = edited.checkout / cell
    content, times = file.read_bytes(), file.stat()
    file.unlink()
    try:
        assert plan(edited.checkout, cell, *STUDY).rules == {"score_control": 1}
    finally:
        file.write_bytes(content)
        os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))


@pytest.fixture
def own(mini: Path, tmp_path: Path) -> Editor:
    """A copy of the finished mini study that a test may run again."""
    shutil.copytree(mini, tmp_path / "own", symlinks=True)
    return Editor(tmp_path / "own")


def test_more_replies_to_a_control_are_generated_alone(own: Editor) -> None:
    def set_to(before: str, now: str) -> None:
        own.replace(MINI, f"seed: 6, test: 10}}}}\n{before}", f"seed: 6, test: 10}}}}\n{now}")

    def generated() -> dict[str, tuple[int, int]]:
        """Replies of each suite of controls: all, and those that its last job generated."""
        folder = own.checkout / "results/mini/records/predictions"
        facts = {file: read_json(file)["facts"] for file in folder.rglob("controls.json")}
        return {
            str(file.parent.relative_to(folder)): (
                found["replies"],
                found.get("generated_replies", 0),
            )
            for file, found in facts.items()
        }

    touched = {
        "predict_controls": 3,
        "score_control": 2 * 3,
        "recommend": 1,
        **SUMMARY,
    }
    before = generated()
    assert len(before) == 3
    two = "      samples: 2\n      temperature: 0.8\n"
    set_to("", two)
    assert plan(own.checkout, *STUDY).rules == touched
    snakemake(own.checkout, *STUDY)
    assert generated() == dict.fromkeys(before, (30, 20)), "greedy ones are known"
    set_to(two, two.replace("2", "3"))
    assert plan(own.checkout, *STUDY).rules == touched
    snakemake(own.checkout, *STUDY)
    assert generated() == dict.fromkeys(before, (40, 10))
    assert plan(own.checkout, *STUDY).rules == {}
    metrics = own.checkout / "results/mini/metrics/smoke/base/simple_safety_tests.json"
    document = read_json(metrics)
    assert (document["n"], len(document["samples"])) == (10, 30)
    assert document["decoding"] == {"samples": 3, "temperature": 0.8, "top_p": 1.0}
    assert document["metrics"]["always_safe_rate"]["n"] == 10
    recommendation = read_json(own.checkout / "results/mini/recommendations/smoke.json")
    assert recommendation["decoding"] == {"simple_safety_tests": document["decoding"]}
    report = (own.checkout / "results/mini/report/index.html").read_text(encoding="utf-8")
    assert "3 replies a prompt, sampled at temperature 0.8" in report
