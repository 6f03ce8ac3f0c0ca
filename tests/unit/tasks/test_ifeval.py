"""IFEval: reading, the checkers, their determinism, the sentence model."""

import hashlib
import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from sftstudy.errors import StudyError
from sftstudy.tasks.ifeval import data, score

RECORD = {
    "key": 1001,
    "prompt": "Write about Japan. Use no commas.\n",
    "instruction_id_list": ["punctuation:no_comma"],
    "kwargs": [{}],
}


def write_source(raw, records, name="input_data.jsonl"):
    raw.mkdir(parents=True, exist_ok=True)
    text = "".join(json.dumps(record) + "\n" for record in records)
    (raw / name).write_text(text, encoding="utf-8")
    return raw


def row_of(instructions, key=1, prompt="Write about Japan."):
    return {
        "id": str(key),
        "prompt": [{"role": "user", "content": prompt}],
        "reference": {
            "key": key,
            "instruction_id_list": list(instructions),
            "kwargs": list(instructions.values()),
        },
    }


NO_COMMA = row_of({"punctuation:no_comma": {}})
LOWER = row_of({"change_case:english_lowercase": {}})
FIRST_WORD = row_of(
    {
        "length_constraints:nth_paragraph_first_word": {
            "num_paragraphs": 2,
            "nth_paragraph": 1,
            "first_word": "japan",
        }
    }
)


def verdict(row, reply):
    outcome = score.outcomes(row, reply)
    return outcome["prompt_strict"], outcome["prompt_loose"]


def test_row_is_golden(tmp_path):
    rows = data.read(write_source(tmp_path, [RECORD]))
    assert rows == {
        "test": [
            {
                "id": "1001",
                "group": "1001",
                # As published, its closing line end included.
                "prompt": [{"role": "user", "content": "Write about Japan. Use no commas.\n"}],
                "completion": [],
                "reference": {
                    "key": 1001,
                    "instruction_id_list": ["punctuation:no_comma"],
                    "kwargs": [{}],
                },
            }
        ]
    }


def test_hub_layout_with_nulls_gives_the_same_rows(tmp_path):
    hub = {**RECORD, "kwargs": [{"num_words": None, "relation": None}]}
    write_source(tmp_path / "hub", [hub], "ifeval_input_data.jsonl")
    write_source(tmp_path / "publisher", [RECORD])
    assert data.read(tmp_path / "hub") == data.read(tmp_path / "publisher")


@pytest.mark.parametrize(
    ("row", "reply", "expected"),
    [
        (NO_COMMA, "Japan is a country.", (True, True)),
        (NO_COMMA, "Japan, a country.", (False, False)),
        (NO_COMMA, "<think>Well, hm, no commas.</think>\nJapan is a country.", (True, True)),
        (NO_COMMA, "<think>Japan is a country", (False, False)),
        (NO_COMMA, "", (False, False)),
        (NO_COMMA, " \n", (False, False)),
        (NO_COMMA, "Of course, here it is:\nJapan is a country.", (False, True)),
        (NO_COMMA, "Japan is a country.\nGood luck, friend!", (False, True)),
        (LOWER, "japan is a country in the east of asia.", (True, True)),
        (LOWER, "Japan is a country in the east of asia.", (False, False)),
        (
            row_of({"detectable_format:number_bullet_lists": {"num_bullets": 2}}),
            "* one\n* two",
            (True, True),
        ),
        (
            row_of({"length_constraints:number_words": {"relation": "at least", "num_words": 3}}),
            "only two",
            (False, False),
        ),
    ],
)
def test_verdicts(row, reply, expected):
    assert verdict(row, reply) == expected


def test_counts_of_instructions():
    row = row_of({"punctuation:no_comma": {}, "change_case:english_capital": {}})
    outcome = score.outcomes(row, "A small sentence without one.")
    assert outcome == {
        "prediction": None,
        "prompt_strict": False,
        "prompt_loose": False,
        "instructions": 2,
        "followed_strict": 1,
        "followed_loose": 1,
    }


def test_instruction_metrics_are_ratios_over_instructions():
    items = [
        {"instructions": 1, "followed_strict": 1, "followed_loose": 1},
        {"instructions": 3, "followed_strict": 0, "followed_loose": 1},
    ]
    metrics = score.metrics(items)
    assert list(metrics) == ["prompt_strict", "prompt_loose", "inst_strict", "inst_loose"]
    weights = np.array([[1, 1], [2, 0], [0, 2], [3, 1]])
    assert metrics["inst_strict"].statistic(items, weights) == pytest.approx([1 / 4, 1, 0, 1 / 2])
    assert metrics["inst_loose"].statistic(items, weights) == pytest.approx(
        [2 / 4, 1, 1 / 3, 4 / 6]
    )


# lm-eval replaces a letter that is none by a random one, and langdetect samples.
@pytest.mark.parametrize(
    "row",
    [
        row_of(
            {
                "keywords:letter_frequency": {
                    "letter": "#",
                    "let_relation": "at least",
                    "let_frequency": 2,
                }
            },
            key=1122,
        ),
        row_of({"language:response_language": {"language": "en"}}),
    ],
    ids=["letter", "language"],
)
def test_scores_do_not_depend_on_chance(row):
    score._checkers()  # the import itself may draw random numbers
    reply = "hello world"  # English or Dutch, says an unseeded langdetect
    seen = set()
    for seed in range(40):
        random.seed(seed)
        state = random.getstate()
        seen.add(verdict(row, reply))
        assert random.getstate() == state  # and leave others' random numbers alone
    assert len(seen) == 1


def test_unknown_instruction():
    with pytest.raises(StudyError, match=r"ifeval, row 7: no checker for instruction 'a:b'"):
        score.outcomes(row_of({"a:b": {}}, key=7), "Hello.")


# By the rules of Google's instruction_following_eval/evaluation_lib.py: strict checks the reply as
# it is; loose also checks it without its first line, its last line, or both, be they blank.
@pytest.mark.parametrize(
    ("row", "reply", "expected"),
    [
        (FIRST_WORD, "Japan is far.\n\nIt is big.", (True, True)),
        # The first paragraph is the empty one, until loose takes the first line off.
        (FIRST_WORD, "\n\nJapan is far.\n\nIt is big.", (False, True)),
        (FIRST_WORD, "\n\n\n\n\nJapan is far.\n\nIt is big.", (False, True)),
        (FIRST_WORD, "<think>Hm.</think>\n\nJapan is far.\n\nIt is big.", (True, True)),
        (FIRST_WORD, "\n<think>Hm.</think>\n\nJapan is far.\n\nIt is big.", (True, True)),
        # The last line is the blank one: the line with the comma stays.
        (NO_COMMA, "Japan is far.\nGood luck, friend!", (False, True)),
        (NO_COMMA, "Japan is far.\nGood luck, friend!\n", (False, False)),
        (NO_COMMA, "<think>Hm.</think>\nJapan is far.\nGood luck, friend!\n", (False, False)),
        (NO_COMMA, "\nOf course, here it is:\nJapan is far.", (False, False)),
    ],
)
def test_outer_blank_lines_count_as_in_the_original(row, reply, expected):
    assert verdict(row, reply) == expected


SHAPES = ["{}", "\n\n{}", "{}\n\n", "\n {} \n", '"{}"\n', "Sure, here:\n\n{}\n\nBye!\n", "*{}*", ""]


def test_replies_are_scored_as_lm_eval_scores_them_unchanged(shared_data):
    utils = score._checkers()
    text = "Japan is far. IT IS BIG!\n\n* one\n* two\n\nP.S. <<Title>> [name] so, **bye**"
    blank_lines_matter = 0
    for number, row in enumerate(data.read(shared_data / "ifeval")["test"][::3]):
        reply = SHAPES[number % len(SHAPES)].format(text)
        document = {**row["reference"], "prompt": row["prompt"][0]["content"]}
        random.seed(row["reference"]["key"])
        theirs = utils.process_results(document, [reply])
        strict, loose = theirs["inst_level_strict_acc"], theirs["inst_level_loose_acc"]
        ours = score.outcomes(row, reply)
        assert (ours["prompt_strict"], ours["prompt_loose"]) == (all(strict), all(loose)), row["id"]
        assert (ours["followed_strict"], ours["followed_loose"]) == (sum(strict), sum(loose))
        random.seed(row["reference"]["key"])
        stripped = utils.process_results(document, [reply.strip()])
        blank_lines_matter += stripped != theirs
    assert blank_lines_matter  # or nothing was shown


def sentences(count):
    given = {"relation": "at least", "num_sentences": count}
    return row_of({"length_constraints:number_sentences": given})


# Counted by NLTK with its own punkt_tab.
@pytest.mark.parametrize(
    ("reply", "count"),
    [
        ("Dr. Smith met Prof. Lee at 5 p.m. on Jan. 3. They left.", 2),
        ("The U.S. economy grew 3.5 percent. However, prices fell.", 2),
        ("He works at Acme Inc. The firm is small.", 2),
        ("J. S. Bach wrote it. So did he.", 2),
        ("See No. 5 e.g. the list.", 3),
        ("Wait!!! What?!", 3),
    ],
)
def test_sentences_are_those_of_nltk(reply, count):
    assert verdict(sentences(count), reply)[0]
    assert not verdict(sentences(count + 1), reply)[0]


def test_capital_words_are_counted():
    given = {"capital_relation": "at least", "capital_frequency": 2}
    row = row_of({"change_case:capital_word_frequency": given})
    assert verdict(row, "J. S. Bach wrote it.") == (True, True)
    assert verdict(row, "The U.S. economy grew.") == (False, False)


def test_the_sentence_model_is_that_of_nltk():
    score._checkers()
    from nltk.tokenize.punkt import PunktTokenizer

    model = PunktTokenizer("english")._params
    lines = [
        *sorted(model.abbrev_types),
        *sorted(model.sent_starters),
        *(" ".join(pair) for pair in sorted(model.collocations)),
        # A word that was looked up in vain is there with 0.
        *(f"{word} {flags}" for word, flags in sorted(model.ortho_context.items()) if flags),
    ]
    # Of english/ in nltk_data's packages/tokenizers/punkt_tab.zip, whose sha256 begins e57f6418.
    assert hashlib.sha256("\n".join(lines).encode()).hexdigest() == (
        "a7f1ea82b5e37e78312d3ec8a6cc2cb6c8db3745a1070362accd32c5b72ad3dd"
    )


def test_real_source_is_scored_in_time(shared_data):
    rows = data.read(shared_data / "ifeval")["test"]
    assert len(rows) == 541
    rng = random.Random(0)
    words = "the cat sat on mats and It said hello Is it *really* so? P.S. yes.\n\n"
    start = time.process_time()
    items = [score.outcomes(row, " ".join(rng.choices(words.split(" "), k=200))) for row in rows]
    assert time.process_time() - start < 15
    strict, loose = (sum(i[key] for i in items) for key in ("prompt_strict", "prompt_loose"))
    assert 0 < strict <= loose < len(items)


def test_scoring_needs_no_torch_no_network_and_no_data_at_home_and_prints_nothing(tmp_path):
    row = sentences(2)
    program = (
        "import socket, sys\n"
        "socket.getaddrinfo = socket.socket.connect = lambda *_: sys.exit('asks the network')\n"
        "from sftstudy.tasks.ifeval import score\n"
        f"outcome = score.outcomes({row!r}, 'One. Two.')\n"
        "import nltk\n"
        "assert not any(map(nltk.data.os.path.isdir, nltk.data.path)), nltk.data.path\n"
        "sys.exit(not outcome['prompt_strict'] or 'torch' in sys.modules)"
    )
    scripts = Path(score.__file__).resolve().parents[3]
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=scripts,
        env={**os.environ, "HOME": str(tmp_path), "LOCAL_RANK": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("unit", ["a ", "\n", "*", "[", "<think>", "</think>"])
def test_a_megabyte_is_read_quickly(unit):
    score.outcomes(NO_COMMA, "Hello.")  # imports
    start = time.process_time()
    score.outcomes(NO_COMMA, unit * (1_000_000 // len(unit)))
    assert time.process_time() - start < 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"key": "1001"}, "row 1: 'key' is '1001', expected a number"),
        ({"prompt": " "}, "row 1: 'prompt' is ' ', expected text"),
        ({"instruction_id_list": []}, "row 1: 'instruction_id_list' is []"),
        ({"kwargs": []}, "row 1: 'kwargs' must hold one object for each of the 1 instructions"),
        ({"kwargs": None}, "row 1: 'kwargs' must hold one object"),
    ],
)
def test_bad_rows(tmp_path, change, message):
    with pytest.raises(StudyError) as error:
        data.read(write_source(tmp_path, [{**RECORD, **change}]))
    assert "input_data.jsonl" in str(error.value)
    assert message in str(error.value)


def test_repeated_key(tmp_path):
    with pytest.raises(StudyError, match="id '1001' occurs twice"):
        data.read(write_source(tmp_path, [RECORD, RECORD]))


def test_a_cut_file_is_an_error(tmp_path):
    path = write_source(tmp_path, [RECORD, RECORD]) / "input_data.jsonl"
    path.write_text(path.read_text(encoding="utf-8")[:-40], encoding="utf-8")
    with pytest.raises(StudyError, match=r"input_data\.jsonl, line 2: not valid JSON.*cut off"):
        data.read(tmp_path)


def test_no_known_layout(tmp_path):
    with pytest.raises(StudyError, match=r"looked for ifeval_input_data\.jsonl"):
        data.read(tmp_path)
