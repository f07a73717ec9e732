import re
from collections.abc import Callable
from pathlib import Path

from fastapi import FastAPI

from app.core.errors import list_codes

PAGE = Path(__file__).parents[3] / "docs" / "errors.md"


def test_every_code_is_documented() -> None:
    table = PAGE.read_text(encoding="utf-8")

    assert set(re.findall(r"^\| `([A-Z_]+)` \|", table, re.MULTILINE)) == set(list_codes())


def test_openapi_lists_every_code(make_app: Callable[..., FastAPI]) -> None:
    problem = make_app().openapi()["components"]["schemas"]["Problem"]

    assert problem["properties"]["code"]["examples"] == list_codes()
