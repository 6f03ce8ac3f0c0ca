"""Draw the figures of a study from its tables."""

from pathlib import Path

from sftstudy.cli import Parser, run


def main() -> None:
    parser = Parser(__doc__)
    parser.add_argument("--tables", type=Path, required=True, help="folder that collate.py wrote")
    parser.add_argument("--output-dir", type=Path, required=True, help="folder for the figures")
    arguments = parser.parse_args()

    from sftstudy.tables.write import read

    tables = read(arguments.tables)
    students = list(dict.fromkeys(row["student"] for row in tables["recommendations"]))
    tasks = list(dict.fromkeys(row["task"] for row in tables["trials"]))

    from sftstudy.figures.draw import draw_all

    draw_all(tables, students, tasks, arguments.output_dir)


if __name__ == "__main__":
    run(main)
