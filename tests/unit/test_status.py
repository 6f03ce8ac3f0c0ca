"""How far a study is: states of jobs from files, and Snakemake's own marks of a real run."""

import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from made_documents import measured
from programs import run
from repository import ROOT
from sftstudy.cli import UNREAD
from sftstudy.files.writing import write_json
from sftstudy.status import Row, jobs, rows, table
from sftstudy.study.grid import Study
from sftstudy.study.layout import Layout

SNAKEMAKE = Path(sys.executable).with_name("snakemake")


@pytest.fixture
def study() -> Study:
    return Study(yaml.safe_load((ROOT / "tests/workflow/mini.yaml").read_text()), "mini.yaml")


def finish(folder: Path, study: Study, variant: str, first: int | None = None) -> None:
    """Write the outputs (of the first jobs only) and logs of a variant's jobs."""
    for job in jobs(study, "smoke", variant, Layout(folder / study.root))[:first]:
        for output in (*job.outputs, job.log):
            write_json(output, {"primary": "accuracy", "metrics": {"accuracy": measured(0.5)}})


def of(found: list[Row], task: str) -> Row:
    return next(row for row in found if row.task == task)


def test_nothing_begun(study: Study, tmp_path: Path) -> None:
    found = list(rows(study, tmp_path))
    assert [(row.task, row.trial, row.state) for row in found] == [
        ("", "base", "missing"),
        ("banking77", "lr0.001", "missing"),
        ("pubmedqa", "lr0.001", "missing"),
    ]
    assert table(found).endswith("2 trials: 0 done, 0 running, 0 failed, 2 missing")


def test_a_judge_has_two_jobs_for_each_control_that_can_be_judged(study: Study) -> None:
    study.judge = "smoke"
    outputs = [job.outputs for job in jobs(study, "smoke", "base", Layout(Path("r")))]
    folder = Path("r/judgements/smoke/base/simple_safety_tests")
    judged = [(folder / "questions.jsonl",), (folder / "replies.jsonl",)]
    assert [files for files in outputs if "judgements" in files[0].parts] == judged


def test_done_and_failed(study: Study, tmp_path: Path) -> None:
    finish(tmp_path, study, "base")
    finish(tmp_path, study, "banking77/lr0.001")
    log = tmp_path / "results/mini/logs/checkpoints/smoke/pubmedqa/lr0.001.log"
    log.parent.mkdir(parents=True)
    log.write_text("error: out of memory\n")
    found = list(rows(study, tmp_path))
    done, failed = of(found, "banking77"), of(found, "pubmedqa")
    assert (done.state, done.score, done.baseline) == (
        "done",
        "accuracy 0.500 [0.250, 0.750]",
        "accuracy 0.500",
    )
    assert (failed.state, failed.note) == ("failed", str(log))
    assert "1 done, 0 running, 1 failed, 0 missing" in table(found)


def test_a_trial_that_waits_for_its_next_job_is_missing(study: Study, tmp_path: Path) -> None:
    finish(tmp_path, study, "banking77/lr0.001", first=2)
    row = of(list(rows(study, tmp_path)), "banking77")
    assert row.state == "missing" and row.states.count("done") == 2


def test_running_is_what_a_real_snakemake_has_begun(study: Study, tmp_path: Path) -> None:
    """While its job runs, and after the job has failed."""
    job = jobs(study, "smoke", "banking77/lr0.001", Layout(Path(study.root)))[0]
    (tmp_path / "Snakefile").write_text(
        f"rule:\n    output: directory('{job.outputs[0]}')\n    log: '{job.log}'\n"
        '    shell: \'mkdir {output}; printf "step 1\\\\nstep 2 \\\\033[31m" > {log};'
        " until [ -e end ]; do sleep 0.1; done; exit 1'\n"
    )
    process = subprocess.Popen(
        [SNAKEMAKE, "--cores", "1", "--quiet"], cwd=tmp_path, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 60
    while not (tmp_path / job.log).exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    found = list(rows(study, tmp_path))
    (tmp_path / "end").touch()
    process.wait(timeout=60)
    assert of(found, "banking77").state == "running"
    assert of(found, "banking77").note.startswith("step 2  [31m (0:00:")
    assert of(found, "pubmedqa").state == "missing"
    assert of(list(rows(study, tmp_path)), "banking77").state == "failed"


def test_the_program_takes_the_configuration_as_snakemake_does(tmp_path: Path) -> None:
    file = ROOT / "config/config.yaml"
    choice = ["--config", "limit=20", "students=[SmolLM2-135M-Instruct]", "tasks=[banking77]"]
    started = time.monotonic()
    status, text = run("status.py", "--configfile", file, "--directory", tmp_path, *choice)
    assert status == 0 and "12 trials: 0 done, 0 running, 0 failed, 12 missing" in text
    assert time.monotonic() - started < 10
    status, text = run("status.py", "--configfile", file, "--config", "limt=20")
    assert status == 1 and "Did you mean 'limit'?" in text


def test_a_reader_that_leaves_early_is_no_error() -> None:
    command = [sys.executable, ROOT / "tools/status.py"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen(command, cwd=ROOT, **pipes)
    process.stdout.close()  # as `| head` does, before anything is written
    assert (process.stderr.read(), process.wait()) == (b"", UNREAD)


def test_full_size_study_takes_less_than_a_second(tmp_path: Path) -> None:
    config = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    study = Study(config, "config.yaml")
    metrics = {"primary": "em", "metrics": {"em": measured(0.5)}}
    items = [{"id": f"row {n}", "prediction": "x" * 100, "em": True} for n in range(200)]
    for student in study.students:
        for variant in study.variants(student):
            for job in jobs(study, student, variant, Layout(tmp_path / study.root)):
                for output in job.outputs:
                    output.parent.mkdir(parents=True, exist_ok=True)
                    output.write_text("")
        for file in (tmp_path / study.root / "metrics").rglob("*.val.json"):
            write_json(file, metrics | {"items": items})
    started = time.process_time()
    text = table(list(rows(study, tmp_path)))
    assert time.process_time() - started < 1
    assert "240 trials: 240 done" in text
