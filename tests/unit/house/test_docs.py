"""The documentation names what there is: files, links, make targets, modules."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from repository import ROOT
from sftstudy.study.grid import Study

PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "config/README.md")]
PAGES += [*sorted((ROOT / "docs").glob("*.md")), ROOT / "profiles/slurm/README.md"]
NAMING = [page for page in PAGES if page.name != "adding_a_task.md"]  # it names what to make
LIBRARY = ROOT / "scripts/sftstudy"
PACKAGES = sorted(init.parent for init in LIBRARY.glob("*/__init__.py"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8")):
        assert target.startswith("https://") or (page.parent / target).exists(), target


def test_pages_name_programs_and_make_targets_that_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        named = set(re.findall(r"^ {4}make ([a-z-]+)|`make ([a-z-]+)", text, flags=re.MULTILINE))
        assert {a or b for a, b in named} <= targets, page
        for program in re.findall(r"(?:scripts|tools|benchmarks)/\w+\.py", text):
            assert (ROOT / program).is_file(), f"{page}: {program}"


def test_every_page_of_docs_is_found_from_the_readme() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    missing = [page.name for page in (ROOT / "docs").glob("*.md") if page.name not in text]
    assert not missing


def test_the_study_of_the_readme_is_one() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    [block] = re.findall(r"```yaml\n(.*?)```", text, flags=re.DOTALL)
    study = Study(yaml.safe_load(block), "README.md")
    assert len(study.trials("SmolLM2-135M-Instruct", "banking77")) == 4


def test_every_make_target_is_described() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    helped = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    for target in re.findall(r"^([a-z-]+):", makefile, flags=re.MULTILINE):
        assert f"make {target} " in helped.stdout, target


def test_the_map_of_the_code_has_every_module_and_package() -> None:
    text = (ROOT / "docs/code.md").read_text(encoding="utf-8")
    parts = {file.name for file in LIBRARY.glob("*.py") if file.name != "__init__.py"}
    parts |= {
        f"{folder.name}/" for folder in LIBRARY.iterdir() if (folder / "__init__.py").exists()
    }
    assert not {part for part in parts if part not in text}
    rules = {file.name for file in (ROOT / "rules").glob("*.smk")} - {"common.smk"}
    assert not {rule for rule in rules if rule not in text}


@pytest.mark.parametrize("page", NAMING, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_files_of_the_code_that_a_page_names_are_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    named = {name for name in re.findall(r"`([\w./]+?(?:\.py|\.smk|/))`", text) if name[0] != "."}
    roots = (ROOT, LIBRARY, *(ROOT / folder for folder in ("scripts", "tools", "rules")))
    made = ("results/", "adapter/", "checkpoints/", "limit-", "raw/")  # by the workflow
    named = {name for name in named if not name.startswith(made)}
    assert not {name for name in named if not any((root / name).exists() for root in roots)}


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.name)
def test_a_package_says_what_its_modules_are_for(package: Path) -> None:
    text = (package / "__init__.py").read_text(encoding="utf-8")
    modules = {file.stem for file in package.glob("*.py")} - {"__init__"}
    assert not {module for module in modules if not re.search(rf"`{module}(\.py)?`", text)}
