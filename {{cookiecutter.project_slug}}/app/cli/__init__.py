"""The command line of the service: `manage`."""

import click

from app.cli import (
    # {% if cookiecutter.auth == "api_key" %}
    api_keys,
    # {% endif %}
    # {% if cookiecutter.__server == "yes" %}
    check,
    # {% endif %}
    # {% if cookiecutter.database != "none" %}
    database,
    # {% endif %}
    # {% if cookiecutter.auth == "jwt" %}
    keys,
    # {% endif %}
    openapi,
    serve,
    # {% if cookiecutter.auth == "jwt" %}
    sessions,
    users,
    # {% elif cookiecutter.auth == "oauth2" and cookiecutter.database != "none" %}
    users,
    # {% endif %}
)


@click.group()
def main() -> None:
    """Manage the service."""


main.add_command(serve.serve)
main.add_command(openapi.openapi)
# {% if cookiecutter.__server == "yes" %}
main.add_command(check.check)
# {% endif %}
# {% if cookiecutter.__alembic == "yes" %}
main.add_command(database.migrate)
# {% elif cookiecutter.database != "none" %}
main.add_command(database.create_schema)
# {% endif %}
# {% if cookiecutter.auth == "jwt" %}
main.add_command(users.create_user)
main.add_command(users.users)
main.add_command(sessions.user_sessions)
main.add_command(keys.keys)
# {% elif cookiecutter.auth == "oauth2" and cookiecutter.database != "none" %}
main.add_command(users.users)
# {% elif cookiecutter.auth == "api_key" %}
main.add_command(api_keys.api_keys)
# {% endif %}
