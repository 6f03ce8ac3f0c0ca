"""Keep results across an update: accept those whose only reason to run again is code.

Give it the study as you give it to Snakemake. A result stays if neither its parameters nor its
inputs have changed and nothing that it rests on is made again; that it stayed, and which version
of the code made it, is written down for `make explain` and the report.
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
    parser.add_argument("--dry-run", action="store_true", help="keep nothing, only say")
    arguments = parser.parse_args()

    from sftstudy.prediction import journal
    from sftstudy.run.keeping import keep_results, table

    outcome = keep_results(
        arguments.configfile,
        arguments.config,
        arguments.directory,
        study_of(arguments).root,
        journal.accept,
        arguments.dry_run,
    )
    print(table(outcome))


if __name__ == "__main__":
    run(main)
