"""Who holds the lock of a folder, as a second run is told."""

import os
import subprocess
import sys
from pathlib import Path

from sftstudy.files.reading import read_json
from sftstudy.files.writing import write_json
from sftstudy.run import holders


def own(folder: Path) -> Path:
    [file] = folder.glob(f"{holders.FOLDER}/*.json")
    return file


def test_a_living_run_is_waited_for(tmp_path: Path) -> None:
    holders.begin(tmp_path)
    text = holders.holders(tmp_path)
    assert f"process {os.getpid()} on" in text and "do not use --unlock" in text
    assert holders.end(tmp_path) and not holders.end(tmp_path)


def test_a_dead_run_is_unlocked_and_its_name_removed_by_the_next(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from sftstudy.run import holders; "
        "holders.begin(Path(sys.argv[1]))"
    )
    scripts = str(Path(holders.__file__).parents[2])
    environment = os.environ | {"PYTHONPATH": scripts}
    subprocess.run([sys.executable, "-c", code, tmp_path], env=environment, check=True)
    assert "which is dead: run with --unlock" in holders.holders(tmp_path)
    holders.begin(tmp_path)
    assert read_json(own(tmp_path))["process"] == os.getpid()


def test_of_another_machine_nothing_is_assumed(tmp_path: Path) -> None:
    holders.begin(tmp_path)
    write_json(own(tmp_path), read_json(own(tmp_path)) | {"host": "elsewhere"})
    own(tmp_path).rename(own(tmp_path).with_name("elsewhere-1.json"))
    assert "on elsewhere" in holders.holders(tmp_path)
    assert "look there whether it lives" in holders.holders(tmp_path)
    holders.begin(tmp_path)
    assert "on elsewhere" in holders.holders(tmp_path), "nor is its name removed"


def test_a_run_that_has_left_no_name_yet(tmp_path: Path) -> None:
    (tmp_path / "locks").mkdir()
    (tmp_path / "locks" / "0.input.lock").touch()
    assert "only if no snakemake runs in this folder" in holders.holders(tmp_path)
