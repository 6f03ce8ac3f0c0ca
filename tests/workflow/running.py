"""Running the real Snakemake on a copy of the repository, and reading what it plans to do."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from repository import ROOT

SNAKEMAKE = Path(sys.executable).with_name("snakemake")
# Secrets that every run of these tests is given; test_tokens.py looks for them in what it wrote.
TOKENS = {name: f"marked_{name}_c4n4ry" for name in ("HF_TOKEN", "WANDB_API_KEY", "OPENAI_API_KEY")}
MINI = "tests/workflow/mini.yaml"


@dataclass(frozen=True)
class Plan:
    """What a dry run says: how many jobs of each rule, and which, named as their logs are."""

    rules: dict[str, int]
    jobs: frozenset[str]

    def of(self, stage: str) -> set[str]:
        """Return the jobs of a stage, such as ``checkpoints`` or ``metrics``, as paths below it."""
        return {job.removeprefix(f"{stage}/") for job in self.jobs if job.startswith(f"{stage}/")}


def copy_repository(folder: Path) -> Path:
    """Copy what git tracks or would track, as it is now, and return the copy."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in listed.stdout.splitlines():
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    return folder


def snakemake(
    checkout: Path, *arguments: str, profile: str = "smoke", check: bool = True, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run Snakemake in a checkout; a failure shows its output and the logs of failed jobs."""
    done = subprocess.run(
        [str(SNAKEMAKE), "--profile", f"profiles/{profile}", *arguments],
        cwd=checkout,
        capture_output=True,
        text=True,
        env=os.environ | {"HF_HUB_OFFLINE": "1"} | TOKENS | environment,
    )
    if check and done.returncode:
        logs = re.findall(r"log: ([^\s,]+)", done.stderr)
        tails = "\n".join(f"--- {log}\n{(checkout / log).read_text()[-3000:]}" for log in logs)
        raise AssertionError(f"{done.stdout[-2000:]}\n{done.stderr[-5000:]}\n{tails}")
    return done


def plan(checkout: Path, *arguments: str, profile: str = "smoke") -> Plan:
    """Return what a dry run says would be done."""
    text = snakemake(checkout, "--dry-run", "--printshellcmds", *arguments, profile=profile).stdout
    table = re.findall(r"^(\w+) +(\d+)$", text, flags=re.MULTILINE)
    jobs = re.findall(r"> \S*?results/(?:mini|smoke|evidence)/logs/(\S+)\.log 2>&1", text)
    rules = {rule: int(count) for rule, count in table if rule not in ("total", "all")}
    return Plan(rules, frozenset(jobs))


class Editor:
    """Replaces text in files of a checkout, and files, for the time of one test."""

    def __init__(self, checkout: Path) -> None:
        self.checkout = checkout
        self._before: dict[Path, bytes | None] = {}

    def replace(self, name: str, old: str, new: str) -> None:
        """Replace `old`, which must occur, by `new` in a file."""
        text = self._text(name)
        assert old in text, f"{name} does not contain {old!r}"
        self.write(name, text.replace(old, new))

    def append(self, name: str, line: str) -> None:
        """Append a line to a file."""
        self.write(name, self._text(name) + line + "\n")

    def move(self, name: str, new: str) -> None:
        """Give a file another name."""
        self.write(new, self._text(name))
        self._keep(name).unlink()

    def write(self, name: str, text: str) -> None:
        """Write a file, which need not exist."""
        self._keep(name).write_text(text, encoding="utf-8")

    def restore(self) -> None:
        """Put every edited file back."""
        for file, content in self._before.items():
            if content is None:
                file.unlink()
            else:
                file.write_bytes(content)

    def _text(self, name: str) -> str:
        return (self.checkout / name).read_text(encoding="utf-8")

    def _keep(self, name: str) -> Path:
        file = self.checkout / name
        self._before.setdefault(file, file.read_bytes() if file.exists() else None)
        return file
