import re
from pathlib import Path

import pytest
from pydantic_settings import SettingsError

from app.settings import Settings, load_settings
# {% if cookiecutter.auth == "jwt" %}
from tests.users import make_pem
# {% elif cookiecutter.auth == "api_key" %}
from tests.keys import SECRET_KEY
# {% endif %}

ROOT = Path(__file__).parents[2]
PRODUCTION = {
    "ENVIRONMENT": "production",
    "ALLOWED_HOSTS": "api.example.com",
    # {% if cookiecutter.database == "postgresql" %}
    "DATABASE_URL": "postgresql://app@db.example.com/app",
    # {% elif cookiecutter.database == "mysql" %}
    "DATABASE_URL": "mysql://app@db.example.com/app",
    # {% elif cookiecutter.database == "sqlite" %}
    "DATABASE_URL": "sqlite:////var/lib/app/app.db",
    # {% endif %}
    # {% if cookiecutter.auth == "jwt" %}
    "RSA_PRIVATE_KEY_CONTENT": make_pem(),
    # {% elif cookiecutter.auth == "api_key" %}
    "SECRET_KEY": SECRET_KEY,
    # {% elif cookiecutter.auth == "oauth2" %}
    "OIDC_ISSUER": "https://id.example.com",
    # {% endif %}
}


def load(monkeypatch: pytest.MonkeyPatch, **variables: str) -> Settings:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return load_settings()


def test_lists_load_from_csv_and_json(monkeypatch: pytest.MonkeyPatch) -> None:
    for text in (" [::1] , b.example,", '["[::1]", "b.example"]'):
        assert load(monkeypatch, ALLOWED_HOSTS=text).allowed_hosts == ["[::1]", "b.example"]


def test_the_environment_wins_over_dotenv_and_dotenv_over_files(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    for name, value in {"root_path": "/file", "port": "1", "max_body_bytes": "3"}.items():
        (secrets / name).write_text(value)
    (tmp_path / ".env").write_text("PORT=2\nMAX_BODY_BYTES=4\nUNKNOWN=x\n")
    settings = load(monkeypatch, SECRETS_DIR=str(secrets), MAX_BODY_BYTES="5")
    assert (settings.port, settings.max_body_bytes) == (2, 5)
    assert settings.root_path == "/file"


def test_production_starts_with_safe_values(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load(monkeypatch, **PRODUCTION)
    assert not settings.docs_enabled
    assert load(monkeypatch, DOCS_ENABLED="true").docs_enabled


# {% if cookiecutter.database in ("postgresql", "mysql") %}
def test_production_accepts_a_host_that_resembles_a_placeholder(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    url = PRODUCTION["DATABASE_URL"].replace("db.example.com", "db.exchange-media.com")
    settings = load(monkeypatch, **(PRODUCTION | {"DATABASE_URL": url}))
    assert settings.database.host == "db.exchange-media.com"


# {% endif %}
def test_debug_is_refused_in_production(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError, match=r"^DEBUG: "):
        load(monkeypatch, **PRODUCTION, DEBUG="true")


REFUSED = [
    ("ALLOWED_HOSTS", ""),
    ("ALLOWED_HOSTS", "*"),
    ("CORS_ORIGINS", "*"),
    # {% if cookiecutter.auth != "none" %}
    ("REDIS_URL", "redis://:changeme@localhost"),
    # {% endif %}
    ("FORWARDED_ALLOW_IPS", "*"),
    # {% if cookiecutter.database != "none" %}
    ("DATABASE_URL", ""),
    # {% endif %}
    # {% if cookiecutter.database == "postgresql" %}
    ("DATABASE_URL", "sqlite:///local.db"),
    ("DATABASE_URL", "postgresql://app:changeme@db.example.com/app"),
    # {% elif cookiecutter.database == "mysql" %}
    ("DATABASE_URL", "sqlite:///local.db"),
    ("DATABASE_URL", "mysql://app:changeme@db.example.com/app"),
    # {% endif %}
    # {% if cookiecutter.auth == "jwt" %}
    ("RSA_PRIVATE_KEY_CONTENT", ""),
    ("PASSWORD_HASH_COST", "9"),
    # {% elif cookiecutter.auth == "api_key" %}
    ("SECRET_KEY", ""),
    ("SECRET_KEY", "changeme"),
    # {% elif cookiecutter.auth == "oauth2" %}
    ("OIDC_ISSUER", ""),
    ("OIDC_ISSUER", "http://127.0.0.1:9400"),
    ("OIDC_ISSUER", "http://changeme.example.com"),
    ("OIDC_REQUIRED_SCOPES", "two words"),
    # {% endif %}
    # {% if cookiecutter.auth == "api_key" and cookiecutter.database == "none" %}
    ("API_KEYS", "changeme"),
    # {% endif %}
    ("PORT", "none"),
    ("SECRETS_DIR", "/nowhere"),
]


def test_refusal_names_variable_in_one_line_without_value(
    monkeypatch: pytest.MonkeyPatch, subtests: pytest.Subtests
) -> None:
    for variable, value in REFUSED:
        with subtests.test(variable=variable, value=value), monkeypatch.context() as patch:
            with pytest.raises(SettingsError) as refusal:
                load(patch, **(PRODUCTION | {variable: value}))

            assert str(refusal.value).startswith(f"{variable}: ")
            assert not {"\n", ";"} & {*str(refusal.value)}
            assert "changeme" not in str(refusal.value)


def test_all_findings_are_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError, match=r"DEBUG: .*; ALLOWED_HOSTS: .*; CORS_ORIGINS: "):
        load(monkeypatch, **(PRODUCTION | {"ALLOWED_HOSTS": "*"}), DEBUG="1", CORS_ORIGINS="*")


# {% if cookiecutter.auth == "jwt" and cookiecutter.__server == "yes" %}
def test_several_processes_count_attempts_together(monkeypatch: pytest.MonkeyPatch) -> None:
    for several in ("WORKERS", "REPLICAS"):
        with monkeypatch.context() as patch:
            with pytest.raises(SettingsError, match=r"^REDIS_URL: must be set"):
                load(patch, **PRODUCTION, **{several: "2"})
            assert load(patch, GATEWAY_THROTTLES="true").gateway_throttles
            patch.setenv("GATEWAY_THROTTLES", "false")
            assert load(patch, REDIS_URL="redis://redis").redis_url


# {% endif %}
# {% if cookiecutter.auth != "none" %}
def test_secrets_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load(monkeypatch, REDIS_URL="redis://:canary@localhost")
    assert "canary" not in f"{settings!r} {settings} {settings.model_dump()}"


# {% endif %}
class TestExample:
    def test_documents_every_setting(self) -> None:
        text = (ROOT / ".env.example").read_text()

        settings = re.findall(r"^# (.*)\n([A-Z_]+)=", text, re.MULTILINE)
        documented = {name: description for description, name in settings}
        secrets_dir = documented.pop("SECRETS_DIR")
        fields = Settings.model_fields.items()
        assert documented == {name.upper(): field.description for name, field in fields}
        assert secrets_dir

    def test_contains_the_defaults(self) -> None:
        example = Settings(_env_file=ROOT / ".env.example")

        assert example.model_dump() == Settings(_env_file=None).model_dump()


def test_production_example_lists_what_production_requires(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    example = (ROOT / ".env.production.example").read_text()
    (tmp_path / ".env").write_text(example)
    variables = dict(line.split("=", 1) for line in example.splitlines() if line[:1].isupper())
    assert PRODUCTION.keys() <= variables.keys() <= set(map(str.upper, Settings.model_fields))
    for name, value in PRODUCTION.items():
        if not variables[name]:  # a secret
            monkeypatch.setenv(name, value)
    assert load_settings().environment == "production"
