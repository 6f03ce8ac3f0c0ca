"""What is said of controls from lm-eval in a study file, held to lm-eval's task files.

Apart from `sftstudy.study.validation`, which every job of a run does again: reading the names of
all installed tasks takes a third of a second.
"""

from typing import Any

from sftstudy.errors import StudyError
from sftstudy.study.faults import did_you_mean
from sftstudy.study.grid import Study
from sftstudy.tasks import lm_eval_yaml

# Their documents or outcomes come from code of the task, which cannot be pinned or must not run.
_REFUSED = {
    "class": "is a class in Python, which brings its documents by itself",
    "custom_dataset": "brings its documents by code of its own",
    "unsafe_code": "runs code that the student writes",
    "doc_to_image": "shows images",
    "doc_to_audio": "plays sounds",
}


def require(study: Study) -> None:
    """Raise `StudyError` for a control from lm-eval whose task or whose gate's metric is none."""
    for control in study.lm_eval_controls:
        key = ("catalog", "controls", control, "lm_eval")
        name = study.catalog["controls"][control]["lm_eval"]
        try:
            config = lm_eval_yaml.read(lm_eval_yaml.find(name))
        except StudyError as error:
            raise study.origin.error(key, str(error)) from error
        for refused, why in _REFUSED.items():
            if config.get(refused):
                raise study.origin.error(
                    key,
                    f"{name!r} {why} (`{refused}`), so it can be no control; choose another task, "
                    "or write a task file that does without",
                )
        _require_metric(study, control, config)


def _require_metric(study: Study, control: str, config: dict[str, Any]) -> None:
    gate = study.config["gates"].get(control)
    if gate is None:
        return
    names = lm_eval_yaml.metric_names(config)
    if gate["metric"] not in names:
        raise study.origin.error(
            ("gates", control, "metric"),
            f"the task {config['task']!r} of lm-eval has no metric {gate['metric']!r}; it has "
            f"{', '.join(names)}.{did_you_mean(gate['metric'], names)}",
        )
    if means := lm_eval_yaml.no_means(config) & {gate["metric"]}:
        raise study.origin.error(
            ("gates", control, "metric"),
            f"{means.pop()!r} of the task {config['task']!r} is no mean over its documents, so "
            "that base and tuned cannot be compared document by document; choose another metric",
        )
