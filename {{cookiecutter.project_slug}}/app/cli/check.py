"""The command that checks the configuration."""

# {% if cookiecutter.database != "none" %}
import asyncio
# {% endif %}
import json
import sys
from contextlib import suppress

import click
from pydantic_settings import SettingsError

from app.core.checks import Finding, check_process
from app.core.logging import configure_logging
# {% if cookiecutter.database != "none" %}
from app.db.checks import check_database
# {% endif %}
from app.settings import Settings, load_settings


@click.command()
@click.option("--deploy", is_flag=True, help="Also check what only production requires.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option(
    "--fail-level",
    type=click.Choice(["error", "warning"]),
    default="error",
    help="Lowest level that fails the check.",
)
def check(*, deploy: bool, as_json: bool, fail_level: str) -> None:
    """Report mistakes in the configuration. Exit with status 1 for those of `--fail-level`."""
    configure_logging("ERROR")  # stdout is for the findings
    settings, findings = check_settings(deploy=deploy)
    if settings and deploy:
        findings += check_process(settings)
    # {% if cookiecutter.database != "none" %}
    if settings:
        findings += asyncio.run(check_database(settings))
    # {% endif %}
    if as_json:
        click.echo(json.dumps([finding._asdict() for finding in findings], indent=2))
    else:
        for finding in findings:
            click.echo(f"{finding.level}: {finding.message} ({finding.id})\n  {finding.hint}")
        click.echo(f"Findings: {len(findings)}")
    if any(finding.level in ("error", fail_level) for finding in findings):
        sys.exit(1)


def check_settings(*, deploy: bool) -> tuple[Settings | None, list[Finding]]:
    """Return the settings if they can be used, and a finding for each that is wrong."""
    settings: Settings | None = None
    messages: list[str] = []
    try:
        settings = load_settings()
    except SettingsError as error:
        messages = str(error).split("; ")
        with suppress(SettingsError):  # values that production refuses: check the others
            settings = load_settings(environment="local")
    hint = "See docs/configuration.md."
    if settings and deploy:
        if not settings.is_deployed and not messages:
            messages.append(f"ENVIRONMENT: is {settings.environment}, not production")
        # Some have been reported already.
        messages = list(dict.fromkeys([*messages, *settings.find_unsafe_values()]))
    findings = [
        Finding(f"settings.{message.partition(':')[0].lower()}", "error", message, hint)
        for message in messages
    ]
    return settings, findings
