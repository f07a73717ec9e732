"""Export the OpenAPI document."""

import json
from pathlib import Path

import click

from app.main import create_app
from app.settings import Settings


@click.command()
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True), default="-")
@click.option("--check", is_flag=True, help="Write nothing; exit with 1 if FILE differs.")
def openapi(file: Path, *, check: bool) -> None:
    """Write the OpenAPI document to FILE, or to stdout."""
    if check and str(file) == "-":
        raise click.UsageError("--check requires FILE")
    # Defaults instead of this machine's settings, so that the document is the same everywhere.
    document = create_app(Settings.model_construct()).openapi()
    text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    if check and (not file.is_file() or file.read_text(encoding="utf-8") != text):
        raise click.ClickException(f"{file} is outdated. Run: manage openapi {file}")
    if not check:
        try:
            with click.open_file(str(file), "w", encoding="utf-8") as target:
                target.write(text)
        except OSError as error:
            raise click.FileError(str(file), error.strerror) from None
