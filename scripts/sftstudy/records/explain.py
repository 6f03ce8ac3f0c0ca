"""Where a file comes from, told for people: its job, what that read, and so on to the sources."""

import difflib
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sftstudy.documents.kept import Kept
from sftstudy.documents.record import CodeState, Record
from sftstudy.documents.source import SOURCE, read_source
from sftstudy.errors import StudyError
from sftstudy.files.ledger import shown
from sftstudy.records.lineage import FOLDER, Lineage, results_of

EXAMPLES = ("report/index.html", "recommendations/*.json")  # what people ask about first
SHOWN = 3
ALIKE = 0.75  # of all letters, in the same order


def explain(file: Path | None) -> Iterator[str]:
    """Yield the lines that tell where a file comes from, back to its sources.

    Raises:
        StudyError: if no file is named, or one that neither is there nor was made; it names others.
    """
    if file is None:
        raise StudyError(f"no file is named. {_examples()}")
    name = shown(file)
    try:
        lineage = Lineage(results_of(Path(name)))
    except StudyError as error:
        raise StudyError(f"{error}.{_instead(Path(name))}") from None
    if lineage.made(name) is None and lineage.sha256(name) is None:
        unknown = f"{name}: no such file, and no record of a job that made it."
        raise StudyError(f"{unknown}{_instead(Path(name))}")
    yield from _Explanation(lineage).lines(name, None, "")


def _instead(wrong: Path) -> str:
    """Return, after a blank, files that are there and called alike, else examples."""
    near = [file.as_posix() for file in _nearest(wrong) if file != wrong]
    return f" Did you mean {' or '.join(near)}?" if near else f" {_examples()}"


def _nearest(wrong: Path) -> list[Path]:
    """Return what is there under a name that is alike, in all parts of the path."""
    found = [Path(wrong.anchor)]
    for part in wrong.relative_to(wrong.anchor).parts:
        found = [
            folder / name
            for folder in found
            if folder.is_dir()
            for name in _alike(part, [each.name for each in folder.iterdir()])
        ]
    return found[:SHOWN]


def _alike(part: str, names: list[str]) -> list[str]:
    return [part] if part in names else difflib.get_close_matches(part, names, SHOWN, ALIKE)


def _examples() -> str:
    """Return the call to make, with files of the studies that are here."""
    folders = [Path("results"), *sorted(Path("results").glob("*/"))]
    studies = [folder for folder in folders if (folder / FOLDER).is_dir()]
    found = [file for each in studies for name in EXAMPLES for file in sorted(each.glob(name))]
    files = found[:SHOWN] or [Path("results/smoke/report/index.html")]
    return "For example: " + ", or ".join(f"make explain FILE={file}" for file in files)


class _Explanation:
    """Prints every job once; where a file comes up again, a reference to it."""

    def __init__(self, lineage: Lineage) -> None:
        self.lineage = lineage
        self.told: set[str] = set()

    def lines(self, name: str, recorded: str | None, indent: str) -> Iterator[str]:
        sha256 = recorded or self.lineage.sha256(name) or "-"
        yield f"{indent}{name}  sha256 {sha256[:12]}  {self._mark(name, recorded)}"
        made = self.lineage.made(name)
        if made is None:
            return
        output, record = made
        inner = indent + "    "
        if output in self.told:
            yield f"{inner}(made by {record['program']}, see above)"
            return
        self.told |= set(record["outputs"])
        yield from (inner + line for line in _job(record))
        if output in self.lineage.kept:
            yield f"{inner}kept     {_kept(self.lineage.kept[output])}"
        yield from (inner + line for line in self._source(output, record))
        for each, read in record["inputs"].items():
            yield from self.lines(each, read, inner)

    def _mark(self, name: str, recorded: str | None) -> str:
        """Compare a file with what its reader has read, and with what its job has written."""
        state, now = self.lineage.state(name), self.lineage.sha256(name)
        if now is None:
            return "MISSING"
        marks = []
        if recorded is not None:
            marks.append("unchanged" if now == recorded else "CHANGED SINCE")
        elif state == "unchanged":
            marks.append("unchanged")
        if state == "edited":
            marks.append("EDITED BY HAND")
        if state == "stale":
            marks.append("STALE")
        if state == "unrecorded":
            marks.append("no record of its job")
        return ", ".join(marks)

    def _source(self, output: str, record: Record) -> Iterator[str]:
        """Yield what a snapshot says of its origin, and what a recipe says."""
        path = self.lineage.base / output
        file = path / SOURCE
        if file.is_file():
            source = read_source(file, enter=False)
            identity = source["id"] or "made by the workflow"
            yield f"source   {source['kind']}: {identity} ({source['revision'] or 'no revision'})"
            if types := source.get("dequantised"):
                yield f"         weights computed back (dequantised) from {', '.join(types)}"
        if record["program"] == "recipe" and path.is_file():
            yield from (f"| {line}" for line in path.read_text(encoding="utf-8").splitlines())


def _job(record: Record) -> Iterator[str]:
    hardware = record["hardware"]
    names = {"gpu_seconds": "computing_seconds"} if hardware["device"] == "cpu" else {}
    facts = "".join(
        f", {names.get(key, key)} {format(value, ',') if isinstance(value, int) else value}"
        for key, value in record["facts"].items()
        if not isinstance(value, list)
    )
    yield (
        f"made by  {record['program']}, {record['started']}, {record['seconds']:,} s "
        f"({record['cpu_seconds']:,} CPU-s) on {hardware['machine']}, {hardware['device']}{facts}"
    )
    yield f"code     {commit_line(record['code'])}"
    yield f"with     {', '.join(f'{name} {v}' for name, v in record['packages'].items())}"
    for known in record["facts"].get("known_replies", []):
        yield f"replies  {_known_replies(known)}"
    yield f"command  {shlex.join(record['command'])}"


def _known_replies(known: dict[str, Any]) -> str:
    maker = known["maker"]
    packages = "".join(f", {name} {version}" for name, version in maker["packages"].items())
    return (
        f"{known['replies']:,} known before, made {known['when']} by commit "
        f"{known['commit'][:12]} (engine {maker['engine']}, code {maker['code']}{packages}) on "
        f"{known['device']}"
    )


def _kept(entry: Kept) -> str:
    return (
        f"{entry['when']}, though made by the code {entry['made_by']}, for {entry['kept_for']} "
        f"of {commit_line(entry['code'])}"
    )


def commit_line(code: CodeState) -> str:
    """Return a commit for people, with the number of files that differed from it.

    Of an unknown one it says why.
    """
    if reason := code.get("reason"):
        return f"{code['commit']} (git: {reason})"
    changed = len(code["changed"])
    files = "file" if changed == 1 else "files"
    return code["commit"][:12] + (f" and {changed} changed {files}" if changed else "")
