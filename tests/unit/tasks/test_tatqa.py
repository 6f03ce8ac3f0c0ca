r"""TAT-QA: source, prompt, target, reading of replies, official scores and the original study's."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sftstudy.errors import StudyError
from sftstudy.tasks.tatqa import data, official, score
from sftstudy.tasks.tatqa.reply import Answer, boxed_parts, readings

DOCUMENT = {
    "table": {"uid": "doc-1", "table": [["", "2019", "2018"], ["Sales", "$ 1,452.4", "(12)"]]},
    "paragraphs": [
        {"uid": "p2", "order": 2, "text": "Second paragraph."},
        {"uid": "p1", "order": 1, "text": "First paragraph (in millions)."},
    ],
    "questions": [
        {
            "uid": "q-1",
            "order": 1,
            "question": "What were sales in 2019?",
            "answer": ["$ 1,452.4"],
            "answer_type": "span",
            "answer_from": "table",
            "scale": "million",
        },
        {
            "uid": "q-2",
            "order": 2,
            "question": "By what percentage did costs change?",
            "answer": 0,
            "answer_type": "arithmetic",
            "answer_from": "table-text",
            "scale": "percent",
        },
    ],
}

PROMPT = r"""Below are a table and text from a company's financial report, followed by one question. Find or compute the answer using this report alone. Table cells are separated by " | ", one row per line.

How to write the answer:
- If it has several parts, put each part into its own \boxed{}, separated by commas.
- Copy words and phrases exactly as the report writes them; round computed numbers to two decimals.
- If the number stands for thousands, millions or billions, end the box with that word, as in
  \boxed{12.5 million}; end a percentage with %, as in \boxed{12.5%}.

Table:
 | 2019 | 2018
Sales | $ 1,452.4 | (12)

Text:
First paragraph (in millions).
Second paragraph.

Question: What were sales in 2019?

Answer format: put the answer into \boxed{} and write nothing else.

Answer:"""  # noqa: E501


def write(folder, documents=None, name=data.DEV_FILE):
    folder.mkdir(exist_ok=True)
    text = json.dumps([DOCUMENT] if documents is None else documents)
    (folder / name).write_text(text, encoding="utf-8")
    return folder


def changed(**question):
    """Return the document with its first question changed."""
    document = json.loads(json.dumps(DOCUMENT))
    document["questions"][0].update(question)
    return document


def row(answer, scale="", answer_type="span", answer_from="table"):
    """Return a row as data.py would make it."""
    return {
        "completion": [{"role": "assistant", "content": data.target(answer, scale)}],
        "reference": {
            "answer": answer,
            "answer_type": answer_type,
            "answer_from": answer_from,
            "scale": scale,
        },
    }


class TestRead:
    def test_golden_prompt(self, tmp_path):
        first, second = data.read(write(tmp_path))["train"]
        assert first["prompt"] == [{"role": "user", "content": PROMPT}]
        assert first["completion"] == [
            {"role": "assistant", "content": r"\boxed{$ 1,452.4 million}"}
        ]
        assert (first["id"], first["group"]) == ("q-1", "doc-1")
        assert second["completion"][0]["content"] == r"\boxed{0%}"
        assert second["reference"] == {
            "answer": 0,
            "answer_type": "arithmetic",
            "answer_from": "table-text",
            "scale": "percent",
        }

    def test_prompts_of_a_document_share_all_but_the_question(self, tmp_path):
        first, second = (r["prompt"][0]["content"] for r in data.read(write(tmp_path))["train"])
        assert first.split("Question: ")[0] == second.split("Question: ")[0]

    @pytest.mark.parametrize("test_file", data.TEST_FILES)
    def test_train_and_test_files(self, tmp_path, test_file):
        write(tmp_path, name=data.TRAIN_FILE)
        write(tmp_path, [changed(uid="t-1")], name=test_file)
        splits = data.read(tmp_path)
        assert [r["id"] for r in splits["train"]] == ["q-1", "q-2"]
        assert [r["id"] for r in splits["test"]] == ["t-1", "q-2"]

    def test_gold_test_file_goes_before_dev_file(self, tmp_path):
        write(tmp_path, name=data.TRAIN_FILE)
        write(tmp_path, [changed(uid="dev")], name=data.DEV_FILE)
        write(tmp_path, [changed(uid="gold")], name=data.TEST_FILES[0])
        assert data.read(tmp_path)["test"][0]["id"] == "gold"

    @pytest.mark.parametrize(
        ("documents", "message"),
        [
            ([changed(answer=[])], r"document 1, question 1 \(q-1\): answer of type span is \[\]"),
            ([changed(answer=None)], "can neither be trained nor scored"),
            ([changed(answer=["", " "])], "answer of type span"),
            ([changed(answer_type="arithmetic", answer=True)], "expected a number"),
            ([changed(answer_type="essay")], "answer_type is 'essay', expected one of 'span'"),
            ([changed(scale="dozen")], "scale is 'dozen'"),
            ([changed(answer_from="hearsay")], "answer_from is 'hearsay'"),
            ([changed(question=None)], "expected 'question' to be a str, found NoneType"),
            ([changed(uid="q-2")], "question uid 'q-2' was used before"),
            ([{**DOCUMENT, "table": None}], "document 1: expected 'table' to be a dict"),
            ([{**DOCUMENT, "paragraphs": [{"text": "x"}]}], "paragraph 1: expected 'order'"),
            (["text"], "document 1: expected an object, found str"),
            ([], "holds no question"),
            ({}, "expected a list of documents"),
        ],
    )
    def test_damaged_sources(self, tmp_path, documents, message):
        with pytest.raises(StudyError, match=message) as caught:
            data.read(write(tmp_path, documents))
        assert data.DEV_FILE in str(caught.value)

    def test_cut_file_and_missing_files(self, tmp_path):
        with pytest.raises(StudyError, match="found neither"):
            data.read(tmp_path)
        path = write(tmp_path) / data.DEV_FILE
        path.write_text(path.read_text()[:300])
        with pytest.raises(StudyError, match=r"tatqa_dataset_dev.json, line 1.*cut off"):
            data.read(tmp_path)
        path.rename(tmp_path / data.TRAIN_FILE)
        write(tmp_path, name="other.json")
        (tmp_path / data.TRAIN_FILE).write_text("[]")
        with pytest.raises(StudyError, match="no test file; looked for"):
            data.read(tmp_path)


@pytest.mark.parametrize(
    ("answer", "scale", "expected"),
    [
        (["a b"], "", r"\boxed{a b}"),
        (["b", "", "a"], "", r"\boxed{b}, \boxed{a}"),
        (["795", "772"], "thousand", r"\boxed{795 thousand}, \boxed{772 thousand}"),
        (["4.1%"], "percent", r"\boxed{4.1%}"),
        (["(59.9)"], "percent", r"\boxed{(59.9)%}"),
        (
            ["Altium Designer subscriptions"],
            "percent",
            r"\boxed{Altium Designer subscriptions percent}",
        ),
        (-22.22, "percent", r"\boxed{-22.22%}"),
        (0, "", r"\boxed{0}"),
        (1e-05, "", r"\boxed{0.000010}"),
        ("3", "", r"\boxed{3}"),
        (["{x}"], "", r"\boxed{\{x\}}"),
    ],
)
def test_target(answer, scale, expected):
    assert data.target(answer, scale) == expected


def read(reply, computed=False, spelled=False):
    """Return the predictions that a reply can be."""
    return readings(boxed_parts(reply), computed, spelled)


@pytest.mark.parametrize(
    ("reply", "parts", "scale"),
    [
        (r"\boxed{12.5 million}", ["12.5"], "million"),
        (r"\boxed{12.5 Millions.}", ["12.5"], "million"),
        (r"\boxed{$12.5$ \text{ million}}", ["$12.5$"], "million"),
        (r"\boxed{12.5\%}", ["12.5"], "percent"),
        (r"\boxed{(12.5)%}", ["(12.5)"], "percent"),
        (r"\boxed{12.5 percent}", ["12.5"], "percent"),
        (r"\boxed{about 13%}", ["about 13%"], ""),
        (r"\boxed{in thousands}", ["in thousands"], ""),
        (r"\boxed{\text{a}}", ["a"], ""),
        (r"\boxed{\emph{a}}", ["a"], ""),
        (r"\boxed{\displaystyle 7}", ["7"], ""),
        (r"\boxed{\text{a}~\text{b}}", ["a b"], ""),
        (r"\boxed{~2018}", ["~2018"], ""),
        (r"\boxed{a} \\ \boxed{b}", ["a", "b"], ""),
        (r"\boxed{a} \quad \boxed{b}", ["a", "b"], ""),
        (r"\boxed{a}\text{ and }\boxed{b}", ["a", "b"], ""),
        (r"\boxed{x = 7}", ["x = 7"], ""),
        (r"\boxed{12.5} million", ["12.5"], ""),
        (r"$\boxed{12.5}\%$", ["12.5"], ""),
        (r"\boxed{\textbf{a {b}} c}", ["a b c"], ""),
        (r"\boxed{\boxed{5}}", ["5"], ""),
        (r"\boxed {5}", ["5"], ""),
        (r"\boxed{1{,}234\,567}", ["1,234567"], ""),
        (r"\boxed{12.5~million}", ["12.5"], "million"),
        (r"\boxed{~70%}", ["~70"], "percent"),
        (r"\boxed{2017, 2018}", ["2017, 2018"], ""),
        (r"\boxed{a \& b}", ["a & b"], ""),
        (r"\boxed{\{x\}}", ["{x}"], ""),
        (r"\boxed{a}, \boxed{b} and \boxed{c}", ["a", "b", "c"], ""),
        ("- \\boxed{a}\n- \\boxed{b}", ["a", "b"], ""),
        ("1. \\boxed{a}\n2. \\boxed{b}", ["a", "b"], ""),
        ("(1) \\boxed{a}\n(2) \\boxed{b}", ["a", "b"], ""),
        (r"\boxed{\approx 12.5}", ["12.5"], ""),
        (r"First \boxed{10}. No, it is \boxed{12}", ["12"], ""),
        (r"\boxed{1}, \boxed{2}. So: \boxed{3}, \boxed{4}.", ["3", "4"], ""),
        (r"\boxed{1 million}, \boxed{2 million}", ["1", "2"], "million"),
        (r"\boxed{1 million}, \boxed{2}", ["1 million", "2"], ""),
        (r"\boxed{5 million", ["5"], "million"),
        ("\\boxed{5\nbecause {x} \\boxed{6}", ["6"], ""),
        ("\\boxed{a {b\nmore", ["a b"], ""),
        (r"\boxed{} \boxed{7}", ["7"], ""),
        (r"\boxed{٣}", ["٣"], ""),
        ("\\boxed{\u2212298 million}", ["\u2212298"], "million"),
    ],
)
def test_reading_of_replies(reply, parts, scale):
    assert read(reply)[0] == Answer(parts, scale)


@pytest.mark.parametrize(
    ("reply", "others"),
    [
        (r"\boxed{net sales}", []),
        (r"\boxed{2018}", []),
        (r"\boxed{12.5 million}", []),
        (r"\boxed{12.5%}", []),
        (r"\boxed{in thousands}", [(["in"], "thousand")]),
        (r"\boxed{about 13%}", []),
        (r"\boxed{sales percent}", [(["sales"], "percent")]),
        (r"\boxed{4%}, \boxed{sales percent}", [(["4", "sales"], "percent")]),
        (r"\boxed{%}", []),
        (r"\boxed{1 million}, \boxed{2}", []),
    ],
)
def test_other_readings_of_a_span(reply, others):
    assert read(reply)[1:] == [Answer(*other) for other in others]


@pytest.mark.parametrize(
    ("reply", "others"),
    [
        (r"\boxed{12.5 million}", [(["12.5 million"], "")]),
        (r"\boxed{12.5%}", [(["12.5%"], "")]),
        (r"\boxed{12.5 million million}", []),
        (r"\boxed{2018}", []),
    ],
)
def test_other_readings_beside_a_gold_that_says_its_scale(reply, others):
    assert read(reply, spelled=True)[1:] == [Answer(*other) for other in others]


@pytest.mark.parametrize(
    ("reply", "parts", "scale"),
    [
        (r"\boxed{4.%}", ["4"], "percent"),
        (r"\boxed{x = 4\%}", ["4"], "percent"),
        (r"\boxed{\frac{8}{2} = 4 \text{ million}}", ["4"], "million"),
        (r"\boxed{(6-2)/2 = 4/2 = 2}", ["2"], ""),
        (r"\boxed{4. %.}", ["4"], "percent"),
        (r"\boxed{.5\%}", ["0.5"], "percent"),
        (r"\boxed{5 percent.}", ["5"], "percent"),
        (r"\boxed{5% percent}", ["5"], "percent"),
        (r"\boxed{(23.42)%}", ["-23.42"], "percent"),
        (r"\boxed{(23.42%)}", ["-23.42"], "percent"),
        (r"\boxed{$ (1,234.50) million}", ["-1234.50"], "million"),
        ("\\boxed{\u2212$1,234}", ["-1234"], ""),
        ("\\boxed{\u20131,234 Thousands}", ["-1234"], "thousand"),
        (r"\boxed{-0.00}", ["0.00"], ""),
        (r"\boxed{+12.5.}", ["12.5"], ""),
        (r"\boxed{\approx 12.5}", ["12.5"], ""),
        (r"\boxed{= ~12.5}", ["12.5"], ""),
        (r"\boxed{~12}, \boxed{(7)}", ["12", "-7"], ""),
        (r"\boxed{(12}", ["12"], ""),
        (r"\boxed{--12}", ["--12"], ""),
        (r"\boxed{12% million}", ["12%"], "million"),
        (r"\boxed{12.5 of 13}", ["12.5 of 13"], ""),
        (r"\boxed{12 and 13}", ["12 and 13"], ""),
    ],
)
def test_reading_of_computed_answers(reply, parts, scale):
    assert read(reply, computed=True)[0] == Answer(parts, scale)


@pytest.mark.parametrize(
    "reply", ["", "12", "{12}", r"\boxed{}", r"\boxed", r"\boxed{ {} }", "}}}"]
)
def test_replies_without_answer(reply):
    assert read(reply) == read(reply, computed=True) == []


@given(
    st.lists(st.sampled_from(["\\boxed{", "{", "}", "\\", "5", "a", "\n", ",", "%", " million"]))
)
def test_no_reply_is_an_error(pieces):
    outcome = score.outcomes(row(["a"], "million"), "".join(pieces))
    assert outcome["boxed"] == (outcome["prediction"] is not None)


@pytest.mark.parametrize(
    ("answer", "scale", "kind", "reply", "right"),
    [
        # What the original study's scorer got wrong.
        (["a"], "", "span", r"\boxed{\text{a}}", True),
        (["12"], "", "span", r"\boxed{10}, wait: \boxed{12}", True),
        (["10"], "", "span", r"\boxed{10}, wait: \boxed{12}", False),
        ([1234], "", "arithmetic", r"\boxed{$1,234}", True),
        (1234, "", "arithmetic", r"\boxed{\$1,234}", True),
        (12.5, "", "arithmetic", r"\boxed{12.50}", True),
        (-134, "", "arithmetic", r"\boxed{(134)}", True),
        (["(134)"], "", "span", r"\boxed{-134}", True),
        (["(134)"], "", "span", r"\boxed{134}", False),
        (["b c", "a"], "", "multi-span", r"\boxed{a}, \boxed{b c}", True),
        (["2019", "2018"], "", "multi-span", r"\boxed{2018} \boxed{2019}", True),
        (["2019", "2018"], "", "multi-span", r"\boxed{2018}", False),
        (0, "percent", "arithmetic", r"\boxed{0%}", True),
        (0, "percent", "arithmetic", r"\boxed{}", False),
        # Scales.
        (12.5, "million", "arithmetic", r"\boxed{12.5 million}", True),
        (12.5, "million", "arithmetic", r"\boxed{12,500 thousand}", True),
        (12.5, "million", "arithmetic", r"\boxed{12500000}", True),
        (12.5, "million", "arithmetic", r"\boxed{12.5}", False),
        (12.5, "", "arithmetic", r"\boxed{12.5 million}", False),
        (23.42, "percent", "arithmetic", r"\boxed{0.2342}", True),
        (23.42, "percent", "arithmetic", r"\boxed{23.42\%}", True),
        (-23.42, "percent", "arithmetic", r"\boxed{(23.42)%}", True),
        (23.42, "percent", "arithmetic", r"\boxed{23.42}", False),
        (23.42, "percent", "arithmetic", r"\boxed{23.42 thousand}", False),
        (4, "percent", "arithmetic", r"\boxed{4.%}", True),
        (0.5, "percent", "arithmetic", r"\boxed{.5%}", True),
        (-1234, "thousand", "arithmetic", r"\boxed{$(1,234) thousand}", True),
        (1234, "", "arithmetic", r"\boxed{(1,234)}", False),
        (-298, "million", "arithmetic", "\\boxed{\u2212298 million}", True),
        (0, "percent", "arithmetic", r"\boxed{-0.00%}", True),
        (["4%"], "", "span", r"\boxed{4.%}", True),
        (["(31.5)"], "", "span", r"\boxed{$(31.5) million}", False),
        (["$(31.5) million"], "", "span", r"\boxed{$(31.5) million}", True),
        (["$2.5 million"], "", "span", r"\boxed{$2.5 million thousand}", False),
        (["subscriptions"], "percent", "span", r"\boxed{subscriptions percent}", True),
        (["subscriptions"], "percent", "span", r"\boxed{subscriptions}", False),
        (["36%"], "", "span", r"\boxed{36 percent}", True),
        (["$85.1 million"], "", "span", r"\boxed{85.1 million}", True),
        (["loss of $6.4 million"], "", "span", r"\boxed{Loss of $6.4 million.}", True),
        (["The Company"], "", "span", r"\boxed{company}", True),
        ("3", "", "count", r"\boxed{3}", True),
        ("3", "", "count", "3", False),
        (["a"], "", "span", r"<think>\boxed{a}</think>", False),
        (["a"], "", "span", r"<think>\boxed{b}</think>\boxed{a}", True),
    ],
)
def test_exact_match(answer, scale, kind, reply, right):
    answer = [str(part) for part in answer] if isinstance(answer, list) else answer
    assert score.outcomes(row(answer, scale, kind), reply)["em"] is right


# Scores of the program itself (tatqa_eval.py of NExTplusplus/TAT-QA, commit 4bd0b9c of 2021): what
# seems odd among them is as official as the rest.
@pytest.mark.parametrize(
    ("gold", "scale", "kind", "answers", "said", "em", "f1"),
    [
        (["2018"], "", "span", ["In 2018,"], "", 0, 0.0),
        (["2017", "2018", "2019"], "", "multi-span", ["2017, 2018, 2019"], "", 0, 0.0),
        (["sales in 2018"], "", "span", ["in 2018"], "", 0, 0.8),
        (["2018"], "", "span", ["2018."], "", 1, 1.0),
        (["(1,234)"], "thousand", "span", ["-1,234"], "thousand", 0, 0.0),
        (["(1,234)"], "thousand", "span", ["1,234"], "thousand", 1, 1.0),
        (["(134)"], "", "span", ["-134"], "", 1, 1.0),
        (["$(9.8) million"], "", "span", ["-9.8"], "", 1, 1.0),
        (["(66)%"], "percent", "span", ["-66%"], "percent", 0, 0.0),
        (["(66)%"], "percent", "span", ["-66"], "", 1, 1.0),
        (["\u2212298"], "million", "span", ["-298"], "million", 0, 0.0),
        (0, "", "arithmetic", ["-0.0"], "", 0, 0.0),
        ([".5"], "", "span", [".7"], "", 1, 1.0),
        ([".5"], "", "span", ["0.5"], "", 0, 0.0),
        (["1e5"], "", "span", ["1"], "", 1, 1.0),
        (["about $12.50."], "", "span", ["about 1250"], "", 1, 1.0),
        (23.42, "percent", "arithmetic", ["0.2342"], "", 1, 1.0),
        (23.42, "percent", "arithmetic", ["0.2342", "1"], "", 0, 0.0),
        (4, "percent", "arithmetic", ["4.%"], "", 1, 1.0),
        (["the"], "", "span", ["a"], "", 1, 1.0),
        ([","], "", "span", ["the"], "", 1, 1.0),
        (["the"], "", "span", ["the sales"], "", 0, 0.0),
        (["sales"], "", "span", ["the"], "", 0, 0.0),
        (["a"], "million", "span", ["the"], "million", 1, 1.0),
        (2.0, "", "count", ["2"], "", 1, 1.0),
        (["x"], "", "span", [], "", 0, 0.0),
        # 2/80 = 0.025, which NumPy rounds down and Python up.
        ([" ".join(f"g{i}" for i in range(59))], "", "span",
         [" ".join(["g0", *(f"p{i}" for i in range(20))])], "", 0, 0.02),
    ],
)  # fmt: skip
def test_scores_of_the_official_program(gold, scale, kind, answers, said, em, f1):
    scores = official.score(gold, scale, kind, answers, said)
    assert (scores.exact_match, scores.f1) == (bool(em), f1)


def test_what_ends_the_official_program_scores_nothing():
    assert official.score(["1"], "", "span", ["9" * 400], "").exact_match is False
    assert official.score("some", "", "count", ["some"], "").exact_match is True


@pytest.mark.parametrize(
    ("answer", "scale", "kind"),
    [
        (["Altium Designer subscriptions"], "percent", "span"),
        (["subscriptions%"], "percent", "span"),
        (["%"], "percent", "span"),
        (["approximately 13%"], "", "span"),
        (["approximately 13%"], "percent", "span"),
        (["up 12"], "percent", "span"),
        (["12 - 13"], "percent", "span"),
        (["(66)%", "(223)%"], "percent", "multi-span"),
        (["(59.9)"], "percent", "span"),
        (["12%", "sales"], "percent", "multi-span"),
        (["(12.5)", "sales"], "percent", "multi-span"),
        (["(12.5)% "], "", "span"),
        (["(12%)"], "percent", "span"),
        (["3.1 percent"], "percent", "span"),
        (["$(9.8) million"], "", "span"),
        (["(0.4)"], "million", "span"),
        (["$3.0 million"], "million", "span"),
        (["$1.125 billion"], "", "span"),
        (["1.125"], "billion", "span"),
        (["(1,234)", "sales"], "thousand", "multi-span"),
        (["a", "a b"], "thousand", "multi-span"),
        (["sales in thousands"], "", "span"),
        (["\u2212298"], "million", "span"),
        (["$.32"], "", "span"),
        ([".5%"], "percent", "span"),
        (["~5%"], "", "span"),
        (["= 5"], "", "span"),
        (["12.5."], "", "span"),
        (["a\n12.50", ""], "million", "multi-span"),
        (["the"], "", "span"),
        ([","], "", "span"),
        (["."], "million", "span"),
        (1e-05, "percent", "arithmetic"),
        (-0.0, "percent", "arithmetic"),
        (-0.001, "percent", "arithmetic"),
        (12.345, "percent", "arithmetic"),
        (2.0, "", "count"),
    ],
)
def test_any_gold_scores_one_against_its_own_target(answer, scale, kind):
    outcome = score.outcomes(row(answer, scale, kind), data.target(answer, scale))
    assert (outcome["em"], outcome["f1"]) == (True, 1.0), outcome["prediction"]
    assert outcome["value_em"] and outcome["scale_correct"]


@pytest.mark.parametrize(
    ("answer", "scale", "reply", "em", "value_em"),
    [
        (["(1,234)"], "thousand", r"\boxed{-1,234 thousand}", False, True),
        (["(1,234)"], "thousand", r"\boxed{-1,234}", False, False),
        (["(1,234)"], "thousand", r"\boxed{(1,234) thousand}", True, True),
        (["\u2212298"], "million", r"\boxed{-298 million}", False, True),
        (["$(9.8) million"], "", r"\boxed{-9.8 million}", False, True),
        (["(66)%"], "percent", r"\boxed{-66%}", False, True),
        (["0.5%"], "", r"\boxed{.5%}", False, True),
        (["26,069", "256"], "", r"\boxed{$26,069}, \boxed{256}", False, True),
        (["2018"], "", r"\boxed{in 2018}", False, False),
        (["net sales"], "", r"\boxed{sales}", False, False),
        (["net sales"], "", "none", False, False),
    ],
)
def test_equal_numbers_in_any_notation(answer, scale, reply, em, value_em):
    outcome = score.outcomes(row(answer, scale), reply)
    assert (outcome["em"], outcome["value_em"]) == (em, value_em)


def test_prediction_is_the_reading_that_counts():
    boxed = r"\boxed{$(9.8) million}"
    assert score.outcomes(row(["$(9.8) million"]), boxed)["prediction"] == "$(9.8) million"
    assert score.outcomes(row(["(9.8)"], "million"), boxed)["prediction"] == "$(9.8) [million]"


def test_f1_is_on_token_sets_and_has_two_decimals():
    outcome = score.outcomes(row(["net sales of the year"]), r"\boxed{net sales}")
    assert (outcome["em"], outcome["f1"]) == (False, 0.67)  # 2*2/(2+4): "the" is an article
    outcome = score.outcomes(row(["net sales year"]), r"\boxed{net sales}")
    assert outcome["f1"] == 0.8
    outcome = score.outcomes(row(12.5, answer_type="arithmetic"), r"\boxed{12.5 of 13}")
    assert outcome["f1"] == 0.0  # no partial credit for computed answers


@pytest.mark.parametrize(
    ("answer", "scale", "reply", "right"),
    [
        (12.5, "million", r"\boxed{99 million}", True),
        (12.5, "million", r"\boxed{12.5}", False),
        (12.5, "", r"\boxed{12.5}", True),
        (12.5, "", "no box", False),
        (["$85.1 million"], "", r"\boxed{85.1 million}", True),
        (["$85.1 million"], "", r"\boxed{85.1}", False),
        (["\u2212298"], "million", r"\boxed{-3 million}", True),
        (["sales in millions"], "", r"\boxed{sales}", True),
    ],
)
def test_scale_accuracy(answer, scale, reply, right):
    assert score.outcomes(row(answer, scale), reply)["scale_correct"] is right


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("$1,234.50", 1234.5),
        ("(134)", -134),
        ("$(1,234)", 1234),
        (".5", None),
        ("-5%", -0.05),
        ("1.5 million", 1.5e6),
        ("2 hundred", 200),
        ("0.5", 0.5),
        ("none", None),
        ("0.123456", 0.1235),
    ],
)
def test_number_reading(text, value):
    assert official.read_number(text) == (None if value is None else pytest.approx(value))


@pytest.mark.parametrize("text", ["", "a 5", "5 apples", "nan", "\N{MINUS SIGN}5", "5-6"])
def test_not_numbers(text):
    assert not official.is_number(text)


@given(
    st.floats(-1e9, 1e9).map(lambda x: round(x, 2)), st.sampled_from(["", "thousand", "percent"])
)
def test_a_number_matches_itself_in_any_notation(value, scale):
    suffix = {"": "", "thousand": " thousand", "percent": "%"}[scale]
    sign = "-" if value < 0 else ""
    reply = rf"\boxed{{{sign}${abs(value):,.2f}{suffix}}}"
    gold = round(value, 2)
    outcome = score.outcomes(row(gold, scale, "arithmetic"), reply)
    assert outcome["em"], (gold, reply)


def test_legacy_scores():
    outcome = score.outcomes(row(["2019", "2018"], "million"), r"so \boxed{2019, 2018.} done")
    assert (outcome["legacy_em"], outcome["legacy_f1"], outcome["legacy_boxed"]) == (
        True,
        1.0,
        True,
    )
    outcome = score.outcomes(row(["a"]), r"\boxed{\text{a}}")
    assert (outcome["em"], outcome["legacy_em"]) == (True, False)
    outcome = score.outcomes(row(["a b"]), r"\boxed{The answer is A}, \boxed{a b}")
    assert (outcome["legacy_em"], outcome["legacy_f1"]) == (False, pytest.approx(2 / 3))
    outcome = score.outcomes(row(["a"]), "a")
    assert (outcome["legacy_em"], outcome["legacy_boxed"]) == (False, False)


def test_metrics_name_types_that_occur():
    items = [
        score.outcomes(row(["a"]), r"\boxed{a}"),
        score.outcomes(row(1, "", "arithmetic", "text"), r"\boxed{2}"),
    ]
    table = score.metrics(items)
    assert score.PRIMARY in table
    assert table["em[answer_type=span]"].where == {"answer_type": "span"}
    assert "em[answer_from=text]" in table and "em[answer_type=count]" not in table
    assert {
        "f1",
        "value_em",
        "scale_accuracy",
        "boxed_rate",
        "legacy_em",
        "legacy_f1",
        "legacy_boxed_rate",
    } <= set(table)
    assert all(metric.outcome in items[0] for metric in table.values())


@pytest.mark.parametrize(
    "text",
    [
        "\\boxed{" * 140_000,
        "{" * 1_000_000,
        "\\boxed{a}," * 100_000,
        "\\boxed{" + "(1 " * 330_000 + "}",
        "<think>" * 140_000,
        "\\boxed{" + "9" * 1_000_000 + "}",
        "answer " * 140_000,
    ],
    ids=lambda text: text[:10],
)
def test_a_megabyte_takes_no_time(text):
    begin = time.process_time()
    score.outcomes(row(["a"]), text)
    assert time.process_time() - begin < 2


def test_cases(shared_data):
    """Replies with the scores that they must get: officially, or by what they mean."""
    path = shared_data.parent / "cases" / "tatqa.jsonl"
    if not path.is_file():
        pytest.skip(f"cases not found: expected {path}")
    wrong = []
    for case in map(json.loads, path.read_text("utf-8").splitlines()):
        made = row(case["gold"], case["scale"], case["answer_type"])
        own = case["reply"] == "our own target for this row"
        reply = made["completion"][0]["content"] if own else case["reply"]
        outcome = score.outcomes(made, reply)
        for name in ("em", "f1"):
            for right in (case.get(f"official_{name}"), case.get(f"right_{name}")):
                if right is not None and outcome[name] != right:
                    wrong.append((case, name, outcome[name]))
    assert not wrong


@pytest.fixture(scope="module")
def rows(shared_data):
    return data.read(shared_data / "tatqa")["train"]


@pytest.fixture(scope="module")
def sample(shared_data):
    """The sample predictions of the authors, with scores by their program (data/README.md)."""
    lines = (shared_data / "tatqa" / "official_scores.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines]


def predicted(said):
    """Return the answers of a sample prediction, as texts."""
    answers = said["prediction"]
    if not isinstance(answers, list):
        answers = [answers] if answers else []
    return [str(answer) for answer in answers]


class TestRealData:
    def test_counts(self, rows):
        assert len(rows) == 1668
        assert len({r["group"] for r in rows}) == 278
        # The original study dropped what is false in Python: the integer 0.
        assert sum(bool(r["reference"]["answer"]) for r in rows) == 1663

    def test_gold_answers_score_one(self, rows):
        items = [score.outcomes(r, r["completion"][0]["content"]) for r in rows]
        assert all(item["em"] and item["f1"] == 1 and item["scale_correct"] for item in items)

    def test_every_score_of_the_official_program(self, rows, sample):
        golds = {r["id"]: r["reference"] for r in rows}
        different = []
        for said in sample:
            gold = golds[said["uid"]]
            scores = official.score(
                gold["answer"],
                gold["scale"],
                gold["answer_type"],
                predicted(said),
                said["scale"],
            )
            ours = (scores.exact_match, scores.f1, scores.scale_correct)
            if ours != (bool(said["em"]), said["f1"], bool(said["scale_em"])):
                different.append((said, ours))
        assert len(sample) == len(golds) == 1668
        assert not different

    def test_every_score_of_the_official_program_in_boxes(self, rows, sample):
        by_id = {r["id"]: r for r in rows}
        different, outcomes = [], []
        for said in sample:
            reply = data.target(predicted(said), said["scale"])
            outcome = score.outcomes(by_id[said["uid"]], reply)
            outcomes.append(outcome)
            if (outcome["em"], outcome["f1"]) != (bool(said["em"]), said["f1"]):
                different.append((said, outcome))
        assert not different
        means = [sum(outcome[name] for outcome in outcomes) / 16.68 for name in ("em", "f1")]
        assert [round(mean, 2) for mean in means] == [45.92, 58.88]

    def test_document_part_is_shared(self, rows):
        parts = {}
        for r in rows:
            parts.setdefault(r["group"], set()).add(
                r["prompt"][0]["content"].split("\n\nQuestion: ")[0]
            )
        assert all(len(part) == 1 for part in parts.values())
