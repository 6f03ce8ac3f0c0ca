"""All that makes evidence at once: several replies, replicates, a control from lm-eval, a review.

And what one more of each costs: exactly its own jobs.
"""

import csv
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local_lm_eval import write_tasks
from sftstudy.files.reading import read_json
from workflow.running import Editor, copy_repository, plan, snakemake

pytestmark = pytest.mark.slow

FILE = "tests/workflow/evidence.yaml"
STUDY = ("--configfile", FILE)
RESULTS = "results/evidence"
PAGE = f"{RESULTS}/review/smoke.html"
CHOSEN = "lr0.0005"
SUMMARY = {"recommend": 1, "collate": 1, "draw": 1, "report": 1}
TRIALS, REPLICATES = 2, 2
SAMPLES = 4


@pytest.fixture(scope="module")
def evidence(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout with the finished study, and a review of all replies that its page asks about."""
    checkout = copy_repository(tmp_path_factory.mktemp("evidence"))
    (checkout / "lm_tasks").mkdir()
    write_tasks(checkout / "lm_tasks")
    snakemake(checkout, *STUDY)
    snakemake(checkout, PAGE, *STUDY)
    review(checkout, "safe")
    snakemake(checkout, *STUDY)
    return checkout


@pytest.fixture
def edited(evidence: Path) -> Iterator[Editor]:
    editor = Editor(evidence)
    yield editor
    editor.restore()


def review(checkout: Path, verdict: str) -> list[str]:
    """Judge all replies of the page alike; return the lines of the file."""
    with (checkout / PAGE).with_suffix(".csv").open(encoding="utf-8", newline="") as handle:
        rows = list(csv.DictReader(handle))
    lines = ["key,part,verdict\n", *(f"{row['key']},{row['part']},{verdict}\n" for row in rows)]
    (checkout / "reviews/smoke.csv").write_text("".join(lines), encoding="utf-8")
    return lines


def recommendation(checkout: Path) -> dict[str, Any]:
    found: dict[str, Any] = read_json(checkout / RESULTS / "recommendations/smoke.json")
    return found


def test_the_recommendation_is_over_runs_replies_and_a_review(evidence: Path) -> None:
    document = recommendation(evidence)
    assert document["chosen"] == CHOSEN, document["reasons"]
    assert [run["trial"] for run in document["runs"]] == [
        CHOSEN,
        f"{CHOSEN}_rep1",
        f"{CHOSEN}_rep2",
    ]
    seeds = [run["seed"]["banking77"] for run in document["runs"]]
    assert len(set(seeds)) == 1 + REPLICATES
    gain = document["gains"]["confirm"]["banking77"]
    assert gain["n"] == 40 and "over 3 runs" in gain["test"]
    values = [run["gains"]["banking77"] for run in document["runs"]]
    assert gain["value"] == pytest.approx(sum(values) / len(values))
    [chosen] = [one for one in document["configurations"] if one["configuration"] == CHOSEN]
    gates = {gate["control"]: gate for gate in chosen["gates"]}
    assert set(gates) == {"ifeval", "simple_safety_tests", "choices"}
    assert gates["simple_safety_tests"]["by"] == "review"
    assert gates["simple_safety_tests"]["value"] == 1.0
    drawn = {"samples": SAMPLES, "temperature": 0.7, "top_p": 1.0}
    assert document["decoding"] == {
        "banking77.val": drawn,
        "banking77.test": drawn,
        "ifeval": drawn,
        "simple_safety_tests": drawn,
    }


def test_the_page_tells_all_of_it(evidence: Path) -> None:
    page = (evidence / RESULTS / "report/index.html").read_text(encoding="utf-8")
    for sentence in (
        "4 replies a prompt, sampled at temperature 0.7",
        f"{CHOSEN}_rep2",
        "by review",
        "choices",
    ):
        assert sentence in page


def test_the_same_again_does_nothing(evidence: Path) -> None:
    assert plan(evidence, *STUDY).rules == {}


@pytest.fixture
def own(evidence: Path, tmp_path: Path) -> Path:
    """A copy of the finished study that a test may run again."""
    shutil.copytree(evidence, tmp_path / "own", symlinks=True)
    return tmp_path / "own"


def made_again(checkout: Path, before: float) -> set[str]:
    """Return the kinds of results that were written since, by their folder."""
    root = checkout / RESULTS
    written = (file for file in root.rglob("*") if file.is_file() and not file.is_symlink())
    folders = {file.relative_to(root).parts[0] for file in written if file.stat().st_mtime > before}
    return folders & {"checkpoints", "predictions", "metrics", "choices", "recommendations"}


def test_another_line_of_the_review_scores_chooses_and_recommends(own: Path) -> None:
    file, before = own / "reviews/smoke.csv", time.time()
    lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
    file.write_text("".join([*lines[:-1], lines[-1].replace("safe", "unsafe")]), encoding="utf-8")
    planned = plan(own, *STUDY)
    # What replicates there are to be scored is known once the choice has been made again.
    assert planned.rules["score_control"] == 1 + TRIALS and planned.rules["choose"] == 1
    assert {job.rpartition("/")[2] for job in planned.of("metrics")} == {"simple_safety_tests"}
    done = snakemake(own, *STUDY)
    assert made_again(own, before) == {"metrics", "choices", "recommendations"}
    assert "predict" not in done.stdout
    assert plan(own, *STUDY).rules == {}
    [chosen] = [one for one in recommendation(own)["configurations"] if one["why_not"] == ""]
    [gate] = [one for one in chosen["gates"] if one["control"] == "simple_safety_tests"]
    assert gate["by"] == "review" and 0.9 < gate["value"] < 1


def test_one_more_replicate_is_trained_and_asked_alone(edited: Editor) -> None:
    edited.replace(FILE, "replicates: 2", "replicates: 3")
    planned = plan(edited.checkout, *STUDY)
    assert planned.rules == {
        "recipe": 1,
        "train": 1,
        "predict_controls": 1,
        "predict_confirm": 1,
        "predict_lm_eval": 1,
        "score": 1,
        "score_control": 2,
        "score_lm_eval": 1,
        **SUMMARY,
    }
    assert planned.of("checkpoints") == {f"smoke/banking77/{CHOSEN}_rep3"}
    edited.replace(FILE, "replicates: 3", "replicates: 1")
    fewer = plan(edited.checkout, *STUDY).rules
    assert fewer == SUMMARY, "nothing is trained, nothing is removed"


def test_more_replies_to_a_control_are_its_suites_alone(own: Path) -> None:
    study, before = own / FILE, time.time()
    asked = "test: 30}}\n      max_new_tokens: 24\n      samples: "
    text = study.read_text(encoding="utf-8")
    assert text.count(f"{asked}4") == 1
    study.write_text(text.replace(f"{asked}4", f"{asked}5"), encoding="utf-8")
    planned = plan(own, *STUDY).rules
    assert planned["predict_controls"] == 1 + TRIALS  # replicates follow the choice
    assert not {"train", "predict_select", "predict_confirm", "predict_lm_eval"} & {*planned}
    snakemake(own, *STUDY)
    assert made_again(own, before) == {"predictions", "metrics", "choices", "recommendations"}
    assert plan(own, *STUDY).rules == {}
    variants = ["base", *(f"banking77/{name}" for name in (CHOSEN, f"{CHOSEN}_rep2"))]
    for variant in variants:
        facts = read_json(own / RESULTS / f"records/predictions/smoke/{variant}/controls.json")
        assert facts["facts"]["replies"] == 30 * 5 + 20 * 4
        assert facts["facts"]["generated_replies"] == 30, "the fifth to each prompt alone"


def test_a_file_of_a_replicate_is_built_by_its_name(own: Path) -> None:
    checkout = own
    target = f"{RESULTS}/metrics/smoke/banking77/{CHOSEN}_rep2/choices.json"
    (checkout / target).unlink()
    assert plan(checkout, target, *STUDY).rules == {"score_lm_eval": 1}
    snakemake(checkout, target, *STUDY)
    assert (checkout / target).is_file()
    wrong = target.replace("_rep2", "_rep7")
    done = snakemake(checkout, "--dry-run", wrong, *STUDY, check=False)
    assert done.returncode and "replicates: 2" in done.stdout + done.stderr
