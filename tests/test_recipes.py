"""The recipes of a generated project: every block is applied, in order, and works."""

import re

import pytest
from template import Bake, default_answers
from test_resources import Copy
from workshop import Workshop

pytestmark = pytest.mark.slow

BLOCK = re.compile(
    r"(?:Create `(?P<new>[^`\n]+)`|In `(?P<file>[^`\n]+)`, (?P<where>after|before) "
    r"`(?P<line>[^\n]+)`):\n\n```\w+\n(?P<text>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)
WORKS = """
import asyncio, os, sys
import sentry_sdk
from app.jobs import broker, send_report
from app.main import create_app
from app.settings import Settings
from starlette.testclient import TestClient

async def run_job() -> None:
    task = await send_report.kiq("sales")
    assert (await task.wait_result()).return_value == "Report of sales"

asyncio.run(run_job())
app = create_app(Settings(_env_file=None, environment="local", support_address="x@example.com"))
with TestClient(app, base_url="http://localhost") as client:
    assert client.get("/api/v1/health").headers["server"] == "service"
    assert app.state.settings.support_address == "x@example.com"
    if os.path.exists(os.path.join(sys.argv[1], "app/admin.py")):
        client.get("/admin/item/list").raise_for_status()
    with client.websocket_connect("/api/v1/echo", headers={"host": "localhost"}) as socket:
        for text in ("hello", "again"):
            socket.send_text(text)
            assert socket.receive_text() == text
"""


@pytest.mark.parametrize(
    ("structure", "auth", "database"), [("modular", "jwt", "postgresql"), ("flat", "none", "none")]
)
def test_every_recipe_works(
    bake: Bake, workshop: Workshop, structure: str, auth: str, database: str
) -> None:
    answers = {"structure": structure, "auth": auth, "database": database}
    copy = Copy(workshop, bake(**default_answers() | answers))
    page = (copy.path / "docs" / "recipes.md").read_text()
    blocks = list(BLOCK.finditer(page))
    # The last recipe has commands only, and no block stands outside of the convention.
    assert len(blocks) == page.count("\n```") // 2 - 1

    for block in blocks:
        file = copy.path / (block["new"] or block["file"])
        if block["new"]:
            assert not file.exists()
            file.write_text(block["text"])
            continue
        lines = file.read_text().split("\n")
        place = lines.index(block["line"]) + (block["where"] == "after")
        file.write_text(
            "\n".join([*lines[:place], block["text"].removesuffix("\n"), *lines[place:]])
        )
    packages = re.findall(r"`uv add ([^`]+)`", page)
    copy.run("uv", "add", *" ".join(packages).split())
    copy.run("make", "format", "lint")
    copy.run(
        "uv", "run", "pytest", "-q", "-k", "contact or http or error or settings or protection"
    )
    copy.run(
        "uv", "run", "python", "-W", "error::DeprecationWarning:app", "-c", WORKS, str(copy.path)
    )
    copy.run("uv", "run", "manage", "openapi", "openapi.json")
