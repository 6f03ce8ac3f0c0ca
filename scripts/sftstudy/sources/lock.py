"""``config/sources.lock.yaml``: the commit of every hub source and the SHA-256 of its files."""

from fnmatch import fnmatch
from pathlib import Path

import yaml

from sftstudy.documents.lock import Asked, Lock, Locked
from sftstudy.documents.shapes import require
from sftstudy.documents.source import FileFacts
from sftstudy.errors import StudyError
from sftstudy.files.hashing import sha256_file
from sftstudy.files.strict_yaml import read_yaml
from sftstudy.files.writing import write_text
from sftstudy.sources import hub, student
from sftstudy.sources.source import Section, Source, is_hidden, without_code

KIND: dict[Section, hub.Kind] = {"datasets": "dataset", "students": "model"}
_HEADER = """\
# The commit of every hub source and the SHA-256 of every file that is used of it.
# Written by `snakemake lock_sources`; fetching refuses anything else. Review changes like code.
"""
_LOCK = (
    "run `snakemake lock_sources` with the --profile and --configfile of this run, and commit the "
    "file"
)


def read(path: Path) -> Lock:
    """Return the lock; a missing file is an empty one."""
    if not path.exists():
        return {"datasets": {}, "students": {}}
    document = read_yaml(path, False, "restore it or run `snakemake lock_sources`") or {}
    if not isinstance(document, dict) or set(document) - set(KIND):
        raise StudyError(
            f"{path}: expected the keys {', '.join(KIND)}, found {list(document)}; "
            "run `snakemake lock_sources`"
        )
    datasets, students = (document.get(section) or {} for section in KIND)
    found: Lock = {"datasets": datasets, "students": students}
    require(found, Lock, str(path))
    return found


def write(path: Path, document: Lock) -> None:
    """Write the lock, sorted, so that equal content gives equal bytes."""
    write_text(path, _HEADER + yaml.safe_dump(document, sort_keys=True, width=100))


def entry(path: Path, section: Section, name: str, source: Source) -> Locked:
    """Return the lock's entry of a hub source.

    Raises `StudyError` when there is none, or when it was made for another repository, revision
    or choice of files than the study file now asks for.
    """
    found = read(path)[section].get(name)
    if found is None:
        raise StudyError(
            f"{path}: {section}.{name} is not locked, so nobody could tell which bytes of "
            f"{source.hub} were used; {_LOCK}"
        )
    for key, value in _asked(source).items():
        if found.get(key) != value:
            raise StudyError(
                f"{path}: {section}.{name}.{key} is {found.get(key)!r}, but the study file says "
                f"{value!r}; {_LOCK}"
            )
    return found


def lock_source(section: Section, name: str, source: Source) -> Locked:
    """Ask the hub for a source's commit and files; return the entry for the lock.

    The SHA-256 of large files comes from the hub's listing, small ones are downloaded and hashed.
    """
    repository = hub.Repository(KIND[section], source.hub, source.revision)
    commit = hub.resolve(repository)
    pinned = hub.Repository(repository.kind, repository.id, commit)
    remote = hub.list_files(pinned)
    names = _choose(f"{section}.{name}: {repository}", section, source, list(remote), pinned)
    small = [item for item in names if remote[item].sha256 is None]
    folder = hub.download(pinned, small) if small else Path()
    files: dict[str, FileFacts] = {
        item: {
            "sha256": remote[item].sha256 or sha256_file(folder / item),
            "bytes": remote[item].bytes,
        }
        for item in names
    }
    return {**_asked(source), "commit": commit, "files": files}


def _asked(source: Source) -> Asked:
    return {"hub": source.hub, "revision": source.revision, "patterns": list(source.files)}


def _choose(
    where: str, section: Section, source: Source, names: list[str], pinned: hub.Repository
) -> list[str]:
    if source.files:
        chosen = [name for name in names if any(fnmatch(name, p) for p in source.files)]
        if not chosen:
            raise StudyError(
                f"{where}: none of its {len(names)} files matches {', '.join(source.files)}; "
                f"there are {', '.join(sorted(names)[:8])}"
            )
        names = chosen
    if section == "students":
        return student.choose(where, names, lambda name: hub.bring(pinned, name))
    return sorted(without_code(where, [name for name in names if not is_hidden(name)]))
