"""The record of a job: what its program was given, what it made of it, with what, and for how long.

Programs that Snakemake starts write one when they have succeeded (option ``--record``). Records are
declared as logs of the rules: they are no part of the graph of jobs and rerun nothing. Everything
that differs between two runs stands here, and in no result.
"""

import os
import platform
import resource
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from sftstudy.device import DEVICE, available_cores
from sftstudy.documents.record import CodeState, Hardware, Memory, Record
from sftstudy.files.ledger import LEDGER, shown
from sftstudy.files.repository import ROOT
from sftstudy.files.writing import write_json
from sftstudy.records.content import content_sha256

SCHEMA = 1
# What has a say in results. Of these a record names those that its program has imported.
PACKAGES = (
    "accelerate",
    "datasets",
    "huggingface_hub",
    "jinja2",
    "lm_eval",
    "matplotlib",
    "numpy",
    "openai",
    "pandas",
    "peft",
    "pyarrow",
    "safetensors",
    "scipy",
    "sqlglot",
    "tokenizers",
    "torch",
    "transformers",
    "trl",
    "vllm",
)
# The parts of a checkout that decide what programs do. Results, notes and tests do not.
_CODE = ("Snakefile", "rules", "scripts", "config")
UNKNOWN = "unknown"


def write(file: Path) -> None:
    """Write the record of this process to a file, if it has made anything.

    A process that made nothing (a training's second GPU, say) has nothing to explain.
    """
    outputs = {name: content_sha256(Path(name)) for name in LEDGER.outputs if Path(name).exists()}
    if not outputs:
        return
    usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    document: Record = {
        "schema": SCHEMA,
        "program": Path(sys.argv[0]).stem,
        "command": [shown(Path(sys.argv[0])), *sys.argv[1:]],
        "code": code_state(),
        "packages": packages(),
        "hardware": hardware(),
        "memory": memory(),
        "started": datetime.fromtimestamp(LEDGER.started, UTC).isoformat(timespec="seconds"),
        "seconds": round(time.time() - LEDGER.started, 3),
        "cpu_seconds": round(sum(u.ru_utime + u.ru_stime for u in usage), 3),
        "facts": LEDGER.facts,
        "inputs": _inputs(outputs),
        "outputs": outputs,
    }
    write_json(file, document)


def _inputs(outputs: dict[str, str]) -> dict[str, str | None]:
    """Return the inputs in order, without scratch (it is gone) and what others include.

    A file of a folder that was used as a whole is one of these, and so is a program's own output.
    """
    folders = {*outputs, *(name for name in LEDGER.inputs if Path(name).is_dir())}
    return {
        name: sha256
        for name, sha256 in sorted(LEDGER.inputs.items())
        if Path(name).exists()
        and name not in outputs
        and not any(parent.as_posix() in folders for parent in Path(name).parents)
    }


def use(path: Path) -> None:
    """Enter a folder, or a file that other libraries read, as an input of this job."""
    if LEDGER.record:
        LEDGER.used(path, content_sha256(path))


def code_state() -> CodeState:
    """Return the commit of this checkout and the files that differ from it.

    The commit is ``unknown`` where there is no git, or no checkout, and where git refuses to tell
    it, as of a folder that belongs to another user: then its reason stands beside.
    """
    # Without optional locks: jobs that run at the same time must not wait for each other.
    command = ["git", "-C", str(ROOT), "--no-optional-locks", "status", "--porcelain=v2"]
    try:
        done = subprocess.run(
            [*command, "--branch", "--", *_CODE],
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | {"LC_ALL": "C"},
        )
    except FileNotFoundError:
        return {"commit": UNKNOWN, "changed": []}
    if done.returncode:
        said = done.stderr.partition("\n")[0].removeprefix("fatal: ").strip()
        unknown: CodeState = {"commit": UNKNOWN, "changed": []}
        is_no_checkout = "not a git repository (or any" in said
        return unknown if is_no_checkout else {**unknown, "reason": said}
    lines = done.stdout.splitlines()
    commit = next(line.split()[2] for line in lines if line.startswith("# branch.oid"))
    # The path is the last field; of a renamed file the old path follows after a tab.
    fields = {"1": 8, "2": 9, "u": 10, "?": 1}
    changed = [
        line.split(" ", fields[line[0]])[-1].partition("\t")[0]
        for line in lines
        if line[0] in fields
    ]
    return {"commit": commit, "changed": sorted(changed)}


def unknown_commit() -> str | None:
    """Return a warning if this is a checkout whose commit git does not tell, with what to do."""
    reason = code_state().get("reason")
    if reason is None:
        return None
    trust = f"git config --global --add safe.directory {shlex.quote(str(ROOT))}"
    advice = f". If you trust this folder: {trust}" if "dubious ownership" in reason else ""
    return f"the records of this run say 'commit: unknown', for git says: {reason}{advice}"


def packages() -> dict[str, str]:
    """Return the versions of Python, of the packages that this process has imported, of SQLite."""
    imported = [name for name in PACKAGES if name in sys.modules]
    found = {"python": platform.python_version()}
    found |= dict.fromkeys(imported, UNKNOWN) | installed(imported)
    # Not a package: it comes with the interpreter or the system.
    if "sqlite3" in sys.modules:
        found["sqlite"] = sys.modules["sqlite3"].sqlite_version
    return found


def installed(names: Iterable[str]) -> dict[str, str]:
    """Return the versions of those packages that are installed, imported or not."""
    found = {}
    for name in names:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def hardware() -> Hardware:
    """Return the machine, its CPU, the number of its cores, and its accelerator."""
    torch = sys.modules.get("torch")
    device = "cpu"
    if os.environ.get(DEVICE) == "cpu":
        pass  # there may be an accelerator, but it was not to be used
    elif torch is not None and torch.cuda.is_available():
        device = torch.cuda.get_device_name()
    elif torch is not None and torch.accelerator.is_available():
        device = str(torch.accelerator.current_accelerator())
    return {
        "machine": socket.gethostname(),
        "cpu": _cpu_name(),
        "cores": available_cores(),
        "device": device,
    }


def memory() -> Memory:
    """Return the most bytes that this process held of main memory, and on its CUDA device."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    torch = sys.modules.get("torch")
    on_device = None
    if torch is not None and torch.cuda.is_available() and torch.cuda.is_initialized():
        on_device = torch.cuda.max_memory_allocated()
    # Kilobytes on Linux, bytes on macOS.
    return {
        "peak_bytes": peak * (1 if sys.platform == "darwin" else 1024),
        "device_peak_bytes": on_device,
    }


def _cpu_name() -> str:
    file = Path("/proc/cpuinfo")
    if file.is_file():
        for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
