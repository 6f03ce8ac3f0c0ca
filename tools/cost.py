"""Print what trainings and predictions have cost so far: GPU (or CPU) seconds, tokens, MFU.

Give it the study file as you give it to Snakemake; it reads the records of jobs only.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))

from sftstudy.cli import run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    from sftstudy.study.options import add_study_options, study_of

    add_study_options(parser)
    arguments = parser.parse_args()

    from sftstudy.costs.measured import costs, table

    print(table(list(costs(arguments.directory / study_of(arguments).root))))


if __name__ == "__main__":
    run(main)
