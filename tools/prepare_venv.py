#!/usr/bin/env python3
"""Make .venv in the present folder, as requirements.txt says, or see whether the one there fits.

`make` calls this program before anything is installed. An environment that is not make's own (a
link to one, one of another tool or of another user) is used if it fits, and never written to.
"""

import argparse
import json
import os
import pwd
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

VENV = Path(".venv")
PYTHON = VENV / "bin" / "python"
REQUIREMENTS = Path("requirements.txt")
INSTALLED = VENV / ".installed"  # make compares its time with that of requirements.txt
OLDEST = (3, 11)
SHOWN = 3
SAID = 20  # lines of pip that are shown if it fails
SIGN_SECONDS = 15  # between two signs of life of an installation
# What the Python of .venv, whatever its version, says of itself.
ASK = """
import json, sys
found = {}
if sys.version_info >= (3, 8):
    from importlib import metadata
    found = {d.metadata["Name"]: d.version for d in metadata.distributions()}
print(json.dumps([list(sys.version_info[:3]), found]))
"""


class Unfit(Exception):
    """An environment that cannot be used; the message says why."""


def normalized(name: str) -> str:
    """Return a distribution's name as package indexes compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def settings() -> dict[str, str]:
    """Return what the maker of .venv has written down of it."""
    try:
        text = (VENV / "pyvenv.cfg").read_text(encoding="utf-8")
    except OSError:
        return {}
    lines = (line.partition("=") for line in text.splitlines())
    return {key.strip(): value.strip() for key, _, value in lines}


def stranger() -> str | None:
    """Return what tells that .venv is not make's own; None if it is."""
    if VENV.is_symlink():
        return f"is a link to {VENV.readlink()}"
    if (VENV / "conda-meta").is_dir():
        return "was made by conda"
    said = settings()
    if not said:
        return "was not made by `python -m venv` (there is no readable pyvenv.cfg in it)"
    for tool in ("uv", "virtualenv"):
        if tool in said:
            return f"was made by {tool} {said[tool]}"
    if (owner := VENV.stat().st_uid) != os.geteuid():
        return f"belongs to {user(owner)}"
    return None if os.access(VENV, os.W_OK) else "may not be written to"


def user(number: int) -> str:
    """Return a user's name."""
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"user {number}"


def lacking() -> list[str]:
    """Return, in words, the requirements that .venv does not fulfil.

    Raises:
        Unfit: if it has no Python that runs and is new enough.
    """
    if not os.path.lexists(PYTHON):
        raise Unfit(f"there is no {PYTHON}")
    try:
        # Isolated from PYTHONPATH: what lies there is not in this environment.
        done = subprocess.run([PYTHON, "-I", "-c", ASK], capture_output=True, text=True)
    except OSError as error:
        raise Unfit(f"{PYTHON} does not run ({error.strerror})") from None
    if done.returncode:
        said = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        raise Unfit(f"{PYTHON} does not run ({said[-1]})")
    # The last line: what starts with Python there may print as well.
    version, found = json.loads(done.stdout.splitlines()[-1])
    if tuple(version) < OLDEST:
        least = ".".join(map(str, OLDEST))
        raise Unfit(f"its Python is {'.'.join(map(str, version))}, and {least} or newer is needed")
    # Without build tags such as +cpu, which a pin leaves open.
    has = {normalized(name): number.split("+")[0] for name, number in found.items() if name}
    lacks = []
    for line in REQUIREMENTS.read_text(encoding="utf-8").splitlines():
        name, _, wanted = line.partition("==")
        if wanted and has.get(normalized(name)) != wanted:
            lacks.append(f"{line} (found: {has.get(normalized(name), 'none')})")
    return lacks


def install(lacks: list[str]) -> None:
    """Install requirements.txt into .venv, which is make's own, and say how far that is."""
    count = "1 package" if len(lacks) == 1 else f"{len(lacks)} packages"
    print(f"Installing {count} of {REQUIREMENTS} in {VENV}", end="", flush=True)
    if len(lacks) > SHOWN:
        print("; all of them, with PyTorch, take two to ten minutes and 3 GB", end="", flush=True)
    print(flush=True)
    if subprocess.run([PYTHON, "-I", "-c", "import pip"], capture_output=True).returncode:
        run(PYTHON, "-m", "ensurepip")  # what an interrupted `python -m venv` did not come to
    command: list[str | Path] = [PYTHON, "-m", "pip", "install", "--requirement", REQUIREMENTS]
    command += ["--disable-pip-version-check", "--progress-bar", "off"]
    said = []
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    ) as process:
        life = Life(len(lacks))
        for line in process.stdout or ():
            said.append(line)
            life.heard(line)
        life.end.set()
    if process.returncode:
        sys.stderr.writelines(said[-SAID:])
        sys.exit(process.returncode)


class Life:
    """Prints every few seconds how far pip is, from what it prints itself."""

    def __init__(self, count: int) -> None:
        self.count, self.started = count, time.monotonic()
        self.brought, self.doing = 0, "pip starts"
        self.end = threading.Event()
        threading.Thread(target=self._tell, daemon=True).start()

    def heard(self, line: str) -> None:
        """Take note of a line of pip."""
        word, _, rest = line.strip().partition(" ")
        if word in ("Collecting", "Processing"):  # from an index, from a folder
            self.brought = min(self.brought + 1, self.count)
            self.doing = f"{self.brought} of {self.count}: {rest.partition(' ')[0]}"
        elif line.startswith("Installing collected packages"):
            self.doing = "all brought, unpacking"

    def _tell(self) -> None:
        while not self.end.wait(SIGN_SECONDS):
            minutes, seconds = divmod(round(time.monotonic() - self.started), 60)
            print(f"  {minutes}:{seconds:02} {self.doing}", flush=True)


def run(*command: str | Path) -> None:
    """Run a command; end with its exit status if it fails."""
    status = subprocess.run(command).returncode
    if status:
        sys.exit(status)


def prepare() -> None:
    """Make, fill or accept .venv.

    Raises:
        Unfit: with what was found and what to do, if it cannot be used.
    """
    is_link = VENV.is_symlink()
    if not is_link and (not VENV.exists() or (VENV.is_dir() and not any(VENV.iterdir()))):
        print(f"Making {VENV}", flush=True)
        run(sys.executable, "-m", "venv", VENV)
    whose = stranger()
    remove = f"rm {VENV}" if is_link else f"rm -r {VENV}"
    try:
        lacks = lacking()
    except Unfit as problem:
        raise Unfit(
            f"{VENV} {whose or 'cannot be used'}: {problem}. Remove it ({remove}) and run make "
            "again, which makes a new one here"
        ) from None
    if whose and lacks:
        more = f" and {len(lacks) - SHOWN} more" if len(lacks) > SHOWN else ""
        place = VENV.resolve()
        pip = f"{place}/bin/python -m pip install"
        if "uv" in settings():
            pip = f"uv pip install --python {place}"
        raise Unfit(
            f"{VENV} {whose}, which make does not write to, and lacks {', '.join(lacks[:SHOWN])}"
            f"{more}. Have {REQUIREMENTS} installed there ({pip} --requirement "
            f"{REQUIREMENTS}), or remove it here ({remove}) and run make again, which makes a new "
            "one here"
        )
    if not whose:
        if lacks:
            install(lacks)
        INSTALLED.touch()


def main() -> None:
    """Prepare .venv, or say what is wrong with it and exit with status 1."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    try:
        prepare()
    except Unfit as problem:
        sys.exit(f"error: {problem}")


if __name__ == "__main__":
    main()
