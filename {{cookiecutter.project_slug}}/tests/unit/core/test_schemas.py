"""Tests of the base class of request bodies."""

import re
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from app.core.schemas import RequestSchema, Text, contains_unsafe_text


class Note(RequestSchema):
    text: str = ""
    labels: dict[str, list[str]] = {}
    number: float = 0


class TestRequestSchema:
    @pytest.mark.parametrize(
        "body",
        [
            pytest.param({"text": "a\x1b[1m"}, id="control-character"),
            pytest.param({"labels": {"a": ["b\x00"]}}, id="nested-value"),
            pytest.param({"labels": {"a\x00": []}}, id="nested-key"),
            pytest.param({"number": float("nan")}, id="not-a-number"),
        ],
    )
    def test_unsafe_value_is_refused(self, body: dict[str, Any]) -> None:
        with pytest.raises(ValidationError):
            Note.model_validate(body)

    def test_lines_tabs_and_any_script_are_accepted(self) -> None:
        assert Note(text="a\tb\r\nc \u0639 \U0001f600").text


class TestText:
    def test_pattern_matches_what_is_accepted(self) -> None:
        pattern = re.compile(TypeAdapter(Text).json_schema()["pattern"])

        for text in map(chr, [*range(0x3000), 0xFFFD, 0x1F600]):
            assert bool(pattern.search(text)) is not contains_unsafe_text(text), ascii(text)
