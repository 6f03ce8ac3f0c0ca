"""Write the page, and the sheet, on which a person judges the replies that decide."""

from pathlib import Path

from sftstudy.cli import Parser, run
from sftstudy.errors import StudyError
from sftstudy.tasks.registry import CONTROLS, can_be_judged


def main() -> None:
    parser = Parser(__doc__)
    judged = [name for name in CONTROLS if can_be_judged(name)]
    parser.add_argument("--student", required=True)
    parser.add_argument("--controls", nargs="*", default=[], choices=judged)
    parser.add_argument("--results", type=Path, required=True, help="folder of the results")
    parser.add_argument("--earlier", type=Path, help="CSV of an earlier review of this student")
    parser.add_argument("--seed", type=int, default=0, help="of the order of the replies")
    parser.add_argument("--page", type=Path, required=True, help="HTML file to write")
    parser.add_argument("--sheet", type=Path, required=True, help="CSV file to write")
    arguments = parser.parse_args()
    if not arguments.controls:
        raise StudyError(
            f"--controls: none of the study's controls can be judged; a person can judge replies "
            f"to {', '.join(judged)}"
        )

    from sftstudy.documents.recommendation import read_recommendation
    from sftstudy.documents.reviews import read_review
    from sftstudy.review.listed import asked
    from sftstudy.review.page import write_page
    from sftstudy.study.layout import Layout

    layout = Layout(arguments.results)
    document = read_recommendation(layout.recommendation(arguments.student))
    lines = read_review(arguments.earlier) if arguments.earlier else {}
    replies = asked(layout, document, arguments.controls, lines, arguments.seed)
    write_page(arguments.student, replies, lines, arguments.page, arguments.sheet)
    known = sum(bool(one.verdict) for one in replies)
    print(f"{arguments.student}: {len(replies)} replies, {known} of them judged before")


if __name__ == "__main__":
    run(main)
