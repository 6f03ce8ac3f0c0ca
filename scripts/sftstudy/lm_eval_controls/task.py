"""A task of lm-eval over a fetched folder, as lm-eval's own command line would make it.

Nothing but the place of its documents is another: lm-eval is given a task file that includes the
task's own and says where they lie.
"""

import json
import os
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sftstudy.documents.source import SOURCE
from sftstudy.errors import StudyError
from sftstudy.records.record import use
from sftstudy.tasks import lm_eval_yaml

# Of lm-eval's command line, where it is not told others.
SEED, OTHER_SEED = 0, 1234
_FORMATS = ("arrow", "csv", "json", "parquet", "text")  # of files, not names of repositories
_README = "README.md"  # of a hub repository: says which files are which subset


@dataclass(frozen=True)
class Asked:
    """What the study says of a control from lm-eval; see ``lm_eval_control`` of its schema."""

    lm_eval: str
    limit: int | None
    num_fewshot: int | None
    apply_chat_template: bool | None
    group: str | None

    def chat(self, task: Any) -> bool:
        """Return whether prompts are written with the chat template."""
        if self.apply_chat_template is not None:
            return self.apply_chat_template
        return bool(task.OUTPUT_TYPE == "generate_until")


def offline() -> None:
    """Have no library of this process ask the network: all documents were fetched before.

    To be called before one is imported.
    """
    for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "HF_EVALUATE_OFFLINE"):
        os.environ[name] = "1"


@contextmanager
def opened(asked: Asked, raw: Path) -> Iterator[Any]:
    """Make lm-eval's task over the documents of `raw`, with its seeds set.

    Raises `StudyError` for a folder that the task cannot be made of.
    """
    import numpy as np
    from lm_eval.tasks import TaskManager

    file = lm_eval_yaml.find(asked.lm_eval)
    for each in lm_eval_yaml.files(file) if lm_eval_yaml.is_path(asked.lm_eval) else ():
        use(each)
    use(raw)
    random.seed(SEED)
    np.random.seed(OTHER_SEED)  # the generator that tasks draw from
    with TemporaryDirectory() as folder:
        overlay = Path(folder, "task.yaml")
        source = _without_description(raw, Path(folder, "source"))
        place = _place(lm_eval_yaml.read(file), source, raw)
        kwargs = {**place["dataset_kwargs"], "cache_dir": str(Path(folder, "cache"))}
        lies = {**place, "dataset_kwargs": kwargs, "include": str(file.resolve())}
        overlay.write_text(json.dumps(lies), encoding="utf-8")
        try:
            found = TaskManager(include_defaults=False).load([str(overlay)])["tasks"]
        except ImportError as error:
            raise StudyError(
                f"the task {asked.lm_eval!r} of lm-eval needs the package {error.name!r}, which is "
                "not installed here; add it to envs/score.in, envs/predict.in and "
                "envs/predict-vllm.in (docs/environments.md)"
            ) from error
        except Exception as error:
            raise StudyError(
                f"{raw}: the task {asked.lm_eval!r} of lm-eval cannot be made of it "
                f"({type(error).__name__}: {error}); it must hold what the task's dataset "
                "repository holds: its data files and README.md"
            ) from error
        [task] = found.values()
        yield task


def write_prompts(
    task: Any, asked: Asked, chat_template: Callable[..., Any], tokenizer_name: str = ""
) -> None:
    """Write the prompts of all documents that are asked, into ``task.instances``.

    The number of examples and the seed of drawing them are set as lm-eval's command line does.
    `chat_template` makes one text of messages, where the chat template is to be used.
    """
    configured, chat = task.get_config("num_fewshot"), asked.chat(task)
    if asked.num_fewshot is not None and configured != 0:
        task.set_config(key="num_fewshot", value=asked.num_fewshot)
    elif configured is None:
        task.set_config(key="num_fewshot", value=0)
    task.set_fewshot_seed(seed=OTHER_SEED)
    task.build_all_requests(
        limit=asked.limit,
        apply_chat_template=chat,
        fewshot_as_multiturn=chat,
        chat_template=chat_template if chat else None,
        tokenizer_name=tokenizer_name if chat else "",
    )


def _without_description(raw: Path, folder: Path) -> Path:
    """Return a folder with links to the files of a source, without what describes them to us."""
    for file in sorted(raw.rglob("*")):
        if file.is_file() and file.name != SOURCE:
            link = folder / file.relative_to(raw)
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(file.resolve())
    return folder


def _place(config: Mapping[str, Any], source: Path, raw: Path) -> dict[str, Any]:
    """Return the keys of a task file that say where its documents lie, for those in `source`."""
    kwargs = dict(config.get("dataset_kwargs") or {})
    kwargs.pop("revision", None)
    if "data_files" in kwargs:
        kwargs["data_files"] = _found(kwargs["data_files"], source, raw)
    path, name = config.get("dataset_path"), config.get("dataset_name")
    if path in _FORMATS:
        return {"dataset_path": path, "dataset_kwargs": {**kwargs, "data_dir": str(source)}}
    if name and not (source / _README).is_file() and (source / name).is_dir():
        # The hub's own copies in parquet have a folder for each subset, and no README.md.
        kwargs["data_dir"], name = name, None
    return {"dataset_path": str(source), "dataset_name": name, "dataset_kwargs": kwargs}


def _found(files: Any, source: Path, raw: Path) -> Any:
    """Return files that a task names by their paths or addresses as they are called in `source`."""
    if isinstance(files, dict):
        return {split: _found(each, source, raw) for split, each in files.items()}
    if isinstance(files, list):
        return [_found(each, source, raw) for each in files]
    for name in (str(files), Path(str(files)).name):
        if not Path(name).is_absolute() and list(source.glob(name)):
            return name
    raise StudyError(
        f"{raw}: has no file {Path(str(files)).name!r}, which the task's data_files name; the "
        "source must hold it"
    )
