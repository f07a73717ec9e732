"""Both structures have the same code: flat only puts it into fewer modules."""

import ast
from collections.abc import Iterable
from pathlib import Path

import pytest
from template import Bake

FLAT = {
    "items": {
        "app/models.py": ["app/models/__init__.py", "app/models/items.py"],
        "app/schemas.py": ["app/schemas/items.py"],
        "app/items.py": ["app/services/items.py", "app/api/items.py"],
    },
    "quotes": {
        "app/quotes.py": ["app/schemas/quotes.py", "app/services/quotes.py", "app/api/quotes.py"],
    },
}


def read_definitions(root: Path, files: Iterable[str]) -> list[str]:
    """Return the statements of the files except imports and the modules' docstrings, sorted."""
    return sorted(
        ast.unparse(node)
        for file in files
        for node in ast.parse((root / file).read_text()).body
        if not isinstance(node, (ast.Import, ast.ImportFrom))
        if not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
    )


@pytest.mark.parametrize(
    ("sample", "database", "auth"),
    [
        ("items", "postgresql", "jwt"),
        ("items", "mysql", "api_key"),
        ("items", "sqlite", "none"),
        ("quotes", "none", "none"),
    ],
)
def test_flat_has_the_code_of_modular(bake: Bake, sample: str, database: str, auth: str) -> None:
    modular, flat = [
        bake(database=database, auth=auth, structure=structure).path
        for structure in ("modular", "flat")
    ]
    for file, parts in FLAT[sample].items():
        assert read_definitions(flat, [file]) == read_definitions(modular, parts)
