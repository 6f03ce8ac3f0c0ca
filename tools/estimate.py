"""Print what training each student needs, by method: memory on each GPU, and main memory.

Give it the study file as you give it to Snakemake. One line per student and method: the largest
of its trials, with padded rows of `--tokens` tokens. Sizes are the student's own where it is
fetched, else the catalog's. Prefix sharing needs less; a training that runs out of memory goes on
with smaller batches by itself.
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
    parser.add_argument("--tokens", type=int, default=2048, help="of a row (default: 2048)")
    arguments = parser.parse_args()

    from sftstudy.costs.needs import needs, table

    study = study_of(arguments)
    print(table(study, list(needs(study, arguments.tokens, arguments.directory))))


if __name__ == "__main__":
    run(main)
