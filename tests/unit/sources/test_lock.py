"""The lock says which commit and bytes a hub source is; fetching refuses anything else."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from programs import run
from sftstudy.errors import StudyError
from sftstudy.sources import lock
from sftstudy.sources.source import Source, parse
from stub_hub import Repository, StubHub

DATASET = "datasets/org/data"
BIG = bytes(range(256)) * 40


@pytest.fixture
def hub() -> Iterator[StubHub]:
    files = {"data/train.parquet": BIG, "README.md": b"read me", ".gitattributes": b"x"}
    with StubHub({DATASET: Repository(files)}) as hub:
        yield hub


def lock_sources(hub: StubHub, folder: Path, **sources: dict) -> tuple[int, str]:
    arguments = ["--sources", json.dumps(sources), "--output", folder / "sources.lock.yaml"]
    return run("lock_sources.py", *arguments, HF_ENDPOINT=hub.url, HF_HOME=str(folder / "hf"))


def test_lock_holds_commit_and_checksums_and_is_reproducible(hub: StubHub, tmp_path: Path) -> None:
    source = {"hub": "org/data", "revision": "main"}
    status, output = lock_sources(hub, tmp_path, datasets={"d": source})
    assert status == 0, output
    path = tmp_path / "sources.lock.yaml"
    entry = yaml.safe_load(path.read_text())["datasets"]["d"]
    assert entry["hub"] == "org/data"
    assert entry["commit"] == hub.repositories[DATASET].commit
    assert entry["files"] == {
        "README.md": {"bytes": 7, "sha256": hashlib.sha256(b"read me").hexdigest()},
        "data/train.parquet": {"bytes": len(BIG), "sha256": hashlib.sha256(BIG).hexdigest()},
    }
    # The checksum of a large file comes from the listing: model weights are not downloaded twice.
    assert hub.downloads == ["README.md"]
    before = path.read_bytes()
    assert lock_sources(hub, tmp_path, datasets={"d": source})[0] == 0
    assert path.read_bytes() == before


def test_other_entries_are_kept_and_local_sources_are_not_locked(
    hub: StubHub, tmp_path: Path
) -> None:
    path = tmp_path / "sources.lock.yaml"
    other = {"hub": "org/other", "revision": "main", "patterns": []}
    other |= {"commit": "0" * 40, "files": {}}
    lock.write(path, {"datasets": {"other": other}, "students": {"s": other}})
    narrow = {"hub": "org/data", "files": ["data/*.parquet"]}
    status, output = lock_sources(hub, tmp_path, datasets={"d": narrow, "local": {"path": "x"}})
    assert status == 0, output
    document = lock.read(path)
    assert document["datasets"]["other"] == document["students"]["s"] == other
    assert list(document["datasets"]["d"]["files"]) == ["data/train.parquet"]
    assert "local" not in document["datasets"]
    assert hub.downloads == []


def test_failure_leaves_the_lock_as_it_was(hub: StubHub, tmp_path: Path) -> None:
    path = tmp_path / "sources.lock.yaml"
    lock.write(path, {"datasets": {}, "students": {}})
    before = path.read_bytes()
    sources = {"a": {"hub": "org/data"}, "b": {"hub": "org/missing"}}
    status, output = lock_sources(hub, tmp_path, datasets=sources)
    assert status == 1
    assert "org/missing" in output
    assert path.read_bytes() == before
    status, output = lock_sources(
        hub, tmp_path, datasets={"a": {"hub": "org/data", "files": ["z"]}}
    )
    assert status == 1
    assert "none of its 3 files matches z" in output


def test_unlocked_source_is_refused_and_the_command_named(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"datasets\.d is not locked.*`snakemake lock_sources`"):
        lock.entry(tmp_path / "none.yaml", "datasets", "d", Source(hub="org/data"))


@pytest.mark.parametrize(
    ("asked", "key"),
    [
        (Source(hub="org/elsewhere"), "hub"),
        (Source(hub="org/data", revision="v2"), "revision"),
        (Source(hub="org/data", files=("*.csv",)), "patterns"),
    ],
)
def test_lock_made_for_another_source_is_refused(tmp_path: Path, asked: Source, key: str) -> None:
    path = tmp_path / "lock.yaml"
    entry = {"hub": "org/data", "revision": "main", "patterns": [], "commit": "c", "files": {}}
    lock.write(path, {"datasets": {"d": entry}, "students": {}})
    assert lock.entry(path, "datasets", "d", Source(hub="org/data")) == entry
    with pytest.raises(StudyError, match=rf"datasets\.d\.{key} is .*`snakemake lock_sources`"):
        lock.entry(path, "datasets", "d", asked)


@pytest.mark.parametrize("text", ["datasets: [", "sources: {}", "[1]"])
def test_damaged_lock_is_a_readable_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "lock.yaml"
    path.write_text(text)
    with pytest.raises(StudyError, match=r"lock\.yaml: .*lock_sources"):
        lock.read(path)


@pytest.mark.parametrize("document", [{}, {"hub": "a/b", "path": "c"}, {"hub": "a/b", "x": 1}, "a"])
def test_malformed_source_is_named(document: object) -> None:
    with pytest.raises(StudyError, match="source of banking77"):
        parse("banking77", document)
