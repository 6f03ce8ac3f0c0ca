"""Check the cluster against profiles/slurm/site.yaml and a study, before anything is submitted.

Prints what each partition offers and what is wrong, with what to change; exit status 1 if anything.
"""

import argparse
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "scripts"))

from sftstudy.cli import run  # noqa: E402  (the path must be set before)
from sftstudy.cluster import checks, requests  # noqa: E402
from sftstudy.cluster.site import read_site  # noqa: E402
from sftstudy.errors import StudyError  # noqa: E402
from sftstudy.files.reading import read_text  # noqa: E402
from sftstudy.study.grid import Study  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--configfile", type=Path, default=Path("config/config.yaml"))
    arguments = parser.parse_args()
    site = read_site()
    study = Study(yaml.safe_load(read_text(arguments.configfile)), str(arguments.configfile))
    wanted = requests.of_students(site, {name: study.student(name) for name in study.students})
    found = checks.problems(site, wanted)
    if found:
        raise StudyError("\n".join(found))
    for request in wanted:
        print(
            f"{request.what}: {request.gpus} GPUs, {request.cpus} CPUs, "
            f"{request.mem_mb / 1024:g} GB, {request.minutes / 60:g} h in '{request.partition}'"
        )
    print(f"The cluster can run {arguments.configfile}.", file=sys.stderr)


if __name__ == "__main__":
    run(main)
