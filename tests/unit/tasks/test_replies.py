"""Think blocks: what goes with them, what stays."""

import pytest

from sftstudy.tasks.replies import remove_think, strip_think


@pytest.mark.parametrize(
    ("reply", "left"),
    [
        # Nothing was thought: not a character is touched.
        ("", ""),
        ("\n\n Japan. \n\n", "\n\n Japan. \n\n"),
        ("a < think > b", "a < think > b"),
        # The white space after a block goes with it, the reply's own end stays.
        ("<think>hm</think>\n\nJapan.\n", "Japan.\n"),
        ("<think>\n\n</think>\n\nJapan.", "Japan."),
        ("\n<think>hm</think>\n\nJapan. \n\n", "Japan. \n\n"),
        ("<think>a</think>\n<think>b</think>\nJapan.", "Japan."),
        ("Japan,\n\n<think>hm</think>\n\nand Korea.\n", "Japan,\n\nand Korea.\n"),
        # The opening tag stood in the prompt.
        ("hm\n</think>\n\nJapan.\n", "Japan.\n"),
        ("hm <think>a</think> hm\n</think>\n\nJapan.\n", "Japan.\n"),
        # The block was cut off.
        ("<think>hm", ""),
        ("\n<think>hm\n", ""),
        ("Japan.\n<think>hm\n", "Japan.\n"),
        ("<think>hm</think>", ""),
    ],
)
def test_a_block_goes_with_its_white_space_and_nothing_else(reply: str, left: str) -> None:
    found = "think>" in reply
    assert remove_think(reply) == (left, found)
    assert strip_think(reply) == (left.strip(), found)
