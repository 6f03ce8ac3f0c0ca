"""Tasks of lm-eval over local files, one of each output type that a control may have."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

SUMS = """
task: local_sums
dataset_path: json
dataset_kwargs:
  data_files: {train: sums/train.jsonl, test: sums/test.jsonl}
output_type: generate_until
training_split: train
test_split: test
num_fewshot: 1
doc_to_text: "Q: {{question}}\\nA:"
doc_to_target: "{{answer}}"
generation_kwargs: {until: ["\\n"], do_sample: false, max_gen_toks: 12}
filter_list:
  - name: first-letter
    filter:
      - {function: regex, regex_pattern: "([A-Za-z])"}
      - {function: take_first}
  - name: any-digit
    filter:
      - {function: regex, regex_pattern: "([0-9])"}
      - {function: take_first}
metric_list:
  - {metric: exact_match, aggregation: mean, higher_is_better: true, ignore_case: true}
  - {metric: bleu}
metadata: {version: 2.0}
"""
CHOICES = """
include: choices_defaults.yaml
task: local_choices
test_split: test
doc_to_text: !function choices_utils.text
doc_to_target: "{{gold}}"
metric_list:
  - {metric: acc}
  - {metric: acc_norm}
metadata: {version: 1.0}
"""
DEFAULTS = """
dataset_path: someone/choices
dataset_name: main
output_type: multiple_choice
doc_to_choice: "{{choices}}"
"""
UTILS = """
def text(doc):
    return f"Passage: {doc['passage']}\\nQuestion: {doc['question']}\\nAnswer:"
"""
LIKELY = """
task: local_likely
dataset_path: csv
dataset_kwargs: {data_files: {test: likely.csv}}
output_type: loglikelihood
test_split: test
doc_to_text: "{{question}}"
doc_to_target: "{{answer}}"
metric_list:
  - {metric: acc}
"""
README = """---
configs:
- config_name: main
  data_files:
  - {split: test, path: main/test.jsonl}
---
"""
WORDS = ("seven", "blue", "a house", "no", "yes", "the sea", "12", "nobody")


def write_tasks(folder: Path, documents: int = 12) -> Path:
    """Write the task files, and `raw` with all documents; return the folder."""
    raw = folder / "raw"
    for place in (raw / "sums", raw / "main"):
        place.mkdir(parents=True)
    for name, text in (
        ("sums.yaml", SUMS),
        ("choices.yaml", CHOICES),
        ("choices_defaults.yaml", DEFAULTS),
        ("choices_utils.py", UTILS),
        ("likely.yaml", LIKELY),
    ):
        (folder / name).write_text(text, encoding="utf-8")
    write_sums(raw, ["a"] * documents)
    (raw / "README.md").write_text(README, encoding="utf-8")
    chosen = [
        {
            "passage": f"Passage number {i // 3}.",
            "question": f"What is in place {i}?",
            "choices": [WORDS[(i + k) % len(WORDS)] for k in range(4)],
            "gold": i % 4,
        }
        for i in range(documents)
    ]
    _lines(raw / "main/test.jsonl", chosen)
    likely = [f"Say {word} again:, {word}" for word in WORDS]
    (raw / "likely.csv").write_text("\n".join(["question,answer", *likely, ""]), encoding="utf-8")
    return folder


def write_sums(raw: Path, answers: list[str]) -> None:
    """Write the questions of `local_sums` with these answers."""
    train = [{"question": f"{n} + 1", "answer": str(n + 1)} for n in range(4)]
    _lines(raw / "sums/train.jsonl", train)
    asked = [{"question": f"{n} + {n % 5}", "answer": a} for n, a in enumerate(answers)]
    _lines(raw / "sums/test.jsonl", asked)


def _lines(file: Path, rows: Sequence[Mapping[str, object]]) -> None:
    file.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
