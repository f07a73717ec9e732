"""Remove the sample resource and its tests, before the first deployment."""

# {% if cookiecutter.structure == "flat" and cookiecutter.database != "none" %}
import ast
# {% endif %}
import re
from pathlib import Path

from tools import changes

# {% if cookiecutter.database == "none" %}
NAME, CLASSES = "quotes", r"Quote\w*"
# {% else %}
NAME, CLASSES = "items", r"(?:Item|Tag)\w*"
# {% endif %}
FILES = {f"{NAME}.py", f"test_{NAME}.py", f"create_{NAME}.py", "test_ownership.py"}
# {% if cookiecutter.structure == "modular" %}
LISTS = ("app/api/__init__.py", "app/models/__init__.py")
# {% else %}
LISTS = ("app/api.py", "app/models.py")
# {% endif %}
# The paragraph and the commands about the sample in README.md.
EXAMPLE = rf"^[^\n]+:\n\n```sh\n(?:(?!```).*\n)*?.*/{NAME}\b(?:.*\n)*?```\n\n"


# {% if cookiecutter.structure == "flat" and cookiecutter.database != "none" %}
def delete_definitions(file: Path) -> None:
    """Delete the statements of a module that mention the sample's classes, except imports."""
    lines = file.read_text().splitlines()
    for node in reversed(ast.parse(file.read_text()).body):
        text = "\n".join(lines[node.lineno - 1 : node.end_lineno])
        if re.search(rf"\b{CLASSES}\b", text) and not re.match('from|import|__all__|"', text):
            start = node.lineno - 1 - len(getattr(node, "decorator_list", []))
            while lines[start - 1].startswith("#"):
                start -= 1
            del lines[start : node.end_lineno]
    file.write_text("\n".join(lines).rstrip() + "\n")


# {% endif %}
def delete_names(file: Path) -> None:
    """Delete the sample's imports and routers, and its names from `__all__`."""
    text = file.read_text()
    for pattern, replacement in (
        (rf"^from app\S* import {NAME}\n", ""),
        (rf"^from app\.models\.{NAME} import .*\n", ""),
        (rf"^(from app\S* import .*?)(, {NAME}\b|\b{NAME}, )", r"\1"),
        (rf"^router\.include_router\({NAME}\.router\)\n", ""),
        (rf'"{CLASSES}", |, "{CLASSES}"', ""),
    ):
        text = re.sub(pattern, replacement, text, flags=re.MULTILINE)
    file.write_text(text)


# {% if cookiecutter.__alembic == "yes" %}
def delete_migration(copy: Path) -> None:
    """Delete the sample's migration and let the next one follow the one before."""
    folder = copy / "app" / "migrations" / "versions"
    sample = folder / f"create_{NAME}.py"
    before = sample.read_text().partition("down_revision = ")[2].partition("\n")[0]
    sample.unlink()
    for file in folder.glob("*.py"):
        text = file.read_text()
        if re.search(r'"(item_tags|items)"', text):
            raise changes.RefusedError(f"{file.name} changes the sample's tables: delete it before")
        file.write_text(text.replace(f'_revision = "create_{NAME}"', f"_revision = {before}"))
    if not [*folder.glob("*.py")]:
        (folder / "initial.py").write_text(INITIAL)


INITIAL = '''"""Start with an empty schema."""

revision = "initial"
down_revision = None


def upgrade() -> None:
    """Create nothing."""


def downgrade() -> None:
    """Drop nothing."""
'''


# {% endif %}
def main() -> str:
    """Remove the sample and return the list of changed files."""
    with changes.copy_project() as copy:
        files = [path for path in copy.rglob("*.py") if path.name in FILES]
        if not files:
            raise changes.RefusedError("the sample is already removed")
        # {% if cookiecutter.__alembic == "yes" %}
        delete_migration(copy)
        # {% endif %}
        for file in files:
            file.unlink(missing_ok=True)
        for name in filter(lambda name: (copy / name).exists(), LISTS):
            delete_names(copy / name)
        # {% if cookiecutter.structure == "flat" and cookiecutter.database != "none" %}
        delete_definitions(copy / "app" / "models.py")
        delete_definitions(copy / "app" / "schemas.py")
        # {% endif %}
        settings = copy / "pyproject.toml"
        text = re.sub(rf'^    "{NAME}",\n', "", settings.read_text(), flags=re.MULTILINE)
        settings.write_text(re.sub(rf' \| {NAME}\b|(?<="){NAME} \| ', "", text))
        readme = copy / "README.md"
        text = re.sub(EXAMPLE, "", readme.read_text(encoding="utf-8"), flags=re.MULTILINE)
        text = re.sub(rf"^app/{NAME}\.py .*\n", "", text, flags=re.MULTILINE)
        readme.write_text(text, encoding="utf-8")
        changes.tidy(copy)
        for file in (*copy.rglob("app/**/*.py"), *copy.rglob("tests/**/*.py")):
            used = re.search(rf"(\.|test_){NAME} import|\"{NAME}\.id\"", file.read_text())
            if used:
                raise changes.RefusedError(f"{file.relative_to(copy)} uses the sample")
        found = changes.find_changes(copy)
    changes.apply(found)
    return changes.describe(found)


if __name__ == "__main__":
    changes.run_main(main)
