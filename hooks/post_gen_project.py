"""Delete the files of the options that were not chosen, then print the next steps.

KEEP_IF is the only list of which file belongs to which option. A path that is not listed belongs to
every project. Files with the same name in different projects have their choice in the template:
`settings.jwt.py` becomes `settings.py`. The hook installs, downloads and commits nothing.
"""

import os

MODULAR = "{{ cookiecutter.structure }}" == "modular"
DATABASE = "{{ cookiecutter.database }}"
SERVER = DATABASE in ("postgresql", "mysql")
SQL = DATABASE != "none"
ALEMBIC = "{{ cookiecutter.__alembic }}" == "yes"
AUTH = "{{ cookiecutter.auth }}"
JWT = AUTH == "jwt"
OAUTH2 = AUTH == "oauth2"
API_KEY = AUTH == "api_key"
DEPLOYMENT = "{{ cookiecutter.deployment }}"
KUBERNETES = DEPLOYMENT == "kubernetes"
SYSTEMD = DEPLOYMENT == "systemd"
SUPERVISORD = DEPLOYMENT == "supervisord"
VERCEL = DEPLOYMENT == "vercel"
SERVED = DEPLOYMENT not in ("none", "vercel")
DOCKER = KUBERNETES or DEPLOYMENT == "docker"

# The choices that names of files may contain.
CHOICES = {
    "api_key",
    "jwt",
    "migrations",
    "mysql",
    "no_migrations",
    "none",
    "oauth2",
    "postgresql",
    "sqlite",
}

KEEP_IF = {
    "app/api": MODULAR,
    "app/api/__init__.py": SQL,
    "app/api/__init__.none.py": not SQL,
    "app/api.py": not MODULAR and SQL,
    "app/api.none.py": not MODULAR and not SQL,
    "app/api/items.py": SQL,
    "app/api/quotes.py": not SQL,
    "app/services": MODULAR,
    "app/services/items.py": SQL,
    "app/services/quotes.py": not SQL,
    "app/schemas": MODULAR,
    "app/schemas/items.py": SQL,
    "app/schemas/quotes.py": not SQL,
    "app/models": MODULAR and SQL,
    "app/items.py": not MODULAR and SQL,
    "app/quotes.py": not MODULAR and not SQL,
    "app/schemas.py": not MODULAR and SQL,
    "app/models.py": not MODULAR and SQL,
    "app/auth": AUTH != "none",
    "app/auth/access_tokens.py": OAUTH2,
    "app/auth/api_keys.py": API_KEY,
    "app/auth/common_passwords.txt": JWT,
    "app/auth/configured_keys.py": API_KEY and not SQL,
    "app/auth/dependencies.api_key.py": API_KEY,
    "app/auth/dependencies.jwt.py": JWT,
    "app/auth/dependencies.oauth2.py": OAUTH2,
    "app/auth/events.py": JWT,
    "app/auth/keys.py": JWT,
    "app/auth/models.api_key.py": API_KEY and SQL,
    "app/auth/models.jwt.py": JWT,
    "app/auth/models.oauth2.py": OAUTH2 and SQL,
    "app/auth/passwords.py": JWT,
    "app/auth/provider.py": OAUTH2,
    "app/auth/routes.api_key.py": API_KEY,
    "app/auth/routes.jwt.py": JWT,
    "app/auth/routes.oauth2.py": OAUTH2,
    "app/auth/schemas.py": JWT,
    "app/auth/sessions.py": JWT,
    "app/auth/settings.api_key.py": API_KEY,
    "app/auth/settings.jwt.py": JWT,
    "app/auth/settings.oauth2.py": OAUTH2,
    "app/auth/stored_keys.py": API_KEY and SQL,
    "app/auth/throttle.py": JWT,
    "app/auth/tokens.py": JWT,
    "app/auth/users.jwt.py": JWT,
    "app/auth/users.oauth2.py": OAUTH2 and SQL,
    "app/core/checks.py": SERVED,
    "app/core/rate_limit.py": AUTH != "none",
    "app/core/telemetry.py": SERVED,
    "app/cli/uvicorn_server.py": SERVED,
    "app/db": SQL,
    "app/cli/api_keys.py": API_KEY and SQL,
    "app/cli/api_keys.none.py": API_KEY and not SQL,
    "app/cli/check.py": SERVED,
    "app/cli/database.py": SQL,
    "app/cli/keys.py": JWT,
    "app/cli/sessions.py": JWT,
    "app/cli/users.jwt.py": JWT,
    "app/cli/users.oauth2.py": OAUTH2 and SQL,
    "docs/adding-a-resource.md": SQL,
    "docs/adding-a-resource.none.md": not SQL,
    "docs/api-keys.md": API_KEY,
    "docs/authentication.md": JWT,
    "docs/common-errors/access-tokens.md": OAUTH2,
    "docs/common-errors/database.md": SQL,
    "docs/common-errors/deployment.md": SERVED,
    "docs/common-errors/migrations.md": ALEMBIC,
    "docs/common-errors/mysql.md": DATABASE == "mysql",
    "docs/common-errors/postgresql.md": DATABASE == "postgresql",
    "docs/common-errors/schema.md": SQL and not ALEMBIC,
    "docs/common-errors/sqlite.md": DATABASE == "sqlite",
    "docs/common-errors/tokens.md": JWT,
    "docs/database.md": SQL,
    "docs/mysql.md": DATABASE == "mysql",
    "docs/postgresql.md": DATABASE == "postgresql",
    "docs/sqlite.md": DATABASE == "sqlite",
    "app/db/schema.migrations.py": ALEMBIC,
    "app/db/schema.no_migrations.py": SQL and not ALEMBIC,
    "app/db/checks.py": SERVER and SERVED,
    "app/db/checks.sqlite.py": DATABASE == "sqlite" and SERVED,
    "docs/openid-connect.md": OAUTH2,
    "provider": OAUTH2,
    "app/db/postgresql.py": DATABASE == "postgresql",
    "app/db/mysql.py": DATABASE == "mysql",
    "app/migrations": ALEMBIC,
    "app/migrations/versions/create_api_clients.py": API_KEY,
    "app/migrations/versions/create_users.jwt.py": JWT,
    "app/migrations/versions/create_users.oauth2.py": OAUTH2,
    ".github/workflows/image.yml": DOCKER,
    "Dockerfile": DOCKER,
    ".dockerignore": DOCKER,
    "compose.yaml": DOCKER,
    "compose.dev.yaml": DOCKER,
    "docker": DOCKER,
    "docker/postgresql.sh": DATABASE == "postgresql",
    "docker/mysql.sh": DATABASE == "mysql",
    "docker/sqlite.sh": DATABASE == "sqlite",
    "docs/docker.md": DOCKER,
    "deploy": KUBERNETES or SYSTEMD or SUPERVISORD,
    "deploy/kubernetes": KUBERNETES,
    "deploy/kubernetes/components/redis": AUTH != "none",
    "deploy/nginx.conf": SYSTEMD or SUPERVISORD,
    "deploy/supervisord": SUPERVISORD,
    "deploy/systemd": SYSTEMD,
    "docs/kubernetes.md": KUBERNETES,
    "docs/supervisord.md": SUPERVISORD,
    "docs/systemd.md": SYSTEMD,
    "docs/vercel.md": VERCEL,
    ".vercelignore": VERCEL,
    "index.py": VERCEL,
    "vercel.json": VERCEL,
    "tests/integration/test_vercel.py": VERCEL,
    "tools/resource.py": SQL,
    "tools/templates": SQL,
    "tests/databases.py": SQL,
    "tests/parcels.py": SQL,
    "tests/with_database.py": SERVER,
    "tests/database_server.postgresql.py": DATABASE == "postgresql",
    "tests/database_server.mysql.py": DATABASE == "mysql",
    "tests/keys.py": API_KEY,
    "tests/provider.py": OAUTH2,
    "tests/users.py": JWT,
    "tests/integration/test_rate_limit.py": AUTH != "none",
    "tests/unit/core/test_rate_limit.py": AUTH != "none",
    "tests/unit/auth": AUTH != "none",
    "tests/unit/auth/test_api_keys.py": API_KEY,
    "tests/unit/auth/test_keys.py": JWT,
    "tests/unit/auth/test_passwords.py": JWT,
    "tests/unit/auth/test_provider.py": OAUTH2,
    "tests/unit/auth/test_tokens.py": JWT,
    "tests/unit/cli/test_check.py": SERVED,
    "tests/unit/cli/test_configured_keys.py": API_KEY and not SQL,
    "tests/unit/cli/test_stored_keys.py": API_KEY and SQL,
    "tests/unit/cli/test_users.jwt.py": JWT,
    "tests/unit/cli/test_users.oauth2.py": OAUTH2 and SQL,
    "tests/unit/db": SQL,
    "tests/unit/db/test_postgresql.py": DATABASE == "postgresql",
    "tests/unit/db/test_mysql.py": DATABASE == "mysql",
    "tests/unit/services": MODULAR and not SQL,
    "tests/unit/test_quotes.py": not MODULAR and not SQL,
    "tests/integration/auth": AUTH != "none",
    "tests/integration/auth/test_api_keys.py": API_KEY,
    "tests/integration/auth/test_stored_keys.py": API_KEY and SQL,
    "tests/integration/auth/test_access_tokens.jwt.py": JWT,
    "tests/integration/auth/test_access_tokens.oauth2.py": OAUTH2,
    "tests/integration/auth/test_jwks.py": JWT,
    "tests/integration/auth/test_login.py": JWT,
    "tests/integration/auth/test_me.py": JWT,
    "tests/integration/auth/test_sessions.py": JWT,
    "tests/integration/auth/test_sign_up.py": JWT,
    "tests/integration/auth/test_throttle.py": JWT,
    "tests/integration/auth/test_users.jwt.py": JWT,
    "tests/integration/auth/test_users.oauth2.py": OAUTH2 and SQL,
    "tests/integration/test_quotes.py": not SQL,
    "tests/integration/test_items.py": SQL,
    "tests/integration/test_ownership.py": AUTH != "none" and SQL,
    "tests/integration/test_protection.py": AUTH != "none",
    "tests/integration/test_database.py": SQL,
    "tests/integration/test_migrations.py": ALEMBIC,
    "tests/integration/test_schema.py": SQL and not ALEMBIC,
}

NEXT_STEPS = """
Created {{ cookiecutter.project_slug }} with:

  structure={{ cookiecutter.structure }}
  auth={{ cookiecutter.auth }}
  deployment={{ cookiecutter.deployment }}
  database={{ cookiecutter.database }}
# {% if cookiecutter.database != "none" %}
  migrations={{ cookiecutter.migrations }}
# {% endif %}
  python_version={{ cookiecutter.python_version }}

Next steps:

  cd {{ cookiecutter.project_slug }}
  git init -b main
  make setup      # install into .venv and write uv.lock (commit it)
  make dev        # serve on http://127.0.0.1:8000/docs
  make check      # run every check and the tests
# {% if cookiecutter.__containers == "yes" %}

With Docker:

  docker build -t app:latest .    # build the image
  make up         # run it with the services it needs, on port 8000 (stop `make dev` first)
# {% endif %}
# {% if cookiecutter.deployment != "none" %}

To deploy it, see docs/{{ cookiecutter.deployment }}.md.
# {% endif %}

Without make (Windows), use the commands that the Makefile shows.
"""


def final_name(path):
    """Return the path without the choice that it contains, if any."""
    name, _, extension = path.rpartition(".")
    stem, _, choice = name.rpartition(".")
    return f"{stem}.{extension}" if choice in CHOICES else path


def remove(path):
    """Delete a file, or a folder with everything in it."""
    if os.path.isfile(path):
        os.remove(path)
        return
    for entry in os.listdir(path):
        remove(os.path.join(path, entry))
    os.rmdir(path)


for path, keep in KEEP_IF.items():
    # A folder may already be deleted, with its files.
    if not keep and os.path.exists(path):
        remove(path)
for path in filter(os.path.exists, KEEP_IF):
    if final_name(path) != path:
        os.rename(path, final_name(path))
print(NEXT_STEPS)
