"""What ``SOURCE.json`` says of a folder."""

from pathlib import Path

from sftstudy.documents.source import FileFacts, Source
from sftstudy.files.hashing import sha256_file


def describe(kind: str, identity: str, revision: str | None, folder: Path) -> Source:
    """Return the document for ``SOURCE.json`` of a folder: every file's SHA-256 and size.

    `kind`, `identity` and `revision` are as `Source` says. It holds no time, so that the same
    source gives the same bytes.
    """
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    files: dict[str, FileFacts] = {
        path.relative_to(folder).as_posix(): {
            "sha256": sha256_file(path),
            "bytes": path.stat().st_size,
        }
        for path in paths
    }
    return {"kind": kind, "id": identity, "revision": revision, "files": files}
