"""What a training rests on may be installed or not."""

from pathlib import Path

import pytest

from sftstudy.prediction.engine import Machine
from sftstudy.prediction.maker import maker
from sftstudy.training.packages import package_versions


@pytest.mark.parametrize("name", ["flash_attn", "kernels"])
def test_attention_of_another_package_is_another_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Of a training, and of replies."""
    before, replies_before = package_versions(), maker({}, Machine())["packages"]
    info = tmp_path / f"{name}-77.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 77.0\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert package_versions() == before | {name: "77.0"}
    assert maker({}, Machine())["packages"] == replies_before | {name: "77.0"}
