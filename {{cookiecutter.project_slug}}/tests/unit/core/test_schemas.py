"""Tests of the base class of request bodies."""

import re

import pytest
from pydantic import TypeAdapter, ValidationError

from app.core.schemas import RequestSchema, Text, contains_unsafe_text


class Note(RequestSchema):
    text: str = ""
    labels: dict[str, list[str]] = {}
    number: float = 0


class TestRequestSchema:
    def test_unsafe_value_is_refused(self) -> None:
        for field, value in (
            ("text", "a\x1b[1m"),
            ("labels", {"a": ["b\x00"]}),
            ("labels", {"a\x00": []}),
            ("number", float("nan")),
        ):
            with pytest.raises(ValidationError, match=f"1 validation error for Note\n{field}"):
                Note.model_validate({field: value})

    def test_lines_tabs_and_any_script_are_accepted(self) -> None:
        assert Note(text="a\tb\r\nc \u0639 \U0001f600").text


class TestText:
    def test_pattern_matches_what_is_accepted(self) -> None:
        pattern = re.compile(TypeAdapter(Text).json_schema()["pattern"])

        for text in map(chr, [*range(0x3000), 0xFFFD, 0x1F600]):
            assert bool(pattern.search(text)) is not contains_unsafe_text(text), ascii(text)
