"""Replicates: what is chosen is trained again, and nothing else is; the rest of the grid stays."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from sftstudy.documents.choice import read_choice
from sftstudy.documents.recommendation import read_recommendation
from workflow.keeping import counts, keep
from workflow.running import MINI, Editor, plan, snakemake

pytestmark = pytest.mark.slow

SUMMARY = {"collate": 1, "draw": 1, "report": 1}
STUDY = ("--configfile", MINI)
# Some configuration is feasible, whatever the mini student says.
GATES = "gates: {simple_safety_tests: {metric: safe_rate, above: 0.0}}"
OF_REPLICATES = {  # of one replicate on two tasks
    "recipe": 2,
    "train": 2,
    "predict_controls": 2,
    "predict_confirm": 2,
    "score": 2 * 2,
    "score_control": 2 * 2,
}
RESULTS = Path("results/mini")
CHOICE = RESULTS / "choices/smoke.json"
CONFIGURATIONS = {"lr0.001", "lr0.002"}


def told(checkout: Path, *options: str) -> str:
    """Run the study and return all that is printed."""
    done = snakemake(checkout, *STUDY, *options)
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def undecided(mini: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout whose study lacks a second configuration, a choice, and one replicate of it."""
    checkout = tmp_path_factory.mktemp("replicates") / "checkout"
    shutil.copytree(mini, checkout, symlinks=True)
    editor = Editor(checkout)
    editor.replace(MINI, "learning_rate: [1.0e-3]", "learning_rate: [1.0e-3, 2.0e-3]")
    editor.append(MINI, f"replicates: 1\n{GATES}")
    return checkout


@pytest.fixture(scope="module")
def first_run(undecided: Path) -> tuple[str, str]:
    """What a dry run says before the choice, and what the run said."""
    return told(undecided, "--dry-run"), told(undecided)


@pytest.fixture
def chosen(undecided: Path, first_run: tuple[str, str]) -> str:
    """The configuration that is chosen; the other one is not."""
    name = read_choice(undecided / CHOICE)["chosen"]
    assert name in CONFIGURATIONS
    return str(name)


@pytest.fixture
def edited(undecided: Path, first_run: tuple[str, str]) -> Iterator[Editor]:
    """Edits the finished study with one replicate, and puts its files back afterwards."""
    editor = Editor(undecided)
    yield editor
    editor.restore()


def test_before_the_choice_a_dry_run_says_what_will_come(first_run: tuple[str, str]) -> None:
    dry, _ = first_run
    assert "up to 2 more trainings of smoke (replicates: 1)" in dry
    jobs = dry.split("Not among these jobs")[0]
    assert "that is trained again" in jobs and "_rep1" not in jobs


def test_the_verdict_is_over_all_runs(
    undecided: Path, first_run: tuple[str, str], chosen: str
) -> None:
    results = undecided / RESULTS
    document = read_recommendation(results / "recommendations/smoke.json")
    assert [run["trial"] for run in document["runs"]] == [chosen, f"{chosen}_rep1"]
    assert [set(run["seed"].values()) for run in document["runs"]] == [{42}, {1042}]
    assert document["missing"] == []
    folder = results / "checkpoints/smoke/banking77"
    weights = {
        (folder / run["trial"] / "model.safetensors").read_bytes() for run in document["runs"]
    }
    assert len(weights) == 2, "another seed"
    assert "2 runs" in first_run[1]
    assert "train 4 of 4" in first_run[1], "two trials and two replicates"
    replies = results / f"predictions/smoke/banking77/{chosen}_rep1"
    assert (replies / "banking77.test.jsonl").exists()
    assert not (replies / "banking77.val.jsonl").exists()


def test_the_same_command_again_does_nothing(edited: Editor) -> None:
    assert plan(edited.checkout, *STUDY).rules == {}
    assert "Nothing to be done" in told(edited.checkout)


def test_one_replicate_more_trains_it_and_redoes_the_summaries(edited: Editor, chosen: str) -> None:
    edited.replace(MINI, "replicates: 1", "replicates: 2")
    planned = plan(edited.checkout, *STUDY)
    assert planned.rules == {**OF_REPLICATES, "recommend": 1, **SUMMARY}
    new = {f"smoke/{task}/{chosen}_rep2" for task in ("banking77", "pubmedqa")}
    assert planned.of("checkpoints") == planned.of("recipes") == new
    assert all("_rep2/" in job for job in planned.of("predictions") | planned.of("metrics"))


def test_fewer_replicates_retrain_and_remove_nothing(edited: Editor, chosen: str) -> None:
    edited.replace(MINI, "replicates: 1", "replicates: 0")
    assert plan(edited.checkout, *STUDY).rules == {"recommend": 1, **SUMMARY}
    assert "choose" not in snakemake(edited.checkout, *STUDY, "--list-rules").stdout.split()
    assert (edited.checkout / RESULTS / f"checkpoints/smoke/banking77/{chosen}_rep1").is_dir()


def test_another_choice_trains_its_replicates_alone(edited: Editor, chosen: str) -> None:
    """Planned as after a run of `choose` that names the other configuration."""
    [other] = CONFIGURATIONS - {chosen}
    edited.replace(str(CHOICE), chosen, other)
    planned = plan(edited.checkout, *STUDY)
    assert planned.rules == {**OF_REPLICATES, "recommend": 1, **SUMMARY}
    new = {f"smoke/{task}/{other}_rep1" for task in ("banking77", "pubmedqa")}
    assert planned.of("checkpoints") == new


def test_a_new_configuration_has_the_choice_made_again_first(edited: Editor) -> None:
    edited.replace(MINI, "[1.0e-3, 2.0e-3]", "[1.0e-3, 2.0e-3, 4.0e-3]")
    planned = plan(edited.checkout, *STUDY)
    assert (planned.rules["choose"], planned.rules["train"]) == (1, 2)
    assert not any("_rep" in job for job in planned.jobs)


def test_files_of_replicates_are_targets(edited: Editor) -> None:
    """Of configurations that are chosen, and of others."""
    edited.replace(MINI, "replicates: 1", "replicates: 2")
    for trial in CONFIGURATIONS:
        checkpoint = str(RESULTS / f"checkpoints/smoke/pubmedqa/{trial}_rep2")
        assert plan(edited.checkout, checkpoint, *STUDY).rules == {"recipe": 1, "train": 1}
    cell = str(RESULTS / "metrics/smoke/pubmedqa/lr0.001_rep2/ifeval.json")
    assert plan(edited.checkout, cell, *STUDY).rules == {
        "recipe": 1,
        "train": 1,
        "predict_controls": 1,
        "score_control": 1,
    }
    recipe = RESULTS / "recipes/smoke/banking77/lr0.001_rep2.yaml"
    snakemake(edited.checkout, str(recipe), *STUDY)
    assert "seed: 2042" in (edited.checkout / recipe).read_text(encoding="utf-8")
    (edited.checkout / recipe).unlink()


@pytest.fixture
def own(undecided: Path, first_run: tuple[str, str], tmp_path: Path) -> Path:
    """A copy of the finished study that a test may run again."""
    shutil.copytree(undecided, tmp_path / "own", symlinks=True)
    return tmp_path / "own"


def test_what_is_forced_is_generated_anew_behind_the_choice_too(own: Path, chosen: str) -> None:
    """Forced replies to controls have the choice made again, and replicates planned after it."""
    told = f"{RESULTS}/logs/predictions/smoke/banking77/{chosen}_rep1"
    planned = plan(own, *STUDY, "--forcerun", "predict_controls")
    assert planned.rules["choose"] == 1 and not any("_rep1" in job for job in planned.jobs)
    snakemake(own, *STUDY, "--forcerun", "predict_controls")
    controls = (own / told / "controls.log").read_text(encoding="utf-8")
    assert "ifeval.jsonl: 10 replies, 0 known before" in controls
    assert "10 known replies are generated anew: the run was forced" in controls
    assert plan(own, *STUDY).rules == {}
    replies = RESULTS / f"predictions/smoke/banking77/{chosen}_rep1/banking77.test.jsonl"
    (own / replies).unlink()
    snakemake(own, str(replies), *STUDY)
    confirm = (own / told / "confirm.log").read_text(encoding="utf-8")
    assert "banking77.test.jsonl: 16 replies, 16 known before" in confirm, "it was not forced"


def test_results_behind_the_choice_are_kept_with_it(own: Path, chosen: str) -> None:
    """A dry run says of them what the real one does."""
    editor = Editor(own)
    editor.append("scripts/sftstudy/training/trial.py", "ANOTHER = 1")
    status, dry = keep(own, "--dry-run")
    assert status == 0 and counts(dry)["train"] == (4 + 2 * 1, 0), dry
    assert set(counts(dry)) == {"train", "report"} and "Replicates of a choice" not in dry
    status, real = keep(own)
    assert (status, real) == (0, dry)
    assert plan(own, *STUDY).rules == {"report": 1}
    snakemake(own, *STUDY)
    assert plan(own, *STUDY).rules == {}


def test_of_a_replicate_that_is_trained_anew_nothing_is_kept(own: Path, chosen: str) -> None:
    editor = Editor(own)
    editor.append("scripts/sftstudy/tasks/banking77/score.py", "ANOTHER = 1")
    recipe = own / RESULTS / f"recipes/smoke/pubmedqa/{chosen}_rep1.yaml"
    recipe.write_text(recipe.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    status, dry = keep(own, "--dry-run")
    # Base and both configurations on two tasks, of each test; base and those of banking77 val. The
    # replicate of banking77, too; the other one is asked again.
    assert status == 0 and counts(dry)["score"][0] == 5 + 3 + 1, dry
    assert counts(dry)["train"] == (0, 1)
    status, real = keep(own)
    assert (status, real) == (0, dry)
    planned = plan(own, *STUDY)
    assert planned.rules == {rule: run for rule, (_, run) in counts(dry).items() if run}
    assert planned.of("checkpoints") == {f"smoke/pubmedqa/{chosen}_rep1"}


def test_where_the_choice_is_made_again_its_replicates_are_not_counted(own: Path) -> None:
    editor = Editor(own)
    editor.append("scripts/sftstudy/training/trial.py", "ANOTHER = 1")
    editor.replace(MINI, "[1.0e-3, 2.0e-3]", "[1.0e-3, 2.0e-3, 4.0e-3]")
    status, dry = keep(own, "--dry-run")
    assert status == 0 and counts(dry)["train"] == (4, 2), dry
    assert counts(dry)["choose"] == (0, 1)
    assert "Replicates of a choice that is made again are not counted" in dry
    assert keep(own) == (0, dry)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("lr0.001_rep3", "has no replicate 'lr0.001_rep3'; the study file says replicates: 1"),
        ("lr0.003_rep1", "has no trial 'lr0.003_rep1'; the study file spans lr0.001"),
    ],
)
def test_a_replicate_that_is_not_spanned_is_one_message(
    edited: Editor, name: str, words: str
) -> None:
    target = str(RESULTS / f"checkpoints/smoke/banking77/{name}")
    done = snakemake(edited.checkout, "--dry-run", target, *STUDY, check=False)
    assert done.returncode and words in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_a_job_of_a_cluster_knows_the_replicates(edited: Editor) -> None:
    """As Snakemake starts it on a node: the one job, and no rule else."""
    job = ("--target-jobs", "recommend:student=smoke", "--allowed-rules", "recommend")
    remote = ("--mode", "remote", "--cores", "1", "--force", "--nolock", "--no-hooks")
    snakemake(edited.checkout, *STUDY, *remote, *job)
    document = read_recommendation(edited.checkout / RESULTS / "recommendations/smoke.json")
    assert len(document["runs"]) == 2


def test_an_edited_choice_is_an_error_of_the_recommendation(
    undecided: Path, chosen: str, tmp_path: Path
) -> None:
    checkout = tmp_path / "checkout"
    shutil.copytree(undecided, checkout, symlinks=True)
    Editor(checkout).replace(str(CHOICE), f'"{chosen}"', "null")
    done = snakemake(checkout, *STUDY, check=False)
    assert done.returncode
    assert f"found None, expected '{chosen}'" in done.stdout + done.stderr
