"""Locking, against a package index of empty packages on this disk."""

import base64
import hashlib
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from check_envs import check_index
from lock_envs import PIP, ROOT, ResolutionError, pins, pip_section

# The made-up `torch` needs CUDA packages as the real one does: one pinned, one left open.
PACKAGES = {
    "tool": {"1.0": ["library"], "1.1": ["library"]},
    "library": {"2.0": [], "2.1": [], "3.0": []},
    "torch": {"5.0": ["library<3", "nvidia-pinned==1.0", "cuda-open>=1,<2"]},
    "nvidia-pinned": {"1.0": ["nvidia-deep==4.*"], "2.0": []},
    "nvidia-deep": {"4.0": []},
    "cuda-open": {"1.0": [], "1.5": [], "2.0": []},
}


def add_wheel(index: Path, name: str, version: str, requires: list[str]) -> None:
    """Write an empty wheel and list it in a simple package index (PEP 503)."""
    folder = index / name
    folder.mkdir(parents=True, exist_ok=True)
    stem = f"{name.replace('-', '_')}-{version}"
    info = f"{stem}.dist-info"
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    files = {
        f"{info}/METADATA": "\n".join([*lines, *(f"Requires-Dist: {need}" for need in requires)]),
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    wheel = folder / f"{stem}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        record = [f"{info}/RECORD,,"]
        for path, text in files.items():
            archive.writestr(path, text)
            digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest())
            record.append(f"{path},sha256={digest.decode().rstrip('=')},{len(text)}")
        archive.writestr(f"{info}/RECORD", "\n".join(record))
    links = "".join(f'<a href="{file.name}">{file.name}</a>\n' for file in folder.glob("*.whl"))
    (folder / "index.html").write_text(f"<!DOCTYPE html><html><body>\n{links}</body></html>")


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A root with two environments, and an index that holds what they need."""
    index = tmp_path / "index"
    for name, versions in PACKAGES.items():
        for version, requires in versions.items():
            add_wheel(index, name, version, requires)
    monkeypatch.setenv("UV_DEFAULT_INDEX", index.as_uri())
    monkeypatch.setenv("UV_NO_CACHE", "1")
    root = tmp_path / "root"
    (root / "envs").mkdir(parents=True)
    (root / "envs/score.in").write_text("tool\n")
    (root / "envs/train.in").write_text("torch\n")
    (root / "requirements.in").write_text("-r envs/score.in\n-r envs/train.in\n")
    return root


def lock(root: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, ROOT / "tools/lock_envs.py", "--root", root, *options]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def locked(root: Path, name: str) -> dict[str, str]:
    if name == "requirements":
        return pins((root / "requirements.txt").read_text().splitlines())
    return pins(pip_section(root / "envs" / f"{name}.yaml"))


def test_closures_are_complete_and_agree(study: Path) -> None:
    assert lock(study).returncode == 0
    # `tool` alone would take library 3.0; beside torch all environments take the same.
    assert locked(study, "score") == {"tool": "1.1", "library": "2.1"}
    assert locked(study, "requirements") == {"tool": "1.1", "library": "2.1", "torch": "5.0"}


def test_cuda_packages_that_torch_pins_are_left_to_it(study: Path) -> None:
    lock(study)
    assert locked(study, "train") == {"torch": "5.0", "library": "2.1", "cuda-open": "1.5"}


def test_the_file_is_a_conda_environment_with_an_exact_pip(study: Path) -> None:
    lock(study)
    assert (study / "envs/score.yaml").read_text() == (
        "# Made by `make lock` from envs/score.in. Do not edit.\n"
        "channels:\n  - conda-forge\n  - nodefaults\n"
        f"dependencies:\n  - python=3.11\n  - pip={PIP}\n"
        "  - pip:\n      - library==2.1\n      - tool==1.1\n"
    )


def test_locked_versions_stay_until_they_are_upgraded(study: Path) -> None:
    lock(study)
    add_wheel(study.parent / "index", "tool", "1.2", ["library"])
    add_wheel(study.parent / "index", "cuda-open", "1.6", [])
    before = {path: path.read_text() for path in study.rglob("*.*") if path.is_file()}
    assert lock(study).returncode == 0
    assert {path: path.read_text() for path in before} == before
    assert lock(study, "--upgrade").returncode == 0
    assert locked(study, "score")["tool"] == "1.2"
    assert locked(study, "train")["cuda-open"] == "1.6"


def test_an_environment_that_is_not_included_has_versions_of_its_own(study: Path) -> None:
    lock(study)
    before = {path: path.read_text() for path in study.rglob("*.*") if path.is_file()}
    (study / "envs/alone.in").write_text("library>=3\ntorch-alone\ntool\n")
    index = study.parent / "index"
    add_wheel(index, "torch-alone", "6.0", ["nvidia-pinned==2.0"])
    add_wheel(index, "tool", "1.2", ["library"])
    # What is locked elsewhere is taken where it fits; what torch pins is pinned here, too.
    alone = {"library": "3.0", "torch-alone": "6.0", "nvidia-pinned": "2.0", "tool": "1.1"}
    for _ in range(2):  # and it moves no other environment, nor moves itself
        assert lock(study).returncode == 0
        assert locked(study, "alone") == alone
        assert {path: path.read_text() for path in before} == before
        add_wheel(index, "torch-alone", "6.1", [])
    assert list(check_index(study / "envs/alone.in")) == []
    assert lock(study, "--upgrade").returncode == 0
    assert locked(study, "alone") == {"library": "3.0", "torch-alone": "6.1", "tool": "1.2"}


def test_what_does_not_fit_together_is_an_error_and_changes_nothing(study: Path) -> None:
    lock(study)
    (study / "envs/score.in").write_text("tool\nlibrary>=3\n")
    before = (study / "envs/score.yaml").read_text()
    result = lock(study)
    assert result.returncode == 1
    assert "torch" in result.stderr and "library" in result.stderr
    assert "Traceback" not in result.stderr
    assert (study / "envs/score.yaml").read_text() == before


def test_the_index_check_finds_what_the_pins_leave_open(study: Path) -> None:
    lock(study)
    source = study / "envs/train.in"
    assert list(check_index(source)) == []
    environment = source.with_suffix(".yaml")
    environment.write_text(environment.read_text().replace("      - cuda-open==1.5\n", ""))
    assert list(check_index(source)) == [
        f"{environment}: the pins leave these open: cuda-open==1.5"
    ]


def test_the_index_check_finds_what_does_not_resolve(study: Path) -> None:
    lock(study)
    environment = study / "envs/score.yaml"
    environment.write_text(environment.read_text().replace("tool==1.1", "tool==7.0"))
    with pytest.raises(ResolutionError, match=r"tool==7\.0"):
        list(check_index(study / "envs/score.in"))
