import pytest

from hubline.cli.words import headers_of, split
from hubline.errors import ConfigurationError


def test_a_line_is_a_word_and_values() -> None:
    assert split("") == ("", [])
    assert split("  Add   1 -2.5 true null ") == ("Add", [1, -2.5, True, None])
    assert split('Send hello "two words"\tx-1 "ż"') == ("Send", ["hello", "two words", "x-1", "ż"])
    assert split('Send {"a": [1, "b c"]} [1, 2]') == ("Send", [{"a": [1, "b c"]}, [1, 2]])
    assert split("Add\t1 NaN") == ("Add", [1, "NaN"])
    assert split("run abc-1_2=") == ("run", ["abc-1_2="])


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('Send "open', 'not JSON: "open'),
        ('Send {"a": 1', 'not JSON: {"a": 1'),
        ("Send " + 100_000 * "[", "not JSON: [[["),
        ("Send {a: 1}\n", "not JSON: {a: 1} (Expecting"),
        ('Send "a"b', "a blank is missing before b"),
    ],
)
def test_what_begins_as_json_must_be_json(line: str, problem: str) -> None:
    with pytest.raises(ConfigurationError) as found:
        split(line)
    assert str(found.value).startswith(problem)


def test_headers() -> None:
    assert headers_of("t", ["X=1=2"]) == {"Authorization": "Bearer t", "X": "1=2"}
    with pytest.raises(ConfigurationError, match="--header 'nothing': write NAME=VALUE"):
        headers_of(None, ["nothing"])
