"""Lay all metrics and recommendations of a study out as tables: CSV, JSON and HTML."""

from pathlib import Path

from sftstudy.cli import Parser, run


def main() -> None:
    parser = Parser(__doc__)
    parser.add_argument("--plan", type=Path, required=True, help="the study's grid, plan.json")
    parser.add_argument("--results", type=Path, required=True, help="folder of the results")
    parser.add_argument("--output-dir", type=Path, required=True, help="folder for the tables")
    arguments = parser.parse_args()

    from sftstudy.tables.collect import collect
    from sftstudy.tables.results import load
    from sftstudy.tables.write import write

    tables = collect(load(arguments.plan, arguments.results))
    write(tables, arguments.output_dir)
    missing = len(tables["missing"])
    print(f"{len(tables['metrics']):,} metrics collated, {missing:,} cells missing")


if __name__ == "__main__":
    run(main)
