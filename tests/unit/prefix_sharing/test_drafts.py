"""Guesses how a reply goes on."""

from sftstudy.prefix_sharing.drafts import Draft


def test_a_loop_is_guessed_ever_further() -> None:
    draft = Draft([7, 8, 9])
    guesses = []
    for token in [1, 2, 3, 4] * 5:
        guesses.append(draft.guess(8))
        draft.add(token)
    assert all(guess == [] for guess in guesses[:8])  # nothing has been guessed rightly yet
    assert guesses[8] == [1]  # 4 was guessed behind 1 2 3
    assert guesses[9] == [2, 3]
    assert guesses[10] == [3, 4, 1]  # beyond what is there, the loop goes on
    assert guesses[16] == [1, 2, 3, 4, 1, 2, 3, 4]


def test_a_quotation_of_the_prompt_is_guessed() -> None:
    draft = Draft([10, 11, 12, 13, 14, 15, 16, 17, 99, 1])
    for token in (10, 11, 12, 13):
        assert draft.guess(4) == []
        draft.add(token)
    assert draft.guess(4) == [14]
    draft.add(14)
    assert draft.guess(1) == [15]
    assert draft.guess(4) == [15, 16]


def test_what_was_wrong_is_not_guessed_again() -> None:
    draft = Draft([10, 11, 12, 13, 14, 15])
    for token in (10, 11, 12, 13):
        draft.add(token)
    assert draft.guess(4) == [14]
    draft.add(50)
    assert draft.guess(4) == []


def test_a_prompt_that_repeats_itself_promises_nothing() -> None:
    assert Draft([1, 2, 3] * 10).guess(4) == []


def test_the_latest_place_counts() -> None:
    draft = Draft([1, 2, 3, 40, 1, 2, 3, 50, 60])
    for token in (1, 2, 3, 50):
        draft.add(token)
    assert draft.guess(4) == [60]
