"""A study file as programs beside the workflow are given it."""

from pathlib import Path

from sftstudy.study.options import origin


def test_errors_call_a_study_by_its_files_and_the_keys_of_the_command_line() -> None:
    files = [Path.cwd() / "config/config.yaml", Path("/elsewhere/mine.yaml")]
    assert origin(files, {"limit": 20, "device": "cpu"}) == (
        "config/config.yaml + /elsewhere/mine.yaml + --config limit device"
    )
    assert origin(files[:1], []) == "config/config.yaml"
