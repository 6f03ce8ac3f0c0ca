"""Choose a student's configuration, before its replicates are trained.

From the metrics of all trials on val splits and controls: no metrics of a test split is read.
Writes which configuration it is. `recommend.py` makes the same choice and then judges it.
"""

from pathlib import Path

from sftstudy.cli import Parser, run
from sftstudy.recommendation.given import add_options, plan_of, readers_of


def main() -> None:
    parser = Parser(__doc__.splitlines()[0])
    add_options(parser)
    parser.add_argument("--output", required=True, type=Path, help="the choice, JSON")
    arguments = parser.parse_args()
    plan = plan_of(arguments)

    from sftstudy.files.writing import write_json
    from sftstudy.recommendation.cells import Cells
    from sftstudy.recommendation.choosing import choice_document

    document = choice_document(plan, Cells(*readers_of(arguments)))
    write_json(arguments.output, document)
    print(f"{document['student']}: {document['chosen'] or 'no configuration is feasible'}")


if __name__ == "__main__":
    run(main)
