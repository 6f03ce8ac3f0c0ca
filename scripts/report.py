"""Write the report of a study: one self-contained HTML page."""

from pathlib import Path

from sftstudy.cli import Parser, run


def main() -> None:
    parser = Parser(__doc__)
    parser.add_argument("--plan", type=Path, required=True, help="the study's grid, plan.json")
    parser.add_argument("--results", type=Path, required=True, help="folder of the results")
    parser.add_argument("--tables", type=Path, required=True, help="folder that collate.py wrote")
    parser.add_argument("--figures", type=Path, required=True, help="folder that draw.py wrote")
    parser.add_argument("--output", type=Path, required=True, help="HTML file to write")
    arguments = parser.parse_args()

    from sftstudy.report.page import write_report
    from sftstudy.tables.results import load

    results = load(arguments.plan, arguments.results)
    write_report(results, arguments.tables, arguments.figures, arguments.output)


if __name__ == "__main__":
    run(main)
