"""All that makes evidence at once: several replies, replicates, a control from lm-eval, a review.

And what one more of each costs: exactly its own jobs.
"""

import csv
import shutil
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
VARIANTS = 1 + TRIALS + REPLICATES  # of one task
SAMPLES = 4


@pytest.fixture(scope="module")
def evidence(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout with the finished study, and a review of all replies that its page asks about."""
    checkout = copy_repository(tmp_path_factory.mktemp("evidence"))
    (checkout / "lm_tasks").mkdir()
    write_tasks(checkout / "lm_tasks")
    snakemake(checkout, *STUDY)
    snakemake(checkout, *STUDY, PAGE)
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


def test_another_line_of_the_review_scores_and_recommends(edited: Editor) -> None:
    file = edited.checkout / "reviews/smoke.csv"
    lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
    edited.write("reviews/smoke.csv", "".join(lines[:-1]))
    planned = plan(edited.checkout, *STUDY)
    # The choice is made anew, since a gate may come out otherwise; of replicates it may be another.
    assert planned.rules.items() >= {"score_control": VARIANTS, "choose": 1}.items()
    assert not {"train", "predict_controls", "predict_confirm", "predict_lm_eval"} & {
        *planned.rules
    }
    assert {job.rpartition("/")[2] for job in planned.of("metrics")} == {"simple_safety_tests"}


def test_one_more_replicate_is_trained_and_asked_alone(edited: Editor, tmp_path: Path) -> None:
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
        "plan": 1,
    }
    assert planned.of("checkpoints") == {f"smoke/banking77/{CHOSEN}_rep3"}
    edited.replace(FILE, "replicates: 3", "replicates: 1")
    fewer = plan(edited.checkout, *STUDY).rules
    assert fewer == {**SUMMARY, "plan": 1}, "nothing is trained, nothing is removed"


def test_more_replies_to_a_control_are_its_suites_alone(edited: Editor) -> None:
    edited.replace(FILE, "test: 30}}\n      max_new_tokens: 24\n      samples: 4",
                   "test: 30}}\n      max_new_tokens: 24\n      samples: 5")  # fmt: skip
    planned = plan(edited.checkout, *STUDY)
    assert planned.rules["predict_controls"] == VARIANTS
    assert planned.rules["score_control"] == 2 * VARIANTS
    assert not {"train", "predict_select", "predict_confirm", "predict_lm_eval"} & {*planned.rules}


def test_a_file_of_a_replicate_is_built_by_its_name(evidence: Path, tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    shutil.copytree(evidence, checkout, symlinks=True)
    target = f"{RESULTS}/metrics/smoke/banking77/{CHOSEN}_rep2/choices.json"
    (checkout / target).unlink()
    assert plan(checkout, target, *STUDY).rules == {"score_lm_eval": 1}
    snakemake(checkout, target, *STUDY)
    assert (checkout / target).is_file()
    wrong = target.replace("_rep2", "_rep7")
    done = snakemake(checkout, "--dry-run", wrong, *STUDY, check=False)
    assert done.returncode and "replicates: 2" in done.stdout + done.stderr
