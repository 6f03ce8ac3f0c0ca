"""Print how likely a study proves its gates and gains when the truth is fine, and at what cost.

Give it the study file as you give it to Snakemake. For 1, 2, 4, 8 and 16 replies to a prompt and
for one, two and four times as many prompts it draws studies, with the replicates of the study file,
and judges them as a recommendation does; then for 0, 2 and 4 replicates. Pass rates, and how runs
differ, are those of past metrics files where there are any, else assumed; it says which.
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
        help="results folders of other studies to learn pass rates and hours from",
    )
    parser.add_argument(
        "--gain", type=float, help="true gain on every task (default: 0.1, that is 10 points)"
    )
    parser.add_argument("--draws", type=int, help="studies drawn for each figure (default: 200)")
    arguments = parser.parse_args()

    from sftstudy.costs.power import DRAWS, GAIN, powers
    from sftstudy.costs.power_told import table

    study = study_of(arguments)
    gain = GAIN if arguments.gain is None else arguments.gain
    draws = DRAWS if arguments.draws is None else arguments.draws
    found = powers(study, arguments.directory, arguments.past, gain, draws)
    print(table(study, found, arguments.directory, arguments.past))


if __name__ == "__main__":
    run(main)
