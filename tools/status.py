"""Print how far a study is: one line per student, with the jobs done and the scores so far.

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
    parser.add_argument("--student", help="a line for each trial of this student")
    parser.add_argument("--details", action="store_true", help="a line for each trial of all")
    arguments = parser.parse_args()

    from sftstudy.status import (
        attention,
        listing,
        of_student,
        overview,
        report,
        rows,
        summary,
        table,
        to_come,
    )

    study = study_of(arguments)
    found = list(rows(study, arguments.directory))
    if arguments.student:
        found = of_student(found, arguments.student)
    parts = [
        table(found) if arguments.details or arguments.student else overview(found),
        listing(found, arguments.directory),
        attention(study, arguments.directory),
        summary(found),
        to_come(study, arguments.directory),
        report(study, arguments.directory),
    ]
    print("\n\n".join(filter(None, parts)))


if __name__ == "__main__":
    run(main)
