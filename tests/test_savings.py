"""What is saved while tests run changes nothing of what they see."""

import pytest

from shared import lined_yaml
from tests.savings import read_once


@pytest.mark.parametrize("text", ["a: 1\nb: [x]\n", "a: 1\na: &x yes\n", "a: [", "", "--- 1\n--- 2\n"])
def test_a_text_that_is_read_again_gives_the_same_and_is_complained_about_again(text: str) -> None:
    """Whoever reads it, and however often."""
    complaints: list[tuple[int, str]] = []
    expected = lined_yaml.read_yaml(text, lambda line, said: complaints.append((line, said)))

    for _ in range(2):
        heard: list[tuple[int, str]] = []
        assert read_once(text, lambda line, said: heard.append((line, said))) == expected  # noqa: B023
        assert heard == complaints
