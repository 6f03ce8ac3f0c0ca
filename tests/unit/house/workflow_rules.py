"""The workflow's rules as Snakemake reads them."""

import json
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from workflow.running import SNAKEMAKE

TELL = """
include: "Snakefile"

import json

for rule in workflow.rules:
    lists = {"output": rule.output, "log": rule.log}
    facts = {key: [str(file) for file in files] for key, files in lists.items()}
    facts["params"] = {key: value for key, value in rule.params.items() if isinstance(value, str)}
    print("RULE", json.dumps({"name": rule.name, "command": rule.shellcmd or "", **facts}))
"""


@dataclass(frozen=True)
class Rule:
    """A rule of the workflow. Of wildcards only the names are kept: ``{student}``."""

    name: str
    command: str
    output: list[str]
    log: list[str]
    params: dict[str, str]

    @property
    def programs(self) -> list[str]:
        """The programs that its command calls."""
        return re.findall(r"(\w+/\w+\.py)\b", self.command)


def rules_of(checkout: Path, *choice: str) -> dict[str, Rule]:
    """Return the rules of the smoke study by name; `choice` are options of ``--config``."""
    (checkout / "tell.smk").write_text(TELL, encoding="utf-8")
    done = subprocess.run(
        [SNAKEMAKE, "--snakefile", "tell.smk", "--list-rules", "--config", *choice],
        cwd=checkout,
        capture_output=True,
        text=True,
        check=False,
    )
    assert not done.returncode, done.stderr
    text = re.sub(r"\{(\w+),[^{}]*\}", r"{\1}", done.stdout)
    told = [json.loads(line) for line in re.findall(r"^RULE (.*)$", text, flags=re.MULTILINE)]
    return {each["name"]: Rule(**each) for each in told}
