"""Which files of a model repository are used, and what a student must have."""

from collections.abc import Callable, Sequence
from fnmatch import fnmatch
from pathlib import Path

from sftstudy.errors import StudyError
from sftstudy.files.reading import read_json
from sftstudy.students.checkpoints import INDEX, SINGLE, weight_files

# config.json, safetensors weights, tokenizer, chat template, processor: what `from_pretrained`
# reads. Never code, never pickled weights (loading one runs whatever it contains).
PATTERNS = ("*.json", "*.safetensors", "*.jinja", "*.model", "*.txt", "*.tiktoken")
_PICKLED = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".msgpack", ".h5")
_TOKENIZERS = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt", "*.tiktoken")
_TEMPLATES = ("tokenizer_config.json", "chat_template.json")


def choose(where: str, names: Sequence[str], bring: Callable[[str], Path]) -> list[str]:
    """Return which of a repository's files a student needs: those at its top that match PATTERNS.

    Of weights in several layouts one is taken, as `weight_files` says; `bring` returns where a file
    can be read. Raises `StudyError` when there are no safetensors weights that transformers would
    load, not all of them, no config.json or no tokenizer.
    """
    top = [name for name in names if "/" not in name and not name.startswith(".")]
    if not _any_match(top, ("*.safetensors",)):
        if pickled := sorted(name for name in names if name.endswith(_PICKLED)):
            raise StudyError(
                f"{where}: holds only pickled weights ({', '.join(pickled[:3])}), which can run "
                "code when loaded and are refused; convert them: load the model where you trust "
                "it, save it with `save_pretrained` and use that folder as the source's 'path'"
            )
        raise StudyError(f"{where}: no *.safetensors file at its top; found {_listing(names)}")
    if "config.json" not in top:
        raise StudyError(f"{where}: no config.json at its top; found {_listing(names)}")
    if not _any_match(top, _TOKENIZERS):
        raise StudyError(
            f"{where}: no tokenizer; expected one of {', '.join(_TOKENIZERS)}, "
            f"found {_listing(names)}"
        )
    weights = _weights(where, top, bring)
    others = ("*.safetensors", "*.index.json")
    return sorted(
        name
        for name in top
        if name in (*weights, INDEX)
        or (_any_match([name], PATTERNS) and not _any_match([name], others))
    )


def _weights(where: str, top: Sequence[str], bring: Callable[[str], Path]) -> list[str]:
    weights = weight_files(where, top, bring)
    if not weights:
        raise StudyError(
            f"{where}: neither {SINGLE} nor {INDEX} at its top, of which transformers loads one; "
            f"found {_listing([name for name in top if name.endswith('.safetensors')])}"
        )
    return weights


def check(where: str, folder: Path, names: Sequence[str]) -> None:
    """Raise `StudyError` unless there is a chat template and no code is needed.

    `where` names the source in messages, `folder` is where its files `names` lie.
    """
    _check_code(where, folder)
    if any(name.endswith(".jinja") for name in names):
        return
    for name in _TEMPLATES:
        if name in names and read_json(folder / name).get("chat_template"):
            return
    raise StudyError(
        f"{where}: the tokenizer has no chat template (looked into chat_template.jinja, "
        f"{', '.join(_TEMPLATES)}); a student must be an instruct model: choose one, or add a "
        "chat_template.jinja to a local copy and use it as the source's 'path'"
    )


def _check_code(where: str, folder: Path) -> None:
    config = read_json(folder / "config.json")
    if "auto_map" not in config:
        return
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES

    # Repositories often keep the code from before transformers knew their architecture.
    if config.get("model_type") not in CONFIG_MAPPING_NAMES:
        raise StudyError(
            f"{where}: its architecture {config.get('model_type')!r} is not known to transformers "
            "and would run the repository's own code, which is refused; choose another student"
        )


def _any_match(names: Sequence[str], patterns: Sequence[str]) -> bool:
    return any(fnmatch(name, pattern) for name in names for pattern in patterns)


def _listing(names: Sequence[str]) -> str:
    shown = ", ".join(sorted(names)[:8]) or "nothing"
    return shown + (f" and {len(names) - 8} more" if len(names) > 8 else "")
