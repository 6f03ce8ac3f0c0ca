"""Print what a study will need before it starts: jobs, GPU (or CPU) hours and disk, per student.

Give it the study file as you give it to Snakemake. Time limits of the study file are upper
bounds; where records of past jobs are found, what those measured is put beside them.
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
    parser.add_argument(
        "--past",
        type=Path,
        nargs="+",
        default=[],
        metavar="FOLDER",
        help="results folders of other studies to learn from, for example results/limit-200",
    )
    arguments = parser.parse_args()

    from sftstudy.costs.forecast import forecasts, table

    study = study_of(arguments)
    print(table(study, list(forecasts(study, arguments.directory, arguments.past))))


if __name__ == "__main__":
    run(main)
