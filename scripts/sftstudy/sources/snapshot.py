"""The pinned folder of a source: its files and a ``SOURCE.json`` that says what they are."""

import shutil
from pathlib import Path

from sftstudy.documents.lock import Locked
from sftstudy.documents.source import SOURCE
from sftstudy.documents.source import Source as Description
from sftstudy.errors import StudyError
from sftstudy.files.hashing import sha256_file
from sftstudy.files.writing import atomic_path, link_or_copy, write_json
from sftstudy.sources import hub, lock, student
from sftstudy.sources.description import describe
from sftstudy.sources.source import Section, Source, local_files, without_code


def fetch(section: Section, name: str, source: Source, lock_file: Path, output: Path) -> None:
    """Make the snapshot of a source at `output`: complete and checked, or not at all."""
    if source.hub:
        _fetch_hub(section, source, lock.entry(lock_file, section, name, source), output)
    else:
        _copy_local(section, source, output)


def _fetch_hub(section: Section, source: Source, entry: Locked, output: Path) -> None:
    commit, files = entry["commit"], entry["files"]
    repository = hub.Repository(lock.KIND[section], source.hub, commit)
    if section == "students":  # a lock of before may hold the weights in several layouts
        names = student.choose(str(repository), list(files), lambda n: hub.bring(repository, n))
        files = {name: files[name] for name in names}
    folder = hub.download(repository, list(files))
    for name, facts in files.items():
        _verify(repository, folder / name, name, facts["sha256"])
    if section == "students":
        student.check(str(repository), folder, list(files))
    with atomic_path(output) as temporary:
        for name in files:
            _prepare(temporary / name)
            # The hub's cache has symlinks to its files.
            link_or_copy((folder / name).resolve(), temporary / name)
        found: Description = {"kind": "hub", "id": source.hub, "revision": commit, "files": files}
        write_json(temporary / SOURCE, found)


def _copy_local(section: Section, source: Source, output: Path) -> None:
    folder = Path(source.path)
    names = local_files(source)
    if section == "students":
        names = student.choose(str(folder), names, lambda name: folder / name)
        student.check(str(folder), folder, names)
    else:
        names = without_code(str(folder), names)
    with atomic_path(output) as temporary:
        for name in names:
            _prepare(temporary / name)
            # Copied, never linked: an edit of the mirror in place must not change the snapshot.
            shutil.copyfile(folder / name, temporary / name)
        document = describe("path", source.path, None, temporary)
        write_json(temporary / SOURCE, document)


def _verify(repository: hub.Repository, path: Path, name: str, expected: str) -> None:
    found = sha256_file(path)
    if found != expected:
        raise StudyError(
            f"{repository}: checksum mismatch in {name}: SHA-256 is {found}, the lock says "
            f"{expected}; the cached copy {path.resolve()} is damaged, or {hub.server()} has sent "
            "other bytes than those that were locked: delete the copy and run again, and if they "
            "are the same again use another server"
        )


def _prepare(target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
