"""What the records of a study's jobs say together: where a file comes from, and whether it still
is what its job made, of what its job was given.

Files are linked by the paths and hashes in the records; no name of a file is taken apart. A
file is

- *unchanged* when it and all that it rests on are what their jobs read and made;
- *edited* when its content is not what its job wrote;
- *stale* when something that its job read has changed since, or rests on something that has;
- *missing*, or *unrecorded* when no job has said that it made it.
"""

import shlex
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from sftstudy.errors import StudyError
from sftstudy.files.ledger import shown
from sftstudy.files.reading import read_json
from sftstudy.records import kept
from sftstudy.records.record import content_sha256

State = Literal["unchanged", "edited", "stale", "missing", "unrecorded"]
Record = dict[str, Any]
FOLDER = "records"


@dataclass(frozen=True)
class Problem:
    """A file that is edited or stale, and why. A `cause` is no mere consequence of another's."""

    file: str
    state: State
    cause: bool
    reason: str


class Lineage:
    """The records of one results folder; names in them are relative to the folder `base`."""

    def __init__(self, results: Path, base: Path = Path()) -> None:
        self.base = base
        self.records: dict[str, Record] = {}
        for file in sorted((results / FOLDER).rglob("*.json")):
            if file.stat().st_size:  # Snakemake puts an empty file in a failed job's place
                record = read_json(file, enter=False)
                self.records |= dict.fromkeys(record["outputs"], record)
        self.kept = kept.holding(results, self.records)
        self._hashes: dict[str, str | None] = {}
        self._states: dict[str, State] = {}

    def made(self, name: str) -> tuple[str, Record] | None:
        """Return the output that a file is (or lies in), and the record of the job that made it."""
        for output in (name, *(parent.as_posix() for parent in Path(name).parents)):
            if output in self.records:
                return output, self.records[output]
        return None

    def sha256(self, name: str) -> str | None:
        """Return the present hash of a file or folder; None where there is none."""
        if name not in self._hashes:
            path = self.base / name
            self._hashes[name] = content_sha256(path) if path.exists() else None
        return self._hashes[name]

    def state(self, name: str) -> State:
        """Return the state of a file; see the head of this module."""
        if name not in self._states:
            self._states[name] = self._find_state(name)
        return self._states[name]

    def _find_state(self, name: str) -> State:
        if self.sha256(name) is None:
            return "missing"
        found = self.made(name)
        if found is None:
            return "unrecorded"
        output, record = found
        if self.sha256(output) != record["outputs"][output]:
            return "edited"
        rests_on = (self.state(each) for each in record["inputs"])
        if self.changed(record) or any(state in ("edited", "stale") for state in rests_on):
            return "stale"
        return "unchanged"

    def changed(self, record: Record) -> list[str]:
        """Return the inputs of a job that are there, but not as the job has read them."""
        return [
            name
            for name, sha256 in record["inputs"].items()
            if sha256 is not None and self.sha256(name) not in (None, sha256)
        ]

    def problems(self, names: Iterable[str]) -> list[Problem]:
        """Return what is edited or stale among files and all that they rest on, causes first."""
        found: dict[str, Problem] = {}
        for name in self._upstream(names):
            made = self.made(name)
            state = self.state(name)
            if made and state in ("edited", "stale"):
                output, record = made
                found.setdefault(output, self._problem(output, state, record))
        return sorted(found.values(), key=lambda problem: not problem.cause)

    def _problem(self, output: str, state: State, record: Record) -> Problem:
        if state == "edited":
            reason = "edited by hand: its SHA-256 is not what its job wrote"
            return Problem(output, state, True, reason)
        if changed := self.changed(record):
            return Problem(output, state, True, f"{_listing(changed)} changed since it was made")
        rests_on = [name for name in record["inputs"] if self.state(name) in ("edited", "stale")]
        return Problem(output, state, False, f"rests on {_listing(rests_on)}")

    def _upstream(self, names: Iterable[str]) -> Iterator[str]:
        """Yield files and everything behind them once, what is behind before what is before."""
        seen: set[str] = set()

        def walk(name: str) -> Iterator[str]:
            if name not in seen:
                seen.add(name)
                made = self.made(name)
                for each in made[1]["inputs"] if made else ():
                    yield from walk(each)
                yield name

        for name in names:
            yield from walk(name)


def _listing(names: list[str]) -> str:
    return names[0] + (f" and {len(names) - 1} more" if len(names) > 1 else "")


def results_of(file: Path) -> Path:
    """Return the results folder that a file belongs to: the nearest one above with records."""
    for folder in (file, *file.parents):
        if (folder / FOLDER).is_dir():
            return folder
    raise StudyError(
        f"{file}: no folder above it holds records ({FOLDER}/); name a file below a study's "
        "results, as Snakemake names it"
    )


def edited(inputs: Mapping[str, str | None]) -> list[str]:
    """Return which files that a run has read (name -> hash) are not as their jobs wrote them."""
    lineages: dict[Path, Lineage] = {}
    found = []
    for name, sha256 in inputs.items():
        with suppress(StudyError):  # no file of a study
            results = results_of(Path(name))
            lineage = lineages.setdefault(results, Lineage(results))
            if name in lineage.records and lineage.records[name]["outputs"][name] != sha256:
                found.append(name)
    return found


def explain(file: Path) -> Iterator[str]:
    """Yield the lines that tell where a file comes from, back to its sources."""
    name = shown(file)
    lineage = Lineage(results_of(Path(name)))
    if lineage.made(name) is None and lineage.sha256(name) is None:
        raise StudyError(f"{name}: no such file, and no record of a job that made it")
    yield from _Explanation(lineage).lines(name, None, "")


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
        for each, sha256 in record["inputs"].items():
            yield from self.lines(each, sha256, inner)

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
        source = path / "SOURCE.json"
        if source.is_file():
            document = read_json(source, enter=False)
            identity = document.get("id") or "made by the workflow"
            revision = document.get("revision") or "no revision"
            yield f"source   {document['kind']}: {identity} ({revision})"
        if record["program"] == "recipe" and path.is_file():
            yield from (f"| {line}" for line in path.read_text(encoding="utf-8").splitlines())


def _job(record: Record) -> Iterator[str]:
    hardware = record["hardware"]
    facts = "".join(
        f", {key} {value:,}" if isinstance(value, int) else f", {key} {value}"
        for key, value in record["facts"].items()
    )
    yield (
        f"made by  {record['program']}, {record['started']}, {record['seconds']:,} s "
        f"({record['cpu_seconds']:,} CPU-s) on {hardware['machine']}, {hardware['device']}{facts}"
    )
    yield f"code     {commit_line(record['code'])}"
    yield f"with     {', '.join(f'{name} {v}' for name, v in record['packages'].items())}"
    yield f"command  {shlex.join(record['command'])}"


def _kept(entry: kept.Kept) -> str:
    return (
        f"{entry['when']}, though made by the code {entry['made_by']}, for {entry['kept_for']} "
        f"of {commit_line(entry['code'])}"
    )


def commit_line(code: dict[str, Any]) -> str:
    """Return a commit for people, with the number of files that differed from it."""
    changed = len(code["changed"])
    files = "file" if changed == 1 else "files"
    return code["commit"][:12] + (f" and {changed} changed {files}" if changed else "")
