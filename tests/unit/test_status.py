"""How far a study is: states of jobs from files, and Snakemake's own marks of a real run."""

import json
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from made_documents import measured, record
from programs import run
from repository import ROOT
from sftstudy.cli import UNREAD
from sftstudy.files.writing import write_json
from sftstudy.status import Row, jobs, listing, overview, report, rows, summary, table, to_come
from sftstudy.study.grid import Study
from sftstudy.study.layout import Layout

SNAKEMAKE = Path(sys.executable).with_name("snakemake")


@pytest.fixture
def study() -> Study:
    return Study(yaml.safe_load((ROOT / "tests/workflow/mini.yaml").read_text()), "mini.yaml")


def finish(folder: Path, study: Study, variant: str, first: int | None = None) -> None:
    """Write the outputs (of the first jobs only), logs and records of a variant's jobs."""
    for job in jobs(study, "smoke", variant, Layout(folder / study.root))[:first]:
        for output in (*job.outputs, job.log):
            write_json(output, {"primary": "accuracy", "metrics": {"accuracy": measured(0.5)}})
        write_json(job.record, record({}, seconds=60.0))


def columns(line: str) -> list[str]:
    return re.split(" {2,}", line.strip())


def of(found: list[Row], task: str) -> Row:
    return next(row for row in found if row.task == task)


def test_nothing_begun(study: Study, tmp_path: Path) -> None:
    found = list(rows(study, tmp_path))
    assert [(row.task, row.trial, row.state) for row in found] == [
        ("", "base", "waiting"),
        ("banking77", "lr0.001", "waiting"),
        ("pubmedqa", "lr0.001", "waiting"),
    ]
    head, *told = summary(found).splitlines()
    assert head.endswith("0 of 28 jobs done; 2 trials: 2 waiting")
    assert told[-1] == (
        "Time left: not known yet (no job `select` of smoke has ended, nor of 4 other kinds)."
    )


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
    assert (done.state, failed.state) == ("done", "failed")
    line = next(line for line in table(found).splitlines() if "banking77" in line)
    assert columns(line)[3:] == ["done", "9 of 9", "accuracy 50.0 [25.0, 75.0]", "50.0"]
    assert "2 trials: 1 done, 1 failed" in summary(found)
    name = "results/mini/logs/checkpoints/smoke/pubmedqa/lr0.001.log"
    said = listing(found, tmp_path).splitlines()
    assert said[0] == "1 job failed; what each has printed last:"
    assert said[1].startswith(f"  {name}: error: out of memory (0:00:0")


def test_a_trial_of_which_some_is_done_is_neither_waiting_nor_done(
    study: Study, tmp_path: Path
) -> None:
    finish(tmp_path, study, "banking77/lr0.001", first=2)
    row = of(list(rows(study, tmp_path)), "banking77")
    assert row.state == "partly" and row.states.count("done") == 2


def test_a_student_is_one_line_of_counts_and_percents(study: Study, tmp_path: Path) -> None:
    finish(tmp_path, study, "base")
    finish(tmp_path, study, "banking77/lr0.001", first=5)
    found = list(rows(study, tmp_path))
    head, _, line, *_ = overview(found).splitlines()
    assert head.split() == ["student", "state", "train", "predict", "score", *study.tasks]
    counts = ["1 of 2", "6 of 9", "7 of 16"]
    assert columns(line) == ["smoke", "partly", *counts, "50.0 (50.0)", "(50.0)"]


def test_the_time_left_is_that_of_jobs_of_the_same_kind(study: Study, tmp_path: Path) -> None:
    finish(tmp_path, study, "base")
    finish(tmp_path, study, "banking77/lr0.001")
    found = list(rows(study, tmp_path))
    assert summary(found).splitlines()[-2:] == [
        "Time left: roughly 9 min with one job at a time, if they take as long as jobs",
        "of the same kind have.",
    ], "nine jobs of a minute each"
    for variant in ("banking77/lr0.001", "pubmedqa/lr0.001"):
        finish(tmp_path, study, variant)
    assert "Time left" not in summary(list(rows(study, tmp_path)))


def test_what_is_wrong_stands_at_the_end_of_a_long_line(study: Study, tmp_path: Path) -> None:
    log = tmp_path / "results/mini/logs/checkpoints/smoke/pubmedqa/lr0.001.log"
    log.parent.mkdir(parents=True)
    log.write_text(f"error: results/{'long/' * 60}rows.jsonl: line 101: not valid JSON\n")
    told = listing(list(rows(study, tmp_path)), tmp_path)
    assert "… " in told and "rows.jsonl: line 101: not valid JSON (0:00:0" in told


def test_a_report_that_is_not_there_is_told(study: Study, tmp_path: Path) -> None:
    assert report(study, tmp_path).startswith("Report: results/mini/report/index.html: not made")
    write_json(tmp_path / "results/mini/report/index.html", {})
    assert report(study, tmp_path) == "Report: results/mini/report/index.html"


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
    assert "step 2  [31m (0:00:" in table(found)
    assert listing(found, tmp_path).startswith("1 job running; what each has printed last:\n")
    (tmp_path / "end").touch()
    process.wait(timeout=60)
    assert of(found, "banking77").state == "running"
    assert of(found, "pubmedqa").state == "waiting"
    assert of(list(rows(study, tmp_path)), "banking77").state == "failed"


def test_the_program_takes_the_configuration_as_snakemake_does(tmp_path: Path) -> None:
    file = ROOT / "config/config.yaml"
    choice = ["--config", "limit=20", "students=[SmolLM2-135M-Instruct]", "tasks=[banking77]"]
    started = time.monotonic()
    status, text = run("status.py", "--configfile", file, "--directory", tmp_path, *choice)
    assert status == 0 and "12 trials: 12 waiting" in text and "lr2e-05" not in text
    assert time.monotonic() - started < 10
    student = ["--student", "SmolLM2-135M-Instruct"]
    status, text = run(
        "status.py", "--configfile", file, "--directory", tmp_path, *choice, *student
    )
    assert status == 0 and "12 trials: 12 waiting" in text and text.count("lr2e-05") == 4
    status, text = run("status.py", "--student", "smoky")
    assert status == 1 and text.endswith("it has smoke. Did you mean 'smoke'?\n")
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
    made = json.dumps(record({f"output {n}": "ab" * 32 for n in range(20)}, seconds=60.0))
    for student in study.students:
        last = study.variants(student)[-1]
        for variant in study.variants(student):
            for job in jobs(study, student, variant, Layout(tmp_path / study.root)):
                if variant != last:
                    for output in job.outputs:
                        output.parent.mkdir(parents=True, exist_ok=True)
                        output.write_text("")
                job.record.parent.mkdir(parents=True, exist_ok=True)
                job.record.write_text(made)
        for file in (tmp_path / study.root / "metrics").rglob("*.val.json"):
            write_json(file, metrics | {"items": items})
    started = time.process_time()
    found = list(rows(study, tmp_path))
    text = "\n".join([overview(found), table(found), listing(found, tmp_path), summary(found)])
    seconds = time.process_time() - started
    assert seconds < 1, f"{seconds:.2f} CPU-seconds"
    assert "240 trials: 235 done, 5 waiting" in text
    assert "Time left: roughly 55 min with one job at a time" in text


def test_replicates_are_rows_once_a_configuration_is_chosen(study: Study, tmp_path: Path) -> None:
    assert to_come(study, tmp_path) == ""
    study.replicates = 2
    told = to_come(study, tmp_path)
    assert "up to 4 more trainings of smoke (replicates: 2)" in told
    results = Layout(tmp_path / study.root)
    choice = {"schema": 1, "student": "smoke", "chosen": None}
    write_json(results.choice("smoke"), choice)
    assert len(list(rows(study, tmp_path))) == 3 and to_come(study, tmp_path) == ""
    write_json(results.choice("smoke"), choice | {"chosen": "lr0.001"})
    found = list(rows(study, tmp_path))
    assert [(row.task, row.trial) for row in found[3:]] == [
        (task, f"lr0.001_rep{number}") for task in ("banking77", "pubmedqa") for number in (1, 2)
    ]
    kinds = {job.kind for job in found[3].jobs}
    assert kinds == {"train", "controls", "confirm", "score"}, "a replicate is asked no val split"
    assert "6 trials and replicates: 6 waiting" in summary(found)
