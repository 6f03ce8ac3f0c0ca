"""One word for one thing: `docs/words.md` has the words, and those before them are gone."""

import re
import subprocess

import pytest

from repository import ROOT

WORDS = ROOT / "docs/words.md"
MOST = 18
# This file has to name what it forbids, and the history what things were called.
EXEMPT = {"tests/unit/house/test_words.py", "CHANGELOG.md"}
# What is searched: code, rules, templates, pages, configuration. Pins and data are not.
SUFFIXES = (".py", ".smk", ".md", ".rst", ".yaml", ".html", ".js", ".in", ".toml", "Makefile")

FORBIDDEN = {  # what is no word any more -> what is said instead
    r"\bseed['\u2019]s\b|\bseed[ _-](?:study|compatible|rule)": "the original study",
    r"\bseed_(?:accuracy|em|f1|boxed|exact|edit|prompt|safe|keyword)\w*": "legacy_*",
    r"results/provenance|<provenance>": "results/records",
    r"\bprovenance record": "record",
    r"\bconfiguration files?\b|\bstudy configuration\b": "study file, run files",
    r"['\"`]\w+['\"`] in the configuration\b|configuration's catalog": "study file",
    r"block of the configuration\b|configuration (?:says|asks|gives)\b": "study file",
    r"\bembedded (?:study|one|default|smoke)\b": "smoke study",
    r"\btrial runs?\b|\bsmall trial\b|# a trial\b": "to try out; a trial is a training",
    r"\bone cell: its data|\bcells? (?:is|are) trained|\bcell is being trained": "trial",
    r"\brecommended recipes?\b|\brecipe_files\b": "run files",
}


def entries() -> list[tuple[str, str]]:
    """Return the words of docs/words.md with their meanings."""
    text = WORDS.read_text(encoding="utf-8")
    return re.findall(r"^\| \*\*(.+?)\*\* \| (.+) \|$", text, flags=re.MULTILINE)


def pages() -> list[str]:
    """Return the files that people read or edit, relative to the repository."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    names = [name for name in listed if name.endswith(SUFFIXES) and name not in EXEMPT]
    return [name for name in names if (ROOT / name).is_file()]


def test_the_words_are_few_and_short() -> None:
    words = entries()
    assert len(words) == len(dict(words)) <= MOST
    rows = [line for line in WORDS.read_text(encoding="utf-8").splitlines() if line[:1] == "|"]
    assert len(rows) == len(words) + 2, "a row without a word in bold"
    assert all(len(meaning) <= 200 for _, meaning in words), "a line or two each"


def test_the_readme_leads_to_the_words_with_its_second_link() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert re.findall(r"\]\(([^)]+)\)", text)[1] == "docs/words.md"


def test_the_readme_introduces_the_original_study() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert text.count("*original study*") == 1 and "legacy_*" in text


@pytest.mark.parametrize("pattern", FORBIDDEN, ids=FORBIDDEN.values())
def test_old_words_are_gone(pattern: str) -> None:
    word = re.compile(pattern, flags=re.IGNORECASE)
    found = [
        f"{name}:{number}: {line.strip()}"
        for name in pages()
        for number, line in enumerate((ROOT / name).read_text(encoding="utf-8").splitlines(), 1)
        if word.search(line)
    ]
    assert not found, f"say {FORBIDDEN[pattern]}:\n" + "\n".join(found)
