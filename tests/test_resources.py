"""`make resource` and `make remove-sample` in generated projects."""

import ast
import json
import re
from pathlib import Path

import pytest
from servers import database_server
from template import Bake, Project, default_answers, run
from workshop import Workshop

pytestmark = pytest.mark.slow

# Every structure with and without owners, and every database.
COMBINATIONS = [
    ("modular", "jwt", "postgresql", "yes"),
    ("flat", "api_key", "mysql", "yes"),
    ("modular", "none", "sqlite", "yes"),
    ("flat", "none", "postgresql", "no"),
]
WITHOUT_DATABASE = [("modular", "api_key", "none", "yes"), ("flat", "none", "none", "yes")]
SAMPLE_FIELDS = (
    "sku:str(50):unique name:str(200):index description:str(2000)? price:decimal(12,2):index"
)
# One of them has the name of a table in the own tests.
RESOURCES = [
    ("customer", "name:str(100):index email:str(254):unique vip:bool=false note:text?"),
    (
        "parcel",
        "code:str(20):unique external:uuid?:unique price:decimal(12,4):index stock:int=0 "
        "kind:enum(book,film):index=book born:date? available_from:datetime:index",
        "shared=1",
    ),
    (
        "order_entry",
        "number:int:unique customer:ref(customers) parcel:ref(parcels)? total:decimal(18,2)=0.00 "
        "due:date:index paid_at:datetime? state:enum(open,paid)=open comment:str(500)? weight:int?",
    ),
]
NEW = "customers or parcels or order_entries"
# The tests of the core that depend on the routes or the tables of a project. They run on the
# server of a project that has one.
CORE = "protection or http or migrations or schema or types or database or stored_keys"

# What only the sample has: tags, a search, an upper-case SKU that never changes, a limit on prices.
# Each is replaced by what the generator writes; a row that does not match the sample is an error.
OWN_FEATURES = {
    '"""Something for sale. A deleted item stays in the table, inactive, and keeps its SKU."""': (
        '"""An item. A deleted item stays in the table, inactive."""'
    ),
    r"    tags: Mapped[\s\S]*?    \)\n": "",
    r'\[str, Field\(pattern=r"\^\[A-Z0-9-\]\+\$", max_length=50, examples=\["MUG-01"\]\)\]': (
        "[Text, Field(min_length=1, max_length=50)]"
    ),
    r", examples=\[\"Mug\"\]": "",
    r', Field\(examples=\["9.90"\]\)': "",
    r"    tags: (TagNames|list).*\n": "",
    r"(?<=null clears the description\.\"\"\"\n)": "\n    sku: ItemSku | MISSING = MISSING",
    r"    tag: TagName \| None = .*\n    search: [\s\S]*?    \)\n": "",
    r"\.options\(selectinload\(Item\.tags\)\)": "",
    r"        if query\.tag [\s\S]*?(?=        return await paginate)": "",
    r'exclude=\{"tags"\}\), tags=create_tags\(data.tags, \[\]': "",
    r"            BusinessRuleError: The price would more than double\.\n": (
        "            ConflictError: An item has or had this SKU.\n"
    ),
    r"        check_price_increase\(.*\n        if \"tags\" .*\n.*\n": "",
    r"(?<=setattr\(item, name, value\)\n)        await self\.session\.flush\(\)": (
        '        with unique("An item with this SKU exists or has existed."):\n'
        "            await self.session.flush()"
    ),
    r"responses=PRICE_RULE \|": "responses=CONFLICT |",
    " A SKU cannot be used again, even after its item was deleted.": "",
    " The price may at most double in one update.": "",
    "SKU": "sku",
}
OWN_NAMES = {"Tag", "TagName", "TagNames", "create_tags", "PRICE_RULE"}
OWN_NAMES |= {"MAX_PRICE_FACTOR", "check_price_increase"}


def read_statements(project: Path, *, without_own_features: bool = False) -> dict[str, str]:
    """Return the statements of the item's modules by the names that they define."""
    paths = [*project.glob("app/**/items.py"), *project.glob("app/[ms][oc]*s.py")]
    text = "\n".join(path.read_text() for path in paths)
    for pattern, replacement in OWN_FEATURES.items() if without_own_features else ():
        assert re.search(pattern, text), pattern
        text = re.sub(pattern, lambda _, new=replacement: new, text)
    found = {}
    for node in ast.parse(text).body:
        targets = getattr(node, "targets", [getattr(node, "target", None)])
        name = getattr(node, "name", None) or ast.unparse(targets[0] or node)
        ignored = name in {*OWN_NAMES, "__all__"} or isinstance(node, ast.Import | ast.ImportFrom)
        if not ignored and not name.startswith(("'", '"')):
            found[name] = ast.unparse(node)
    return found


class Copy:
    """A copy of a project, and the environment to run its commands."""

    def __init__(self, workshop: Workshop, project: Project) -> None:
        self.variables = workshop.variables(project)
        if project.context["database"] in ("postgresql", "mysql"):
            server = database_server(project.context["database"])
            self.variables["TEST_DATABASE_URL"] = f"{server}/test_{workshop.path.name}"
        self.path = workshop.copy(project)
        workshop.lock(self.path, self.variables)
        self.run("make", "setup")

    def run(self, *command: str) -> str:
        """Run a command, which must succeed."""
        return run(*command, cwd=self.path, **self.variables)

    def add(self, name: str, fields: str, *options: str) -> str:
        """Add a resource and return what the command prints."""
        return self.run("make", "resource", f"name={name}", f"fields={fields}", *options)

    def read(self) -> dict[str, str]:
        """Return the content of the files that the commands may change."""
        paths = [*self.path.glob("*"), *self.path.glob("[at]*/**/*")]
        suffixes = (".py", ".toml", ".md", ".jinja")
        files = [path for path in paths if path.is_file() and path.suffix in suffixes]
        return {path.relative_to(self.path).as_posix(): path.read_text("utf-8") for path in files}


@pytest.fixture
def copy(bake: Bake, workshop: Workshop, request: pytest.FixtureRequest) -> Copy:
    """A copy of a project with the answers of the test's parameter."""
    keys = ("structure", "auth", "database", "migrations")
    return Copy(workshop, bake(**default_answers() | dict(zip(keys, request.param, strict=True))))


def on(*values: tuple[str, ...]) -> pytest.MarkDecorator:
    """Run the test on copies of projects with these answers."""
    ids = ["-".join(value) for value in values]
    return pytest.mark.parametrize("copy", values, indirect=True, ids=ids)


@on(*COMBINATIONS, *WITHOUT_DATABASE)
def test_sample_is_replaced_by_three_resources(copy: Copy) -> None:
    copy.run("make", "remove-sample")

    sample = re.compile(r"\bItem\b|Quote\b|/items\b|/quotes\b|items\.id")
    left = {file for file, text in copy.read().items() if sample.search(text)}
    assert not {file for file in left if file.startswith(("app/", "tests/", "README"))}
    with pytest.raises(pytest.fail.Exception, match="Error: the sample is already removed"):
        copy.run("make", "remove-sample")
    if (copy.path / "app" / "db").exists():
        for resource in RESOURCES:
            printed = copy.add(*resource)
            assert re.search(r"^created  tests/integration/test_\w+\.py:1-", printed, re.MULTILINE)
            assert re.search(r"^changed  app/api\S*:\d", printed, re.MULTILINE)
    assert "All checks passed!" in copy.run("make", "lint")
    copy.run(
        "uv", "run", "pytest", "-q", "-k", f"({CORE} or {NEW}) and not Startup and not Failure"
    )


@on(("modular", "jwt", "sqlite", "no"), ("flat", "none", "sqlite", "no"))
def test_resource_with_the_fields_of_the_sample_equals_the_sample(copy: Copy) -> None:
    sample = read_statements(copy.path, without_own_features=True)
    copy.run("make", "remove-sample")

    copy.add("item", SAMPLE_FIELDS)

    assert len(sample) > 20
    assert read_statements(copy.path) == sample


REFUSED = {
    "class": "a:int",
    "list": "a:int",
    "item": "a:int",
    "user": "a:int",
    "request": "a:int",
    "Parcel": "a:int",
    "sheep": "a:int",
    "parcel": "",
    **{
        f"parcel --plural=p{number}": fields
        for number, fields in enumerate(
            [
                "a",
                "a:money",
                "a:str",
                "a:str(0)",
                "a:str(5000)",
                "a:int(5)",
                "a:decimal(2)",
                "a:decimal(20,2)",
                "a:decimal(5,5)",
                "a:enum(x)",
                "a:enum(x,x)",
                "a:ref(nothing)",
                "a:ref(users)",
                "class:int",
                "id:int",
                "limit:int",
                "model_dump:int",
                "date:date",
                "a:int a:int",
                "a:text:index",
                "a:int?:index",
                "a:bool:unique",
                "a:int=x",
                "a:int=9999999999",
                "a:bool=1",
                "a:str(2)=abc",
                "a:enum(x,y)=z",
                "a:decimal(4,2)=-1",
                "a:date=2026-01-01",
                "a:ref(items) --shared",
            ]
        )
    },
}
LONGEST_NAMES = (
    "identification_numbr:str(500):unique registration_number1:int?:unique "
    "harmonized_code_nmbr:enum(first,second):index date_of_registration:datetime:index"
)
TRY_ALL = """
import json, sys
from tools.changes import RefusedError
from tools.resource import main
for name, fields in json.loads(sys.argv[1]).items():
    fields, *shared = fields.split(" --")
    sys.argv = ["x", *name.split(), fields, *(f"--{option}" for option in shared)]
    try:
        main()
    except RefusedError as error:
        print(f"refused: {error}")
    else:
        print("accepted")
"""
INTERRUPTED = """
import sys
from tools import changes, resource
write, calls = changes.write, []
def interrupt(*arguments):
    write(*arguments)
    calls.append(arguments)
    if len(calls) == 4:
        raise KeyboardInterrupt
changes.write = interrupt
sys.argv = ["x", "parcel", "a:int"]
changes.run_main(resource.main)
"""


@on(("modular", "jwt", "sqlite", "no"))
def test_command_changes_nothing_if_it_is_refused_or_interrupted(copy: Copy) -> None:
    before = copy.read()

    output = copy.run("uv", "run", "python", "-c", TRY_ALL, json.dumps(REFUSED))
    assert output.count("refused: ") == len(REFUSED), output
    with pytest.raises(pytest.fail.Exception) as failure:
        copy.add("parcel", "a:ref(nothing)")
    assert "\nError: a:ref(nothing): no resource nothing.\n" in str(failure.value)
    assert "Traceback" not in str(failure.value)
    with pytest.raises(pytest.fail.Exception, match="Interrupted: nothing"):
        copy.run("uv", "run", "python", "-c", INTERRUPTED)
    for shared in ("shared=1", "shared="):
        diff = copy.add("international_parcel", LONGEST_NAMES, shared, "dry_run=1")
        assert "+++ app/models/international_parcels.py" in diff
    assert copy.read() == before


@on(("modular", "none", "sqlite", "no"))
def test_sample_that_is_used_is_not_removed(copy: Copy) -> None:
    copy.add("parcel", "item:ref(items)")
    before = copy.read()

    with pytest.raises(pytest.fail.Exception, match=r"Error: .* uses the sample"):
        copy.run("make", "remove-sample")

    assert copy.read() == before
