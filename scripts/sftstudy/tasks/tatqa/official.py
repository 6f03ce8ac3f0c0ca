"""The official TAT-QA scores: exact match and F1 with scales, and scale accuracy.

Definition: Zhu et al., "TAT-QA: A Question Answering Benchmark on a Hybrid of Tabular and Textual
Content in Finance", ACL 2021, section 5.1, as the authors' public program computes it
(``tatqa_metric.py`` and ``tatqa_utils.py`` of NExTplusplus/TAT-QA). Written anew; given a
prediction, every score is the program's, what looks odd included:

- A whole number keeps no decimals where it stands within a text, and has one as an answer:
  "2018" in "in 2018" is another word than the answer "2018", which is "2018.0".
- Digits in parentheses are negative only if nothing but digits, dots and blanks is within:
  "(134)" is -134, "(1,234)" is 1234. Minus is ASCII's. Minus zero is not zero.
- A scale word counts right behind a digit: "$(9.8) million" is -9.8. A per cent sign counts right
  behind a digit, dot or blank: "(66)%" is -66.
- ".5" is a number without a value, and so equals ".7".

Departures, where the program ends with an error: a number of more than 308 digits scores 0, and the
gold of a count that is no integer is taken as it stands.
"""

import math
import re
import string
from dataclasses import dataclass

_FACTORS = {
    "hundred": 100,
    "thousand": 1000,
    "million": 1_000_000,
    "billion": 1_000_000_000,
    "percent": 0.01,
}
_MARKS = str.maketrans("", "", "'\"\\$€£¥%(),[]")
_PUNCTUATION = str.maketrans("", "", string.punctuation)

# Digits of any script, as in the program.
_DECIMAL = re.compile(r"(?P<value>[+-]?\d+(?:\.\d+)?)|[+-]?\.\d+")
_IN_PARENTHESES = re.compile(r"\([\d.\s]+\)")
_BEFORE_PERCENT = re.compile(r"[\d.\s]%")
_WORD_AFTER_DIGIT = re.compile(r"[\d.]\s?([a-zA-Z]+)")
_ARTICLES = re.compile(r"\b(?:a|an|the)\b")


@dataclass(frozen=True)
class Scores:
    """Official scores of one prediction; `f1` has two decimals."""

    exact_match: bool
    f1: float
    scale_correct: bool


def score(
    gold_answer: list[str] | str | int | float,
    gold_scale: str,
    answer_type: str,
    answers: list[str],
    scale: str,
) -> Scores:
    """Score the predicted `answers` and `scale` against the gold ones.

    `answer_type` is span, multi-span, arithmetic or count; the last two have no partial credit.
    No answer, on either side, scores 0 in everything.
    """
    gold_answers = _gold_strings(gold_answer, answer_type)
    if not answers or not gold_answers:
        return Scores(False, 0.0, False)
    try:
        gold = normalise(answer_string(gold_answers, gold_scale))
        predictions = [normalise(text) for text in _prediction_strings(answers, scale)]
    except OverflowError:
        return Scores(False, 0.0, scale == gold_scale)
    exact_match = gold in predictions
    if answer_type in ("arithmetic", "count"):
        f1 = float(exact_match)
    else:
        f1 = max(token_f1(prediction, gold) for prediction in predictions)
    return Scores(exact_match, f1, scale == gold_scale)


def is_number(text: str) -> bool:
    """Return whether the first word is a number and the second, if any, a scale word."""
    words = text.translate(_MARKS).split()
    if not words:
        return False
    try:
        value = float(words[0])
    except ValueError:
        return False
    return not math.isnan(value) and (len(words) == 1 or _factor(words[1]) != 1)


def read_number(text: str) -> int | float | None:
    """Return the first number of a text, to four decimals, with sign, per cent and scale word.

    None where there is none, and where the first begins with its decimal point.
    """
    decimal = _DECIMAL.search(text.translate(_MARKS))
    if decimal is None or decimal["value"] is None:
        return None
    digits = decimal["value"]
    value = float(digits) if "." in digits else int(digits)
    word = _WORD_AFTER_DIGIT.search(text)
    value *= _factor(word[1]) if word else 1
    value *= -1 if _IN_PARENTHESES.search(text) else 1
    value *= 0.01 if _BEFORE_PERCENT.search(text.strip()) else 1
    return round(value, 4)


def answer_string(answers: list[str], scale: str) -> str:
    """Return the one string that stands for a list of answers of one scale.

    Answers are sorted. A number is rounded to two decimals and multiplied by the scale, unless it
    carries its own per cent sign, and printed with four decimals. Other answers get the scale word
    appended.
    """
    return " ".join(_answer_part(answer, scale) for answer in sorted(answers))


def _answer_part(answer: str, scale: str) -> str:
    value = read_number(answer) if is_number(answer) else None
    if value is None:
        return f"{answer} {scale}" if scale else answer
    if "%" in answer:
        return f"{value:.4f}"
    return f"{round(value, 2) * _factor(scale):.4f}"


def _prediction_strings(answers: list[str], scale: str) -> list[str]:
    """Return the strings of which the best counts: 0.2342 is 23.42 percent if it is not rounded."""
    strings = [answer_string(answers, scale)]
    if len(answers) == 1 and not scale and "%" not in answers[0] and is_number(answers[0]):
        value = read_number(answers[0])
        if value is not None:
            strings.append(f"{value:.4f}")
    return strings


def normalise(text: str) -> str:
    """Return the text in lower case, without punctuation and articles, numbers in one notation."""
    words = (_ARTICLES.sub(" ", _normalise_word(word)) for word in text.lower().split(" "))
    return " ".join(" ".join(words).split())


def _normalise_word(word: str) -> str:
    if not is_number(word):
        word = word.translate(_PUNCTUATION)
    return str(read_number(word)) if is_number(word) else word


def token_f1(prediction: str, gold: str) -> float:
    """Return the F1 of the two *sets* of words, rounded to two decimals.

    Nothing against nothing is 1, nothing against something 0.
    """
    predicted, wanted = set(prediction.split()), set(gold.split())
    common = len(predicted & wanted)
    precision = common / len(predicted) if predicted else 1.0
    recall = common / len(wanted) if wanted else 1.0
    if not precision + recall:
        return 0.0
    # Rounded as NumPy does it, which is not always what round(x, 2) says.
    return round(2 * precision * recall / (precision + recall) * 100) / 100


def _gold_strings(answer: list[str] | str | int | float, answer_type: str) -> list[str]:
    if isinstance(answer, list):
        return answer
    try:
        return [str(int(answer) if answer_type == "count" else answer)]
    except ValueError:
        return [str(answer)]


def _factor(scale: str) -> int | float:
    """Return what a scale word multiplies by; 1 for any other word."""
    return next((value for word, value in _FACTORS.items() if word in scale.lower()), 1)
