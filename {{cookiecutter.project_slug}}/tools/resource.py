"""Write a resource: model, schemas, service, routes and tests. See docs/adding-a-resource.md."""

import argparse
import builtins
import keyword
import re
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Literal

import inflect
from jinja2 import Environment, FileSystemLoader
from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from app.core.schemas import Text
from app.db.base import Record
from app.db.fields import decimal_string
from app.db.pagination import PageQuery
from app.models import Base
from tools import changes
from tools.changes import RefusedError

# The table of the owners of resources, if the service has authentication.
OWNERS = "{{ cookiecutter.__owners }}"
# {% if cookiecutter.structure == "modular" %}
FILES = {f"{layer}.jinja": f"app/{layer}/MANY.py" for layer in ("models", "schemas", "services")}
FILES |= {"routes.jinja": "app/api/MANY.py"}
TITLES = {"models": "Database tables of the {}", "services": "Business rules for {}"}
TITLES |= {"schemas": "Request and response bodies of the {}", "routes": "Routes of the {}"}
MODELS, API, PACKAGE = "app/models/__init__.py", "app/api/__init__.py", "app.api"
# {% else %}
FILES = {"models.jinja": "app/models.py", "schemas.jinja": "app/schemas.py"}
FILES |= dict.fromkeys(["services.jinja", "routes.jinja"], "app/MANY.py")
TITLES = dict.fromkeys([layer.removesuffix(".jinja") for layer in FILES], "{}: rules and routes")
MODELS, API, PACKAGE = "app/models.py", "app/api.py", "app"
# {% endif %}
FILES |= {"tests.jinja": "tests/integration/test_MANY.py"}
# {% if cookiecutter.__alembic == "yes" and cookiecutter.database == "sqlite" %}
VARIABLES = {"DATABASE_URL": "sqlite:///scratch.db"}
# {% else %}
VARIABLES: dict[str, str] = {}
# {% endif %}
# {% if cookiecutter.__alembic != "yes" %}
COMMANDS: list[str] = []
# {% elif cookiecutter.database == "sqlite" %}
COMMANDS = ["manage migrate", "alembic revision --autogenerate -m"]
# {% else %}
COMMANDS = ["python -m tests.with_database --scratch alembic revision --autogenerate -m"]
# {% endif %}

TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).with_name("templates")),
    block_start_string="<%",
    block_end_string="%>",
    line_statement_prefix="%%",
    variable_start_string="<<",
    variable_end_string=">>",
    keep_trailing_newline=True,
    autoescape=False,  # noqa: S701 the results are Python
)
NAME = "[a-z][a-z0-9_]{0,19}"
FIELD = re.compile(rf"({NAME}):([a-z]+)(?:\(([\w,]+)\))?(\??)((?::unique|:index)*)(?:=(\S+))?")
ENGLISH = inflect.engine()
# For each type: the annotation and the type of the column, the type in requests, two values and an
# invalid one for the tests.
TYPES = {
    "str": "str|String({0})|Annotated[Text, Field(min_length=1, max_length={0})]"
    '|"a"|"b"|"x" * 2001',
    "text": 'str|UnicodeText|Annotated[Text, Field(max_length=10_000)]|"a"|"b"|"x" * 10_001',
    "int": "int||Annotated[int, Field(strict=True, ge=-(2**31), le=2**31 - 1)]|1|2|2**31",
    "decimal": "Decimal|ExactDecimal({0}, {1})|Annotated[Decimal, decimal_string({0}, {1})]"
    '|"1.{zeros}"|"2.{zeros}"|"-1"',
    "bool": 'bool||Annotated[bool, Field(strict=True)]|True|False|"maybe"',
    "date": "date||Annotated[date, Field(ge=date(1900, 1, 1), le=date(2999, 12, 31))]"
    '|"2026-01-01"|"2026-01-02"|"0001-01-01"',
    "datetime": "datetime|UTCDateTime|Annotated[AwareDatetime, Field(ge=datetime(1900, 1, 1, "
    "tzinfo=UTC), le=datetime(2999, 12, 31, tzinfo=UTC))]"
    '|"2026-01-01T00:00:00Z"|"2026-01-02T00:00:00Z"|"0001-01-01T00:00:00Z"',
    "uuid": f'uuid.UUID|||"{"1" * 8}-1111-4111-8111-{"1" * 12}"|"{"2" * 8}-2222-4222-8222-'
    f'{"2" * 12}"|"1"',
    "enum": 'str|String({size})|Literal[{values}]|{0}|{1}|"-"',
    "ref": 'uuid.UUID|ForeignKey("{0}.id", ondelete="{action}")||||"1"',
}
ARGUMENTS = {"str": 1, "decimal": 2, "ref": 1}
SORTS, FILTERS = {"str", "int", "decimal", "date", "datetime"}, {"bool", "uuid", "enum", "ref"}
UNIQUE = {"str": "str(next(NUMBERS))", "int": "next(NUMBERS)", "uuid": "str(uuid.uuid4())"}
# Names that a schema, a model, a query or an annotation already uses.
TAKEN = {*dir(BaseModel), *dir(Record), "owner_id", "is_active", *keyword.kwlist}
TAKEN |= {*PageQuery.model_fields, "sort", "int", "str", "bool", "uuid", "date", "datetime"}


def require(condition: object, reason: str) -> None:
    """Check an argument.

    Raises:
        RefusedError: The condition is false.
    """
    if not condition:
        raise RefusedError(reason)


def read_names(one: str, many: str, *, owned: bool) -> SimpleNamespace:
    """Return a name in every form that the templates use."""
    names = SimpleNamespace(one=one, many=many, owned=owned)
    names.One, names.ONE, names.MANY = one.title().replace("_", ""), one.upper(), many.upper()
    names.noun, names.nouns = one.replace("_", " "), many.replace("_", " ")
    names.an = ENGLISH.a(names.noun)
    return names


def find_resource(table: str, field: str) -> SimpleNamespace:
    """Return the names of the resource that a field refers to."""
    models = [mapper.class_ for mapper in Base.registry.mappers]
    found = [model for model in models if getattr(model, "__tablename__", "") == table]
    is_resource = found and found[0].__module__.startswith("app.models")
    require(is_resource and hasattr(found[0], "is_active"), f"{field}: no resource {table}")
    one = re.sub("(?<!^)(?=[A-Z])", "_", found[0].__name__).lower()
    return read_names(one, table, owned=hasattr(found[0], "owner_id"))


def read_field(text: str, resource: SimpleNamespace) -> SimpleNamespace:
    """Return what the templates need to know of a field such as `due:date?`."""
    match = FIELD.fullmatch(text)
    if not match or match[2] not in TYPES:
        raise RefusedError(f"{text}: expected NAME:TYPE with one of the types {', '.join(TYPES)}")
    kind, values = match[2], (match[3] or "").split(",")
    count = len(set(values) - {""})
    expected = max(count, 2) if kind == "enum" else ARGUMENTS.get(kind, 0)
    is_valid = count == expected == len(values) - (not match[3])
    require(is_valid, f"{text}: enum takes two values or more, str one, decimal two, ref a table")
    field = SimpleNamespace(name=match[1], kind=kind, optional=bool(match[4]), default="")
    field.column = f"{field.name}_id" if kind == "ref" else field.name
    field.noun = field.name.replace("_", " ")
    field.unique, field.index = ":unique" in match[5], ":index" in match[5] or kind == "ref"
    require(not {field.name, field.column} & TAKEN, f"{text}: this name is taken")
    numbers = [int(value) if value.isdecimal() else 0 for value in values]
    if kind in ("str", "decimal"):
        longest = 500 if match[5] else 2000
        valid = 0 < numbers[0] <= longest if kind == "str" else 0 < numbers[1] < numbers[0] <= 18
        require(valid, f"{text}: str has 1 to {longest} characters, decimal(p,s) 2 to 18 digits")
    require(not field.unique or kind in UNIQUE, f"{text}: only {', '.join(UNIQUE)} can be unique")
    indexable = kind in FILTERS or (kind in SORTS and not field.optional)
    require(not field.index or indexable, f"{text}: lists cannot be sorted or filtered by it")
    if kind == "ref":
        field.target = find_resource(values[0], text)
        visible = resource.owned or not field.target.owned
        require(visible, f"{text}: {values[0]} have owners, and the new resource is shared")
    quoted = [f'"{value}"' for value in values] if kind == "enum" else values
    parts = TYPES[kind].format(
        *quoted,
        values=", ".join(quoted),
        size=max(map(len, values)),
        zeros="0" * numbers[-1],
        action="SET NULL" if field.optional else "CASCADE",
    )
    field.python, field.sql, field.annotation, *examples, field.invalid = parts.split("|")
    if kind == "str" and field.optional:
        field.annotation = field.annotation.replace("min_length=1, ", "")
    camel = field.name.title().replace("_", "")
    field.type = f"{resource.One}{camel}" if field.annotation else field.python
    field.examples = [*examples, UNIQUE.get(kind)]
    field.query = "bool" if kind == "bool" else field.type
    field.other = "uuid.uuid4()" if field.python == "uuid.UUID" else examples[1]
    if match[6]:
        field.default = read_default(field, match[6], text)
    elif field.optional:
        field.default = "None"
    return field


def read_default(field: SimpleNamespace, text: str, whole: str) -> str:
    """Return a default value as Python."""
    require(field.kind in {*TYPES} - {"date", "datetime", "uuid", "ref"}, f"{whole}: no default")
    value: object = {"true": True, "false": False}.get(text) if field.kind == "bool" else text
    if field.kind == "int" and re.fullmatch("-?[0-9]{1,10}", text):
        value = int(text)
    names = {"Annotated": Annotated, "Literal": Literal, "Text": Text, "Field": Field}
    names |= {"decimal_string": decimal_string, "Decimal": Decimal}
    try:
        return repr(TypeAdapter(eval(field.annotation, names)).validate_python(value))  # noqa: S307
    except ValidationError:
        raise RefusedError(f"{whole}: this default is not valid") from None


def read_resource(options: argparse.Namespace) -> SimpleNamespace:
    """Return what the templates need to know of the resource."""
    one = options.name
    require(re.fullmatch(NAME, one), f"name={one}: use a-z, 0-9 and _, at most 20 characters")
    plural = ENGLISH.plural_noun(one.replace("_", " ")).replace(" ", "_")
    many = options.plural or plural
    require(re.fullmatch("[a-z][a-z0-9_]*", many) and many != one, f"{many}: set another plural")
    resource = read_names(one, many, owned=bool(OWNERS) and not options.shared)
    sources = "".join(path.read_text() for path in Path(__file__).with_name("templates").iterdir())
    code = re.sub(r'"""[\s\S]*?"""|#.*|%%.*|<<.*?>>|"[^"\n]*"|\.\w+', "", sources)
    used = {*re.findall(r"\w+", code), *dir(builtins), *keyword.kwlist, *keyword.softkwlist}
    taken = {one, many, resource.One} & used or many in Base.metadata.tables
    models = {mapper.class_.__name__ for mapper in Base.registry.mappers}
    files = {path.replace("MANY", many) for path in FILES.values() if "MANY" in path}
    taken = taken or resource.One in models or any((changes.ROOT / file).exists() for file in files)
    require(not taken, f"{one}: this name is taken")
    fields = [read_field(text, resource) for text in options.fields.split()]
    require(fields, "give at least one field")
    columns = [field.column for field in fields]
    require(len(set(columns)) == len(columns), "two fields have the same name")
    resource.fields, resource.owners = fields, OWNERS
    resource.references = [field for field in fields if field.kind == "ref"]
    resource.uniques = [field for field in fields if field.unique]
    resource.sorts = [field.column for field in fields if field.index and field.kind in SORTS]
    resource.filters = [field for field in fields if field.index and field.kind in FILTERS]
    resource.optional = [field for field in fields if field.optional]
    a_noun = resource.an[0].upper() + resource.an[1:]
    resource.An = a_noun
    resource.conflicts = [f"{a_noun} has or had this {field.noun}." for field in resource.uniques]
    resource.conflicts += [f"The {field.noun} does not exist." for field in resource.references]
    return resource


def write(copy: Path, resource: SimpleNamespace) -> None:
    """Write the files of the resource into a copy of the project."""
    many = resource.many
    for template, path in FILES.items():
        file, layer = copy / path.replace("MANY", many), template.removesuffix(".jinja")
        body = TEMPLATES.get_template(template).render(vars(resource))
        imports = TEMPLATES.get_template("imports.jinja").render(vars(resource), layer=layer)
        if layer == "tests":
            file.write_text(body)
        elif file.exists():
            edit(file, r"\A(\"\"\"[\s\S]*?\"\"\"\n\n?)", rf"\1{imports}\n")
            file.write_text(f"{file.read_text()}\n\n{body}")
        else:
            title = TITLES[layer].format(resource.nouns)
            file.write_text(f'"""{title[0].upper()}{title[1:]}."""\n\n{imports}\n\n{body}')
    edit(copy / API, r"^(from fastapi .*\n)", rf"\1from {PACKAGE} import {many}\n")
    edit(copy / API, r"\Z", f"router.include_router({many}.router)\n")
    edit(copy / MODELS, r"^__all__ = \[", f'__all__ = ["{resource.One}", ')
    # {% if cookiecutter.structure == "modular" %}
    line = f"from app.models.{many} import {resource.One}\n"
    edit(copy / MODELS, r"^(from app.db.base .*\n)", rf"\1{line}")
    # {% else %}
    is_first = '"api",\n    "models' in (copy / "pyproject.toml").read_text()
    layer = f'"{many}",\n    "' if is_first else f'"{many} | '
    edit(copy / "pyproject.toml", r'^(    "api",\n    )"', rf"\1{layer}")
    # {% endif %}


def edit(file: Path, pattern: str, replacement: str) -> None:
    """Replace the first match of a pattern in a file."""
    text, count = re.subn(pattern, replacement, file.read_text(), count=1, flags=re.MULTILINE)
    require(count, f"{file.name} has no line like {pattern}")
    file.write_text(text)


def main() -> str:
    """Write the resource, or return the diff."""
    parser = argparse.ArgumentParser(prog="python -m tools.resource")
    parser.add_argument("name", help="the singular, such as order_line")
    parser.add_argument("fields", help="such as 'number:str(20):unique due:date?'")
    parser.add_argument("--plural", help="if it is not the ordinary one")
    parser.add_argument("--shared", action="store_true", help="all users see all of them")
    parser.add_argument("--dry-run", action="store_true", help="print the diff and write nothing")
    options = parser.parse_args()
    resource = read_resource(options)
    with changes.copy_project() as copy:
        write(copy, resource)
        changes.tidy(copy)
        for command in COMMANDS:
            message = [f"add {resource.nouns}"] if command.endswith("-m") else []
            changes.run(copy, *command.split(), *message, **VARIABLES)
        found = changes.find_changes(copy)
    if not options.dry_run:
        changes.apply(found)
    return changes.describe(found, diff=options.dry_run)


if __name__ == "__main__":
    changes.run_main(main)
