"""Study files laid over each other, and `--config` over them: which value holds, and its place."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from sftstudy.errors import StudyError
from sftstudy.study.layers import origin, read_layers
from sftstudy.study.options import given_study

BELOW: dict[str, Any] = {
    "study": "mine",
    "students": ["a"],
    "tasks": ["banking77"],
    "controls": ["ifeval"],
    "judge": "a",
    "space": {"learning_rate": [1e-5, 2e-5], "num_train_epochs": [1]},
    "gates": {"ifeval": {"metric": "prompt_strict", "min_ratio_to_baseline": 0.9}},
    "catalog": {
        "students": {
            "a": {"source": {"hub": "org/a", "revision": "v1"}, "max_length": 512},
        },
        "tasks": {
            "banking77": {
                "source": {"path": "mirror"},
                "split": {"strategy": "stratified", "val": 8, "test": "published"},
                "max_new_tokens": 8,
            }
        },
        "controls": {"ifeval": {"source": {"hub": "org/ifeval"}, "max_new_tokens": 8}},
    },
}


def files(folder: Path, *layers: Any) -> list[Path]:
    """Write each layer to a file, a mapping as YAML and text as it is."""
    paths = [folder / f"{number}.yaml" for number, _ in enumerate(layers)]
    for path, layer in zip(paths, layers, strict=True):
        path.write_text(layer if isinstance(layer, str) else yaml.safe_dump(layer))
    return paths


def student(source: dict[str, Any]) -> dict[str, Any]:
    return {"catalog": {"students": {"a": {"source": source}}}}


def test_a_layer_replaces_key_by_key(tmp_path: Path) -> None:
    over = {"limit": 5, "space": {"num_train_epochs": [2, 3]}, "students": ["a", "b"]}
    config = read_layers(files(tmp_path, BELOW, over), []).config
    assert config["space"] == {"learning_rate": [1e-5, 2e-5], "num_train_epochs": [2, 3]}
    assert config["students"] == ["a", "b"] and config["limit"] == 5


@pytest.mark.parametrize(
    ("over", "expected"),
    [
        ({"path": "here"}, {"path": "here"}),
        ({"smoke": {"seed": 2}}, {"smoke": {"seed": 2}}),
        ({"gguf": "x.gguf"}, {"gguf": "x.gguf"}),
        ({"hub": "org/b"}, {"hub": "org/b", "revision": "v1"}),
        ({"hub": "org/b", "revision": None}, {"hub": "org/b"}),
        ({"path": "here", "hub": None}, {"path": "here"}),
        ({"path": "here", "hub": None, "revision": None}, {"path": "here"}),
    ],
)
def test_the_last_layer_wins_where_only_one_of_two_may_stand(
    tmp_path: Path, over: dict[str, Any], expected: dict[str, Any]
) -> None:
    paths = files(tmp_path, BELOW, student(over))
    assert read_layers(paths, []).config["catalog"]["students"]["a"]["source"] == expected
    study = given_study(paths, [])
    assert expected.keys() <= study.student("a")["source"].keys()
    text = yaml.safe_dump(student(over)["catalog"], default_flow_style=True, width=1000)
    given = read_layers(files(tmp_path, BELOW), [f"catalog={text}"]).config
    assert given["catalog"]["students"]["a"]["source"] == expected


def test_alternatives_of_a_task_of_a_control_and_of_a_gate(tmp_path: Path) -> None:
    over = {
        "gates": {"ifeval": {"above": 0.5}},
        "catalog": {
            "tasks": {"banking77": {"source": {"hub": "org/b", "files": ["*.csv"]}}},
            "controls": {"ifeval": {"source": {"path": "p"}}},
        },
    }
    study = given_study(files(tmp_path, BELOW, over), [])
    assert study.source("banking77") == {"hub": "org/b", "files": ["*.csv"], "revision": "main"}
    assert study.source("ifeval") == {"path": "p"}
    assert study.config["gates"]["ifeval"] == {"metric": "prompt_strict", "above": 0.5}


def test_both_alternatives_in_one_layer_are_an_error_with_its_line(tmp_path: Path) -> None:
    over = "catalog:\n  students:\n    a:\n      source: {path: p, smoke: {seed: 1}}\n"
    paths = files(tmp_path, BELOW, over)
    with pytest.raises(StudyError, match=r"1\.yaml, line 4: .*source: .*give exactly one of"):
        given_study(paths, [])


def test_a_layer_over_one_alias_leaves_the_other_as_it_was(tmp_path: Path) -> None:
    below = BELOW | {"catalog": None, "space": None}
    text = yaml.safe_dump(below).replace("catalog: null\n", "").replace("space: null\n", "")
    text += "space: &s {learning_rate: [1.0e-5], num_train_epochs: [1]}\ncatalog:\n"
    text += "  students: {a: {source: {hub: org/a}, max_length: 512, space: *s}}\n"
    text += "  tasks:\n    banking77: {source: {path: mirror}, max_new_tokens: 8, split: &x "
    text += "{strategy: stratified, val: 8, test: published}}\n"
    text += "    pubmedqa: {source: {path: other}, max_new_tokens: 8, split: *x}\n"
    text += "  controls: {ifeval: {source: {hub: org/ifeval}, max_new_tokens: 8}}\n"
    over = {
        "space": {"learning_rate": [3e-5]},
        "catalog": {"tasks": {"banking77": {"split": {"val": 4}}}},
    }
    config = read_layers(files(tmp_path, text, over), []).config
    assert config["space"]["learning_rate"] == [3e-5]
    assert config["catalog"]["students"]["a"]["space"]["learning_rate"] == [1e-5]
    splits = {name: task["split"]["val"] for name, task in config["catalog"]["tasks"].items()}
    assert splits == {"banking77": 4, "pubmedqa": 8}


def test_null_takes_away_what_a_layer_below_has_given(tmp_path: Path) -> None:
    over = {"judge": None, "space": {"num_train_epochs": None}, "gates": None}
    study = given_study(files(tmp_path, BELOW, over), [])
    assert study.judge is None
    assert study.config["space"] == {"learning_rate": [1e-5, 2e-5]}
    assert study.config["gates"]["ifeval"]["min_ratio_to_baseline"] == 0.95, "the default"
    for override in ("judge=", "judge=null", "judge=~"):
        assert given_study(files(tmp_path, BELOW), [override]).judge is None


def test_a_judge_is_a_name_or_a_name_with_a_format(tmp_path: Path) -> None:
    def judge(*layers: object) -> tuple[str | None, str]:
        given = [layer for layer in layers if isinstance(layer, str)]
        study = given_study(files(tmp_path, BELOW, *(x for x in layers if x not in given)), given)
        return study.judge, study.judge_format

    assert judge() == ("a", "words")
    assert judge({"judge": {"student": "a"}}) == ("a", "words")
    guard = {"judge": {"student": "a", "format": "wild_guard"}}
    assert judge(guard) == ("a", "wild_guard")
    assert judge(guard, {"judge": {"format": "words"}}) == ("a", "words")
    assert judge(guard, {"judge": "a"}) == ("a", "words")
    assert judge("judge={student: a, format: llama_guard}") == ("a", "llama_guard")


def test_a_null_that_takes_nothing_away_is_a_value(tmp_path: Path) -> None:
    """A list whose items are all commented out does not bring the default back."""
    without = {key: value for key, value in BELOW.items() if key not in ("controls", "gates")}
    text = yaml.safe_dump(without) + "controls:\n"
    with pytest.raises(StudyError, match=r"0\.yaml, line \d+: controls: found None; expected a"):
        given_study(files(tmp_path, text), [])


def test_errors_name_the_layer_and_line_that_holds(tmp_path: Path) -> None:
    paths = files(tmp_path, BELOW, "limit: 20\nspace:\n  learning_rate:\n  - 1.0e-5\n  - -1.0\n")
    with pytest.raises(StudyError, match=r"1\.yaml, line 5: space\.learning_rate: found -1\.0"):
        given_study(paths, [])
    with pytest.raises(StudyError) as caught:
        given_study(paths, ["space={learning_rate: [0]}"])
    assert str(caught.value).startswith(
        f"{paths[0]} + {paths[1]} + --config space: space.learning_rate: found 0; "
    )


def test_values_of_the_command_line_are_yaml_at_any_depth(tmp_path: Path) -> None:
    overrides = ["training={seed: 7, learning_rate: 1e-4}", "drop_overlong=true", "students=[a]"]
    config = given_study(files(tmp_path, BELOW), overrides).config
    assert (config["training"]["seed"], config["training"]["learning_rate"]) == (7, 1e-4)
    assert config["drop_overlong"] is True
    for override, words in {
        "limit": r"--config: found 'limit'; expected KEY=VALUE",
        "students=[a": r"--config students: not valid YAML on line 1",
        "space={learning_rate: [.inf]}": r"--config space, line 1: learning_rate\.0: found \.inf",
        "training={seed: 1, seed: 2}": r"--config training, line 1: seed: the key stands",
    }.items():
        with pytest.raises(StudyError, match=words):
            given_study(files(tmp_path, BELOW), [override])


def test_without_a_study_of_its_own_it_is_laid_over_the_smoke_study(tmp_path: Path) -> None:
    study = given_study(files(tmp_path, {"results": "results/x"}), ["limit=20"])
    assert study.config["study"] == "smoke" and study.root == "results/x/limit-20"
    layers = read_layers([], ["limit=20"])
    assert layers.origin == "config/smoke.yaml + --config limit"


@pytest.mark.parametrize("text", ["", "- a\n", "study\n"])
def test_a_file_without_keys_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(StudyError, match=r"0\.yaml: expected keys and values"):
        given_study(files(tmp_path, text), [])


def test_errors_call_a_study_by_its_files_and_the_keys_of_the_command_line() -> None:
    paths = [Path.cwd() / "config/config.yaml", Path("/elsewhere/mine.yaml")]
    assert origin(paths, {"limit": 20, "device": "cpu"}) == (
        "config/config.yaml + /elsewhere/mine.yaml + --config limit device"
    )
    assert origin(paths[:1], []) == "config/config.yaml"
