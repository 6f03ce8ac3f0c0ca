"""Print how far a study is: every trial, done, running, failed or missing, and its score so far.

Give it the study file as you give it to Snakemake; it reads files only.
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

    from sftstudy.status import attention, rows, table

    study = study_of(arguments)
    print(table(list(rows(study, arguments.directory))))
    if problems := attention(study, arguments.directory):
        print(problems)


if __name__ == "__main__":
    run(main)
