"""`make` makes .venv, or uses that which is there, and writes to no environment of others."""

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import prepare_venv
import pytest

from repository import ROOT

WHEEL = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def metadata(version: str) -> str:
    return f"Metadata-Version: 2.1\nName: a-sample\nVersion: {version}\n"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What `make .venv/.installed` needs, with one requirement, of which there are two versions."""
    folder = tmp_path / "checkout"
    (folder / "tools").mkdir(parents=True)
    for name in ("Makefile", "tools/prepare_venv.py"):
        shutil.copy(ROOT / name, folder / name)
    (folder / "requirements.txt").write_text("# Made by a test.\na-sample==1.0\n")
    (tmp_path / "index").mkdir()
    for version in ("1.0", "2.0"):
        info = f"a_sample-{version}.dist-info"
        wheel = tmp_path / "index" / f"a_sample-{version}-py3-none-any.whl"
        with zipfile.ZipFile(wheel, "w") as archive:
            archive.writestr("a_sample.py", "")
            archive.writestr(f"{info}/METADATA", metadata(version))
            archive.writestr(f"{info}/WHEEL", WHEEL)
            archive.writestr(f"{info}/RECORD", "")
    return folder


def make(checkout: Path, python: str | Path = sys.executable) -> tuple[int, str]:
    """Make .venv without network; return the exit status and all that was printed."""
    index = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(checkout.parent / "index")}
    done = subprocess.run(
        ["make", f"PYTHON={python}", ".venv/.installed"],
        cwd=checkout,
        env={k: v for k, v in os.environ.items() if not k.startswith("MAKE")} | index,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return done.returncode, done.stdout


def environment(folder: Path, version: str | None) -> Path:
    """Make an environment without pip that holds a version of the requirement."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    if version:
        put(folder, version)
    return folder


def put(folder: Path, version: str) -> None:
    [packages] = folder.glob("lib/python*/site-packages")
    (packages / "a_sample.dist-info").mkdir()
    (packages / "a_sample.dist-info" / "METADATA").write_text(metadata(version))


def held(folder: Path) -> dict[str, int]:
    """Return all that is in a folder, and when it was last written."""
    return {str(path): path.lstat().st_mtime_ns for path in [folder, *folder.rglob("*")]}


def version(checkout: Path) -> str:
    code = "from importlib.metadata import version; print(version('a-sample'))"
    return subprocess.check_output([checkout / ".venv/bin/python", "-c", code], text=True).strip()


@pytest.mark.slow
def test_an_environment_is_made_and_follows_the_requirements(checkout: Path) -> None:
    status, said = make(checkout)
    assert status == 0, said
    assert said == "Making .venv\nInstalling 1 package of requirements.txt in .venv\n"
    assert version(checkout) == "1.0"
    assert "up to date" in make(checkout)[1]
    (checkout / "requirements.txt").write_text("a-sample==2.0\n")
    os.utime(checkout / ".venv" / ".installed", (0, 0))
    status, said = make(checkout)
    assert status == 0, said
    assert version(checkout) == "2.0"
    assert "up to date" in make(checkout)[1]


@pytest.mark.slow
def test_one_whose_making_was_cut_short_is_completed(checkout: Path) -> None:
    environment(checkout / ".venv", None)
    status, said = make(checkout)
    assert status == 0, said
    assert version(checkout) == "1.0"


@pytest.mark.slow
def test_what_pip_says_is_shown_if_it_fails(checkout: Path) -> None:
    (checkout / "requirements.txt").write_text("a-sample==3.0\n")
    status, said = make(checkout)
    assert status == 2 and "No matching distribution found for a-sample==3.0" in said


def test_an_installation_that_takes_long_says_how_far_it_is(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prepare_venv, "SIGN_SECONDS", 0.01)
    life = prepare_venv.Life(2)
    said = ["Collecting numpy==2.4.6 (from -r requirements.txt (line 3))", "  Downloading numpy"]
    signs = []
    for line in [*said, "Installing collected packages: numpy, scipy"]:
        life.heard(f"{line}\n")
        signs.append("")
        while signs[-1].count("\n") < 2:  # the first may still be of what was said before
            signs[-1] += capsys.readouterr().out
    life.end.set()
    told = [sign.splitlines()[-1] for sign in signs]
    assert told == [
        "  0:00 1 of 2: numpy==2.4.6",
        "  0:00 1 of 2: numpy==2.4.6",
        "  0:00 all brought, unpacking",
    ]


def test_help_is_grouped_and_fits_a_terminal() -> None:
    # Under `make test` as at a prompt, where make names no folder that it enters.
    outside = {k: v for k, v in os.environ.items() if not k.startswith("MAKE")}
    command = ["make", "--file", str(ROOT / "Makefile")]
    done = subprocess.run(
        [*command, "help"], cwd=ROOT, env=outside, capture_output=True, text=True, check=True
    )
    bare = subprocess.check_output(command, cwd=ROOT, env=outside, text=True)
    assert done.stdout == bare, "a bare make"
    assert max(map(len, done.stdout.splitlines())) <= 80
    groups = [line for line in done.stdout.splitlines() if line[:1].strip()]
    assert groups == ["Run a study", "Look at one", "Work on this code"]
    run, look, _ = re.split("|".join(groups), done.stdout)[1:]
    assert "make demo " in run and "make status CONFIG=config/mine.yaml" in look


def test_a_linked_one_that_fits_is_used_and_left_as_it_is(checkout: Path) -> None:
    """Also where no Python is found that could make another."""
    other = environment(checkout.parent / "other", "1.0+cpu")
    (checkout / ".venv").symlink_to(other)
    before = held(other)
    for python in (sys.executable, "no-python"):
        assert make(checkout, python) == (0, "")
    assert held(other) == before and (checkout / ".venv").is_symlink()


def test_a_linked_one_that_prints_when_it_starts_is_used(checkout: Path) -> None:
    other = environment(checkout.parent / "other", "1.0")
    [packages] = other.glob("lib/python*/site-packages")
    (packages / "greeting.pth").write_text("import sys; print('hello')\n")
    (checkout / ".venv").symlink_to(other)
    status, said = make(checkout)
    assert status == 0 and "error" not in said.lower(), said


@pytest.mark.parametrize("found", ["2.0", None])
def test_a_linked_one_that_lacks_packages_is_told_and_left_as_it_is(
    checkout: Path, found: str | None
) -> None:
    other = environment(checkout.parent / "other", found)
    (other / ".installed").touch()  # of another checkout: it says nothing of these requirements
    (checkout / ".venv").symlink_to(other)
    before = held(other)
    status, said = make(checkout)
    assert status == 2 and f"error: .venv is a link to {other}, which make does not write" in said
    assert f"lacks a-sample==1.0 (found: {found or 'none'})" in said
    assert f"({other}/bin/python -m pip install --requirement requirements.txt)" in said
    assert "remove it here (rm .venv) and run make again" in said
    assert held(other) == before


@pytest.mark.parametrize("missing", ["folder", "python"])
def test_a_link_that_leads_to_no_python_is_told(checkout: Path, missing: str) -> None:
    other = checkout.parent / "other"
    if missing == "python":
        other.mkdir()
    (checkout / ".venv").symlink_to(other)
    status, said = make(checkout)
    assert status == 2, said
    assert f"error: .venv is a link to {other}: there is no .venv/bin/python. Remove it" in said
    assert other.is_dir() == (missing == "python") and "(rm .venv)" in said


def test_one_made_by_uv_is_used_if_it_fits(checkout: Path) -> None:
    uv = [sys.executable, "-m", "uv", "venv", "--quiet", "--offline", "--python", sys.executable]
    subprocess.run([*uv, ".venv"], cwd=checkout, check=True)
    before = held(checkout / ".venv")
    status, said = make(checkout)
    assert status == 2 and "error: .venv was made by uv" in said
    assert f"uv pip install --python {checkout}/.venv --requirement requirements.txt" in said
    assert "(rm -r .venv)" in said
    assert held(checkout / ".venv") == before
    put(checkout / ".venv", "1.0")
    assert make(checkout) == (0, "") and not (checkout / ".venv" / ".installed").exists()


def by_conda(venv: Path) -> None:
    (venv / "conda-meta").mkdir()
    (venv / "pyvenv.cfg").unlink()


def by_virtualenv(venv: Path) -> None:
    with (venv / "pyvenv.cfg").open("a") as file:
        file.write("virtualenv = 20.35.4\n")


def of_another_user(venv: Path) -> None:
    if os.geteuid():
        pytest.skip("only root can give a folder to another user")
    os.chown(venv, 54321, -1)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (by_conda, "was made by conda"),
        (by_virtualenv, "was made by virtualenv 20.35.4"),
        (of_another_user, "belongs to user 54321"),
        (lambda venv: (venv / "pyvenv.cfg").unlink(), "was not made by `python -m venv`"),
    ],
)
def test_one_of_others_is_told_and_left_as_it_is(checkout: Path, change, words: str) -> None:
    venv = environment(checkout / ".venv", "2.0")
    change(venv)
    before = held(venv)
    status, said = make(checkout)
    assert status == 2 and f"error: .venv {words}" in said and "(rm -r .venv)" in said, said
    assert held(venv) == before


# As Python 3.9 answers make, which asks whether it is new enough, and the program, which asks more.
OLD = """#!/bin/sh
case $1 in -c) exit 1;; esac
echo '[[3, 9, 1], {"a-sample": "1.0"}]'
"""


@pytest.mark.parametrize(
    ("python", "words"),
    [
        (None, "does not run (No such file or directory)"),  # Python was updated since
        ("#!/bin/sh\necho no libpython >&2; exit 127\n", "does not run (no libpython)"),
        (OLD, "its Python is 3.9.1, and 3.11 or newer is"),
    ],
)
def test_one_whose_python_is_of_no_use_is_told_though_it_was_complete_once(
    checkout: Path, python: str | None, words: str
) -> None:
    venv = environment(checkout / ".venv", "1.0")
    (venv / "bin/python").unlink()
    if python is None:
        (venv / "bin/python").symlink_to("/nowhere/python3.11")
        (venv / ".installed").touch()
    else:
        (venv / "bin/python").write_text(python)
        (venv / "bin/python").chmod(0o755)
    status, said = make(checkout)
    assert status == 2 and "error: .venv cannot be used: " in said and words in said, said
    assert "Remove it (rm -r .venv) and run make again" in said


@pytest.mark.parametrize("python", ["false", "no-python"])
def test_without_a_new_python_no_environment_is_made(checkout: Path, python: str) -> None:
    status, said = make(checkout, python)
    assert status == 2 and "Python 3.11 or newer is needed; name one with: make PYTHON=" in said
    assert not (checkout / ".venv").exists()


@pytest.mark.parametrize(
    ("given", "folder"),
    [
        ({"SFTSTUDY_REAL": "/real"}, "/real"),
        ({"XDG_CACHE_HOME": "/cache"}, "/cache/sftstudy-real"),
        ({"HOME": "/home/x"}, "/home/x/.cache/sftstudy-real"),
    ],
)
def test_example_brings_the_student_into_the_cache_and_runs_its_study(
    checkout: Path, given: dict[str, str], folder: str
) -> None:
    kept = {k: v for k, v in os.environ.items() if k not in ("SFTSTUDY_REAL", "XDG_CACHE_HOME")}
    kept = {k: v for k, v in kept.items() if not k.startswith("MAKE")}
    done = subprocess.run(
        ["make", "--dry-run", "example"],
        cwd=checkout,
        env=kept | given,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    fetched = done.stdout.index(f'tools/fetch_smollm2.py "{folder}"')
    assert fetched < done.stdout.index("--configfile config/example.yaml")
