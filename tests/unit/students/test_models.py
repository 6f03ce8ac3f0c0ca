"""Loading a checkpoint: every weight of it, and no other."""

from pathlib import Path

import pytest

from sftstudy.errors import StudyError
from tiny_student import save_student


def test_unexpected_weights_are_an_error(tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    from sftstudy.students.models import load_model

    file = save_student(tmp_path) / "model.safetensors"
    save_file(load_file(file) | {"model.stray.weight": torch.ones(2)}, file, {"format": "pt"})
    with pytest.raises(StudyError, match=r"1 unexpected keys .*stray"):
        load_model(tmp_path, "float32", "sdpa")


def test_missing_weights_are_an_error(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    from sftstudy.students.models import load_model

    file = save_student(tmp_path) / "model.safetensors"
    tensors = load_file(file)
    removed = next(name for name in tensors if "layers.1" in name)
    save_file({k: v for k, v in tensors.items() if k != removed}, file, {"format": "pt"})
    with pytest.raises(StudyError, match="missing keys") as caught:
        load_model(tmp_path, "float32", "sdpa")
    assert removed in str(caught.value)
