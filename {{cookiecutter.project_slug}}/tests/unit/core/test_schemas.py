import json
import re

import pytest
from pydantic import TypeAdapter, ValidationError

from app.core.schemas import RequestSchema, Text, contains_unsafe_text


class Note(RequestSchema):
    text: str = ""
    tags: list[str] = []
    labels: dict[str, list[str]] = {}
    number: float = 0


@pytest.mark.parametrize(
    "body",
    [
        '{"text": "a\\u0000b"}',
        '{"text": "\\ud800"}',
        '{"text": "\\u001b[1m"}',
        '{"tags": ["fine", "\\u0000"]}',
        '{"labels": {"fine": ["a\\u0000"]}}',
        '{"labels": {"a\\u0000": []}}',
        '{"number": NaN}',
        '{"number": 1e999}',
        '{"unknown": 1}',
    ],
)
def test_what_is_unsafe_is_refused(body: str) -> None:
    with pytest.raises(ValidationError):
        Note.model_validate(json.loads(body))


def test_text_may_have_lines_tabs_and_any_script() -> None:
    assert Note(text="a\tb\r\nc \u0639 \U0001f600").text


def test_pattern_of_text_matches_what_is_accepted() -> None:
    pattern = re.compile(TypeAdapter(Text).json_schema()["pattern"])

    for text in map(chr, [*range(0x3000), 0xFFFD, 0x1F600]):
        assert bool(pattern.search(text)) is not contains_unsafe_text(text), ascii(text)
