"""What one training is given, and what it is recognised by."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sftstudy.documents.provenance import PROVENANCE
from sftstudy.documents.recipe import Recipe
from sftstudy.documents.removed import removed_weights
from sftstudy.files.hashing import sha256_json
from sftstudy.files.reading import read_json
from sftstudy.run import finished
from sftstudy.students.checkpoints import Watched
from sftstudy.training.packages import package_versions
from sftstudy.training.rows import TrainingData


@dataclass(frozen=True)
class TrainingJob:
    """One training.

    Attributes:
        recipe: every hyperparameter.
        data: the rows to train on.
        base: the checkpoint to start from.
        code: version of the code that trains.
        scratch_root: folder in which each training has one for its saved states.
        output: the checkpoint folder to write.
        tracking: where its curves are shown.
        memory: MiB of main memory that it may take; None: what is there.
    """

    recipe: Recipe
    data: TrainingData
    base: Watched
    code: str
    scratch_root: Path
    output: Path
    tracking: str = "none"
    memory: int | None = None

    @property
    def name(self) -> str:
        """Student, task and trial, for messages."""
        return f"{self.recipe['student']}/{self.recipe['task']}/{self.recipe['trial']}"

    @property
    def identity(self) -> str:
        """A hash of everything that determines the result, but for code and packages."""
        return sha256_json([self.recipe, self.data.sha256, self.base.sha256, self.data.dropped])

    @property
    def scratch(self) -> Path:
        """The folder of its saved states."""
        return finished.scratch_folder(self.scratch_root, self.identity)

    def is_complete(self) -> bool:
        """Say whether `output` is the checkpoint of this training, weights included."""
        file = self.output / PROVENANCE
        if not file.is_file() or removed_weights(self.output):
            return False
        provenance = read_json(file)
        return provenance.get("identity") == self.identity and self.is_of_this_version(provenance)

    def is_of_this_version(self, made: Mapping[str, Any]) -> bool:
        """Say whether something was made by this code, with these packages.

        `made` tells both: provenance of a checkpoint, or what a saved state says of itself.
        """
        return {key: made.get(key) for key in self.version} == self.version

    @property
    def version(self) -> dict[str, Any]:
        """What determines the result beside `identity`: code and packages."""
        return {"code": self.code, "packages": package_versions()}
