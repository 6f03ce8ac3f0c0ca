"""A checkpoint as a folder: what its fingerprint follows, which of its files are its weights."""

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from sftstudy.errors import StudyError
from sftstudy.students.checkpoints import INDEX, fingerprint, parameter_count


def test_fingerprint_follows_content_and_not_provenance(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    (tmp_path / "chat_template.jinja").write_text("{{ messages }}")
    before = fingerprint(tmp_path)
    (tmp_path / "README.md").write_text("a card")
    (tmp_path / "provenance.json").write_text("{}")
    assert fingerprint(tmp_path) == before
    (tmp_path / "chat_template.jinja").write_text("{{ messages }}\n")
    assert fingerprint(tmp_path) != before


def weights(file: Path, **shapes: tuple[int, ...]) -> None:
    save_file({name: np.zeros(shape, np.float32) for name, shape in shapes.items()}, file)


def test_weights_in_two_layouts_are_counted_once(tmp_path: Path) -> None:
    weights(tmp_path / "model.safetensors", a=(3, 5), b=(2,))
    assert parameter_count(tmp_path) == 17
    # The original layout calls the same weights by other names.
    weights(tmp_path / "consolidated.safetensors", wa=(3, 5), wb=(2,))
    (tmp_path / "original").mkdir()
    weights(tmp_path / "original" / "model.safetensors", wa=(3, 5), wb=(2,))
    (tmp_path / "pytorch_model.bin").write_bytes(b"pickle")
    assert parameter_count(tmp_path) == 17
    weights(tmp_path / "model-1.safetensors", a=(3, 5))
    weights(tmp_path / "model-2.safetensors", b=(2,), rotary=(9,))
    assert parameter_count(tmp_path) == 17
    index = {
        "a": "model-1.safetensors",
        "b": "model-2.safetensors",
        "rotary": "model-2.safetensors",
    }
    (tmp_path / INDEX).write_text(json.dumps({"weight_map": index}))
    assert parameter_count(tmp_path) == 26, "of the files that the index lists"
    (tmp_path / "model-2.safetensors").unlink()
    with pytest.raises(StudyError, match=r"lists model-2\.safetensors, which is not there"):
        parameter_count(tmp_path)
