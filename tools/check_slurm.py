"""Check the cluster against profiles/slurm/site.yaml and a study, before anything is submitted.

Prints what each partition offers and what is wrong, with what to change; exit status 1 if anything.
"""

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "scripts"))

from sftstudy.cli import run  # noqa: E402  (the path must be set before)
from sftstudy.cluster import checks, requests  # noqa: E402
from sftstudy.cluster.site import read_site  # noqa: E402
from sftstudy.errors import StudyError  # noqa: E402
from sftstudy.study.layers import origin  # noqa: E402
from sftstudy.study.options import add_study_options, study_of  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add_study_options(parser)
    arguments = parser.parse_args()
    site = read_site()
    study = study_of(arguments)
    wanted = requests.of_students(site, {name: study.student(name) for name in study.students})
    found = checks.problems(site, wanted)
    if found:
        raise StudyError("\n".join(found))
    for request in wanted:
        print(
            f"{request.what}: {request.gpus} GPUs, {request.cpus} CPUs, "
            f"{request.mem_mb / 1024:g} GB, {request.minutes / 60:g} h in '{request.partition}'"
        )
    print(f"The cluster can run {origin(arguments.configfile, arguments.config)}.", file=sys.stderr)


if __name__ == "__main__":
    run(main)
