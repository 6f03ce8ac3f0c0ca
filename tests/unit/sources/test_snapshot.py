"""Fetching against a hub on localhost: what arrives, and what each failure says."""

import hashlib
import json
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from programs import call, run, start
from sftstudy.sources import lock
from stub_hub import Repository, StubHub

TOKEN = "hf_secretsecretsecret"
FILES = {"data/train [1].parquet": bytes(range(256)) * 4000, "README.md": b"read me"}
MODEL = {
    "config.json": b'{"model_type": "qwen3"}',
    "generation_config.json": b"{}",
    "model.safetensors": b"weights",
    "tokenizer.json": b"{}",
    "tokenizer_config.json": b"{}",
    "chat_template.jinja": b"{{ messages }}",
    "modeling_own.py": b"raise SystemExit",
    "original/consolidated.00.pth": b"pickle",
    "original/params.json": b"{}",
    "pytorch_model.bin": b"pickle",
}


class Study:
    """A project folder with a lock, and a hub."""

    def __init__(self, hub: StubHub, folder: Path) -> None:
        self.hub, self.folder = hub, folder
        self.output = folder / "results" / "d"
        self.lock = folder / "sources.lock.yaml"

    def write_lock(self, name: str, files: dict[str, bytes], kind: str = "datasets") -> None:
        """Lock `files` without asking the hub."""
        facts = {path: {"sha256": sha256(data), "bytes": len(data)} for path, data in files.items()}
        repository = self.hub.repositories[f"{'models' if kind == 'students' else kind}/{name}"]
        entry = {"hub": name, "revision": "main", "patterns": []}
        entry |= {"commit": repository.commit, "files": facts}
        lock.write(self.lock, {"datasets": {}, "students": {}, kind: {"d": entry}})

    def arguments(self, source: dict) -> list[object]:
        return [
            *("--source", json.dumps(source), "--name", "d"),
            *("--lock", self.lock, "--output", self.output),
        ]

    def environment(self, **extra: str) -> dict[str, str]:
        return {"HF_ENDPOINT": self.hub.url, "HF_HOME": str(self.folder / "hf")} | extra

    def fetch(self, source: dict, kind: str = "datasets", **extra: str) -> tuple[int, str]:
        return run("fetch.py", "--kind", kind, *self.arguments(source), **self.environment(**extra))

    def left_behind(self) -> list[str]:
        """Everything under the results folder, hidden files included."""
        return sorted(path.name for path in self.output.parent.rglob("*"))


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def describe(files: dict[str, bytes]) -> dict[str, dict]:
    return {name: {"sha256": sha256(data), "bytes": len(data)} for name, data in files.items()}


@pytest.fixture
def study(tmp_path: Path) -> Iterator[Study]:
    repositories = {
        "datasets/org/data": Repository(FILES),
        "datasets/org/gated": Repository(FILES, gated="files", readers=frozenset({"hf_reader"})),
        "datasets/org/sick": Repository(FILES, status=500),
        "models/org/model": Repository(MODEL),
    }
    with StubHub(repositories, valid_tokens={TOKEN, "hf_reader"}) as hub:
        yield Study(hub, tmp_path)


def test_dataset_arrives_at_the_locked_commit_and_then_needs_no_network(study: Study) -> None:
    study.write_lock("org/data", FILES)
    status, output = study.fetch({"hub": "org/data"})
    assert status == 0, output
    for name, data in FILES.items():
        assert (study.output / name).read_bytes() == data
    document = json.loads((study.output / "SOURCE.json").read_text())
    assert document == {
        "kind": "hub",
        "id": "org/data",
        "revision": study.hub.repositories["datasets/org/data"].commit,
        "files": describe(FILES),
    }
    # A hard link into the cache: large files lie on the disk once.
    assert (study.output / "README.md").stat().st_nlink == 2
    status, output = study.fetch({"hub": "org/data"}, HF_ENDPOINT="http://127.0.0.1:9")
    assert status == 0, output


def test_student_arrives_without_code_and_pickled_weights(study: Study) -> None:
    sources = json.dumps({"students": {"d": {"hub": "org/model"}}})
    arguments = ["--sources", sources, "--output", study.lock]
    status, output = run("lock_sources.py", *arguments, **study.environment())
    assert status == 0, output
    status, output = study.fetch({"hub": "org/model"}, "students")
    assert status == 0, output
    unwanted = {"modeling_own.py", "pytorch_model.bin"}
    wanted = {name for name in MODEL if "/" not in name} - unwanted
    assert {path.name for path in study.output.iterdir()} == wanted | {"SOURCE.json"}


INDEX = b'{"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}'
PARTS = {"model-1.safetensors": b"one", "model-2.safetensors": b"two"}
ANOTHER_LAYOUT = {
    "consolidated.safetensors": b"again",
    "consolidated.safetensors.index.json": b"{}",
    "pytorch_model.bin.index.json": b"{}",
    "model.fp16.safetensors": b"half",
    "original/model.safetensors": b"original",
}


@pytest.mark.parametrize("kind", ["hub", "path"])
@pytest.mark.parametrize(
    ("also", "weights"),
    [
        (ANOTHER_LAYOUT, {"model.safetensors"}),
        (PARTS | ANOTHER_LAYOUT, {"model.safetensors"}),
        (
            PARTS | ANOTHER_LAYOUT | {"model.safetensors.index.json": INDEX},
            {*PARTS, "model.safetensors.index.json"},
        ),
    ],
)
def test_of_weights_in_several_layouts_one_is_brought(
    study: Study, kind: str, also: dict[str, bytes], weights: set[str]
) -> None:
    source = {"hub": "org/model"}
    if kind == "hub":
        study.hub.repositories["models/org/model"] = Repository(MODEL | also)
        arguments = ["--sources", json.dumps({"students": {"d": source}}), "--output", study.lock]
        status, output = run("lock_sources.py", *arguments, **study.environment())
        assert status == 0, output
        locked = lock.read(study.lock)["students"]["d"]["files"]
    else:
        source = {"path": str(write_files(study.folder / "student", MODEL | also))}
    status, output = study.fetch(source, "students")
    assert status == 0, output
    names = {path.name for path in study.output.iterdir()} - {"SOURCE.json"}
    assert {name for name in names if "model" in name or "consolidated" in name} == weights
    assert set(json.loads((study.output / "SOURCE.json").read_text())["files"]) == names
    if kind == "hub":
        assert set(locked) == names
        assert set(study.hub.downloads) <= names, "the others are not even downloaded"


def test_a_lock_of_before_that_holds_two_layouts_brings_one(study: Study) -> None:
    files = MODEL | {"consolidated.safetensors": b"again"}
    study.hub.repositories["models/org/model"] = Repository(files)
    study.write_lock(
        "org/model",
        {n: d for n, d in files.items() if n.endswith((".json", "ors")) or n.endswith(".jinja")},
        "students",
    )
    status, output = study.fetch({"hub": "org/model"}, "students")
    assert status == 0, output
    assert (study.output / "model.safetensors").is_file()
    assert not (study.output / "consolidated.safetensors").exists()
    assert "consolidated.safetensors" not in study.hub.downloads


@pytest.mark.parametrize(
    ("repository", "token", "words"),
    [
        ("missing", "", ["no such repository", "check its name", "if it is private, set HF_TOKEN"]),
        ("missing", TOKEN, ["no such repository", "check its name"]),
        ("missing", "hf_expired", ["the hub refused the token"]),
        ("gated", "", ["is gated and no token was given", "/datasets/org/gated", "HF_TOKEN"]),
        ("gated", TOKEN, ["is gated and the given token lacks access", "/datasets/org/gated"]),
        ("sick", "", ["answered with status 500", "later"]),
    ],
)
def test_each_refusal_of_the_hub_has_its_own_message(
    study: Study, repository: str, token: str, words: list[str]
) -> None:
    name = f"org/{repository}"
    study.hub.repositories.setdefault(f"datasets/{name}", Repository(FILES))
    study.write_lock(name, FILES)
    if repository == "missing":
        del study.hub.repositories[f"datasets/{name}"]
    extra = {"HF_TOKEN": token} if token else {}
    status, output = study.fetch({"hub": name}, **extra)
    assert status == 1
    assert f"error: hub dataset {name} at " in output
    assert all(word in output for word in words), output
    assert not token or token not in output
    assert "Traceback" not in output
    assert study.left_behind() == []


def test_token_with_access_opens_a_gated_repository(study: Study) -> None:
    study.write_lock("org/gated", FILES)
    status, output = study.fetch({"hub": "org/gated"}, HF_TOKEN="hf_reader")
    assert status == 0, output
    written = "".join(path.read_text(errors="replace") for path in study.output.glob("*.*"))
    assert "hf_reader" not in output + written


def test_unknown_revision(study: Study) -> None:
    sources = json.dumps({"datasets": {"d": {"hub": "org/data", "revision": "v9"}}})
    arguments = ["--sources", sources, "--output", study.lock]
    status, output = run("lock_sources.py", *arguments, **study.environment())
    assert status == 1
    assert "error: hub dataset org/data at v9: the repository has no such revision" in output
    assert not study.lock.exists()


def test_locked_commit_that_is_gone(study: Study) -> None:
    study.write_lock("org/data", FILES)
    study.hub.repositories["datasets/org/data"] = Repository({"other": b""})
    status, output = study.fetch({"hub": "org/data"})
    assert status == 1
    assert "no such revision" in output
    assert "`snakemake lock_sources`" in output


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        ({"HF_ENDPOINT": "http://127.0.0.1:9"}, ["no network", "http://127.0.0.1:9", "proxy"]),
        ({"HF_ENDPOINT": "127.0.0.1:9"}, ["127.0.0.1:9 (HF_ENDPOINT) is no address of a hub"]),
        ({"HF_HUB_OFFLINE": "1"}, ["HF_HUB_OFFLINE forbids the network"]),
        ({"TRANSFORMERS_OFFLINE": "1"}, ["variable TRANSFORMERS_OFFLINE forbids the network"]),
    ],
)
def test_no_network(study: Study, extra: dict[str, str], words: list[str]) -> None:
    study.write_lock("org/data", FILES)
    status, output = study.fetch({"hub": "org/data"}, **extra)
    assert status == 1
    assert all(word in output for word in words), output
    assert study.left_behind() == []


def test_checksum_mismatch_names_the_file(study: Study) -> None:
    name = "data/train [1].parquet"
    study.hub.repositories["datasets/org/data"].served[name] = bytes(len(FILES[name]))
    study.write_lock("org/data", FILES)
    status, output = study.fetch({"hub": "org/data"})
    assert status == 1
    assert f"checksum mismatch in {name}: SHA-256 is {sha256(bytes(len(FILES[name])))}" in output
    assert sha256(FILES[name]) in output
    assert study.left_behind() == []


def test_unlocked_source_is_refused(study: Study) -> None:
    status, output = study.fetch({"hub": "org/data"})
    assert status == 1
    assert "datasets.d is not locked" in output
    assert "`snakemake lock_sources`" in output
    assert study.hub.downloads == []


def test_killed_download_leaves_nothing_and_the_next_one_completes(study: Study) -> None:
    name = "data/train [1].parquet"
    repository = study.hub.repositories["datasets/org/data"]
    repository.stalled.add(name)
    study.write_lock("org/data", FILES)
    process = start(
        "fetch.py",
        *("--kind", "datasets"),
        *study.arguments({"hub": "org/data"}),
        **study.environment(),
    )
    deadline = time.monotonic() + 60
    while name not in study.hub.downloads and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert name in study.hub.downloads
    assert study.left_behind() == []
    repository.stalled.clear()
    status, output = study.fetch({"hub": "org/data"})
    assert status == 0, output
    assert (study.output / name).read_bytes() == FILES[name]


@pytest.mark.slow
def test_connection_that_breaks_off_every_time(study: Study) -> None:
    study.hub.repositories["datasets/org/data"].cut.add("data/train [1].parquet")
    study.write_lock("org/data", FILES)
    status, output = study.fetch({"hub": "org/data"})
    assert status == 1
    assert "the download was cut off" in output
    assert study.left_behind() == []


PARQUET = "data/train [1].parquet"
GZIP = {"Content-Encoding": "gzip"}
NO_HUB = ["is not what a hub answers", "check HF_ENDPOINT and the proxy"]


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({"status": 503}, ["answered with status 503 to", "/api/datasets/org/data", "try again"]),
        ({"file_status": 404}, ["answered with status 404 to", "/resolve/", "complete mirror"]),
        ({"page": b"<html>log in</html>"}, [*NO_HUB, "JSONDecodeError"]),
        ({"page": b"[]"}, NO_HUB),
        ({"page": b"not gzip", "page_headers": GZIP}, [*NO_HUB, "DecodingError"]),
        ({"status": 302}, [*NO_HUB, "TooManyRedirects"]),
        ({"sha": ""}, [*NO_HUB, "gives the commit as ''"]),
        ({"sha": "main"}, [*NO_HUB, "gives the commit as 'main'"]),
        ({"page": b"{}"}, NO_HUB),
        ({"file_page": b"<html>log in</html>"}, [*NO_HUB, "X-Repo-Commit"]),
        ({"headers": {"ETag": "", "X-Linked-Etag": ""}}, [*NO_HUB, "ETag"]),
        ({"headers": {"X-Repo-Commit": ""}}, [*NO_HUB, "X-Repo-Commit"]),
        ({"headers": {"X-Repo-Commit": "f" * 40}}, ["README.md is not in the repository as"]),
        ({"sizes": {PARQUET: 99}}, ["sent 1024000 bytes of a file that it says has 99", "damaged"]),
        ({"served": {PARQUET: b"<html>log in</html>"}}, ["checksum mismatch", "sent other bytes"]),
    ],
)
def test_faults_of_a_mirror_are_told_as_its_own(
    study: Study, fault: dict, words: list[str]
) -> None:
    study.write_lock("org/data", FILES)
    study.hub.repositories["datasets/org/data"] = Repository(FILES, **fault)
    status, output = study.fetch({"hub": "org/data"})
    message = next(line for line in output.splitlines() if line.startswith("error: "))
    assert status == 1 and "Traceback" not in output
    assert all(word in message for word in [f"{study.hub.url} (HF_ENDPOINT)", *words]), message
    assert "cut off" not in message
    assert study.left_behind() == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 512 KiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(folder)]
    mounted = subprocess.run(mount, capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("full", ["cache", "results"])
def test_full_disk(study: Study, small_disk: Path, full: str) -> None:
    study.write_lock("org/data", FILES)
    extra = {}
    if full == "cache":
        extra["HF_HOME"] = str(small_disk / "hf")
    else:
        study.output = small_disk / "results" / "d"
    status, output = study.fetch({"hub": "org/data"}, **extra)
    assert status == 1
    assert ("the disk of the hub's cache" if full == "cache" else "the disk is full") in output
    assert str(small_disk) in output
    assert study.left_behind() == []


# -- local folders and what a student must have ----------------------------------------------------


def write_files(folder: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def fetch_local(capsys, monkeypatch, folder: Path, kind: str, tmp_path: Path) -> tuple[int, str]:
    arguments = ["--kind", kind, "--source", json.dumps({"path": str(folder)}), "--name", "d"]
    arguments += ["--lock", tmp_path / "none.yaml", "--output", tmp_path / "results" / "d"]
    return call(capsys, monkeypatch, "fetch.py", *arguments)


def test_local_mirror_is_copied_and_described(capsys, monkeypatch, tmp_path: Path) -> None:
    mirror = write_files(tmp_path / "mirror", FILES | {".git/config": b"x"})
    status, output = fetch_local(capsys, monkeypatch, mirror, "datasets", tmp_path)
    assert status == 0, output
    snapshot = tmp_path / "results" / "d"
    document = json.loads((snapshot / "SOURCE.json").read_text())
    assert document["kind"] == "path"
    assert document["revision"] is None
    assert set(document["files"]) == set(FILES)
    # An edit of the mirror in place must not reach into the snapshot.
    with (mirror / "README.md").open("r+b") as handle:
        handle.write(b"CHANGED")
    assert (snapshot / "README.md").read_bytes() == b"read me"
    # A snapshot is itself a valid mirror.
    second = fetch_local(capsys, monkeypatch, snapshot, "datasets", tmp_path / "again")
    assert second[0] == 0, second[1]


def without(*names: str) -> dict[str, bytes]:
    return {name: data for name, data in MODEL.items() if name not in names}


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (without("chat_template.jinja"), ["no chat template", "instruct"]),
        (without("model.safetensors"), ["only pickled weights", "original/consolidated.00.pth"]),
        (without("config.json"), ["no config.json"]),
        (without("tokenizer.json"), ["no tokenizer", "tokenizer.model"]),
        ({"README.md": b""}, ["no *.safetensors file", "README.md"]),
        (
            MODEL | {"config.json": b'{"model_type": "own", "auto_map": {"AutoConfig": "x.Y"}}'},
            ["architecture 'own'", "own code"],
        ),
        (
            MODEL
            | {"model.safetensors.index.json": b'{"weight_map": {"w": "model-2.safetensors"}}'},
            ["model-2.safetensors", "1 of 1 weight files are missing"],
        ),
        (MODEL | {"config.json": b"{"}, ["config.json, line 1", "not valid JSON"]),
        (
            without("model.safetensors") | {"consolidated.safetensors": b""},
            ["neither model.safetensors nor", "consolidated.safetensors"],
        ),
        (MODEL | {"model.safetensors.index.json": b"[]"}, ["index.json: expected 'weight_map'"]),
        (MODEL | {"model.safetensors.index.json": b'{"weight_map": {"a": 1}}'}, ["'weight_map'"]),
    ],
)
def test_unusable_student_is_refused(
    capsys, monkeypatch, tmp_path: Path, files: dict[str, bytes], words: list[str]
) -> None:
    folder = write_files(tmp_path / "student", files)
    status, output = fetch_local(capsys, monkeypatch, folder, "students", tmp_path)
    assert status == 1
    assert all(word in output for word in [str(folder), *words]), output
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize("name", ["tokenizer_config.json", "chat_template.json"])
def test_chat_template_may_lie_in_json(capsys, monkeypatch, tmp_path: Path, name: str) -> None:
    template = {name: b'{"chat_template": "{{ messages }}"}'}
    files = without("chat_template.jinja", name) | template
    folder = write_files(tmp_path / "student", files)
    status, output = fetch_local(capsys, monkeypatch, folder, "students", tmp_path)
    assert status == 0, output


def test_missing_and_empty_folders(capsys, monkeypatch, tmp_path: Path) -> None:
    for folder, words in ((tmp_path / "none", "no such folder"), (tmp_path / "empty", "no files")):
        (tmp_path / "empty").mkdir(exist_ok=True)
        status, output = fetch_local(capsys, monkeypatch, folder, "datasets", tmp_path)
        assert (status, words in output) == (1, True), output


def test_smoke_dataset_is_deterministic_and_described(capsys, monkeypatch, tmp_path: Path) -> None:
    outputs = [tmp_path / "first", tmp_path / "second"]
    for output in outputs:
        arguments = ["--task", "banking77", "--seed", 3, "--train", 40, "--test", 20]
        status, text = call(
            capsys, monkeypatch, "make_smoke_dataset.py", *arguments, "--output", output
        )
        assert status == 0, text
    first, second = ({p.name: p.read_bytes() for p in output.iterdir()} for output in outputs)
    assert first == second
    document = json.loads(first["SOURCE.json"])
    assert (document["kind"], document["revision"]) == ("smoke", None)
    assert set(document["files"]) == set(first) - {"SOURCE.json"}
