"""Which files of a model repository are used, and what a student must have."""

from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path

from sftstudy.errors import StudyError
from sftstudy.files.reading import read_json

# config.json, safetensors weights, tokenizer, chat template, processor: what `from_pretrained`
# reads. Never code, never pickled weights (loading one runs whatever it contains).
PATTERNS = ("*.json", "*.safetensors", "*.jinja", "*.model", "*.txt", "*.tiktoken")
_PICKLED = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".msgpack", ".h5")
_TOKENIZERS = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt", "*.tiktoken")
_TEMPLATES = ("tokenizer_config.json", "chat_template.json")


def choose(where: str, names: Sequence[str]) -> list[str]:
    """Return which of a repository's files a student needs: those at its top that match PATTERNS.

    Raises `StudyError` when there are no safetensors weights, no config.json or no tokenizer.
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
    return sorted(name for name in top if _any_match([name], PATTERNS))


def check(where: str, folder: Path, names: Sequence[str]) -> None:
    """Raise `StudyError` unless all weights are there, a chat template is, and no code is needed.

    `where` names the source in messages, `folder` is where its files `names` lie.
    """
    _check_shards(where, folder, names)
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


def _check_shards(where: str, folder: Path, names: Sequence[str]) -> None:
    index = "model.safetensors.index.json"
    if index not in names:
        return
    shards = set(read_json(folder / index).get("weight_map", {}).values())
    if missing := sorted(shards - set(names)):
        raise StudyError(
            f"{where}: {index} lists {missing[0]}, which is not there ({len(missing)} of "
            f"{len(shards)} weight files are missing); complete the repository or mirror"
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
