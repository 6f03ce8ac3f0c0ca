"""Who holds the lock of a folder, as a second run is told."""

import os
import subprocess
import sys
from pathlib import Path

from sftstudy import runs
from sftstudy.files import read_json, write_json


def own(folder: Path) -> Path:
    [file] = folder.glob(f"{runs.FOLDER}/*.json")
    return file


def test_a_living_run_is_waited_for(tmp_path: Path) -> None:
    runs.begin(tmp_path)
    text = runs.holders(tmp_path)
    assert f"process {os.getpid()} on" in text and "do not use --unlock" in text
    assert runs.end(tmp_path) and not runs.end(tmp_path)


def test_a_dead_run_is_unlocked_and_its_name_removed_by_the_next(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from sftstudy import runs; "
        "runs.begin(Path(sys.argv[1]))"
    )
    scripts = str(Path(runs.__file__).parents[1])
    environment = os.environ | {"PYTHONPATH": scripts}
    subprocess.run([sys.executable, "-c", code, tmp_path], env=environment, check=True)
    assert "which is dead: run with --unlock" in runs.holders(tmp_path)
    runs.begin(tmp_path)
    assert read_json(own(tmp_path))["process"] == os.getpid()


def test_of_another_machine_nothing_is_assumed(tmp_path: Path) -> None:
    runs.begin(tmp_path)
    write_json(own(tmp_path), read_json(own(tmp_path)) | {"host": "elsewhere"})
    own(tmp_path).rename(own(tmp_path).with_name("elsewhere-1.json"))
    assert "on elsewhere" in runs.holders(tmp_path)
    assert "look there whether it lives" in runs.holders(tmp_path)
    runs.begin(tmp_path)
    assert "on elsewhere" in runs.holders(tmp_path), "nor is its name removed"


def test_a_run_that_has_left_no_name_yet(tmp_path: Path) -> None:
    (tmp_path / "locks").mkdir()
    (tmp_path / "locks" / "0.input.lock").touch()
    assert "only if no snakemake runs in this folder" in runs.holders(tmp_path)
