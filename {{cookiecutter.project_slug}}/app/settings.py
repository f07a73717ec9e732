"""The settings of the service, read from the environment, `.env` and secret files."""

import os
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_settings import SettingsError

# {% if cookiecutter.auth != "none" %}
from app.auth.settings import AuthSettings
# {% endif %}
from app.core.settings import CoreSettings
# {% if cookiecutter.database != "none" %}
from app.db.settings import DatabaseSettings
# {% endif %}


class Settings(
    # {% if cookiecutter.auth != "none" %}
    AuthSettings,
    # {% endif %}
    # {% if cookiecutter.database != "none" %}
    DatabaseSettings,
    # {% endif %}
    CoreSettings,
):
    """Every setting of the service. `.env.example` describes them."""


def load_settings(**values: Any) -> Settings:  # noqa: ANN401 of any field
    """Return the settings of this process; `values` take precedence over every source.

    The environment takes precedence over `.env`, and `.env` over the files in `SECRETS_DIR`, which
    are named like the variables.

    Raises:
        SettingsError: Values are missing or invalid; the message names each variable, no value.
    """
    secrets = os.environ.get("SECRETS_DIR") or None
    if secrets and not Path(secrets).is_dir():
        raise SettingsError("SECRETS_DIR: no such folder")
    try:
        return Settings(_secrets_dir=secrets, **values)
    except ValidationError as error:
        findings = [
            ": ".join([*(str(name).upper() for name in finding["loc"][:1]), finding["msg"]])
            for finding in error.errors(include_input=False)
            if finding["type"] != "default_factory_not_called"
        ]
        raise SettingsError("; ".join(findings).replace("Value error, ", "")) from None
