"""What a training is recognised by: what other code or other packages made is not its own."""

from pathlib import Path

import pytest

from made_documents import provenance
from sftstudy.files.writing import write_json
from sftstudy.students.checkpoints import Watched
from sftstudy.training.job import TrainingJob
from sftstudy.training.packages import package_versions
from sftstudy.training.rows import TrainingData
from tiny_student import save_student
from training_job import recipe

CODE = "scripts/train.py 0123456789abcdef"


@pytest.fixture
def job(tmp_path: Path) -> TrainingJob:
    data = TrainingData([], tmp_path / "train.jsonl", "5c" * 32, [])
    base = Watched(save_student(tmp_path / "base"))
    return TrainingJob(recipe(), data, base, CODE, tmp_path / "scratch", tmp_path / "trial")


def test_a_checkpoint_of_this_recipe_code_and_packages_is_complete(job: TrainingJob) -> None:
    assert not job.is_complete()
    ours = {"identity": job.identity, **job.version}
    others = {
        "recipe": {"identity": "67" * 32},
        "code": {"code": "scripts/train.py fedcba9876543210"},
        "packages": {"packages": package_versions() | {"torch": "1.0"}},
    }
    for what, change in others.items():
        write_json(job.output / "provenance.json", provenance(**(ours | change)))
        assert not job.is_complete(), f"another {what}"
    write_json(job.output / "provenance.json", provenance(**ours))
    assert job.is_complete()


def test_what_does_not_tell_its_version_is_of_another(job: TrainingJob) -> None:
    assert not job.is_of_this_version({"train_seconds": 1.0})
    assert job.is_of_this_version({"train_seconds": 1.0} | job.version)
