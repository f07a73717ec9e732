"""Make the pictures of README.md: a terminal session, and the page /docs of the default project.

Needs Chromium and npm, which provides the files that the page loads from a CDN.
Usage: make pictures
"""

import functools
import http.server
import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

from rich.console import Console

ROOT = Path(__file__).resolve().parents[1]
PICTURES = ROOT / "docs" / "pictures"
PORT = 8123
SERVICE = f"http://127.0.0.1:{PORT}"
CDN = "https://cdn.jsdelivr.net/npm/swagger-ui-dist@5/"


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    """Serves files and prints nothing."""

    def log_message(self, *_: object) -> None:
        """Print nothing."""


def main() -> None:
    """Make the pictures."""
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        draw_session(folder)
        photograph_docs(folder)


def draw_session(folder: Path) -> None:
    """Run `make demo` and draw its output."""
    command = [sys.executable, "scripts/demo.py", "--once", "--folder", str(folder)]
    output = subprocess.run(
        command, cwd=ROOT, env=environment(), capture_output=True, text=True, check=True
    ).stdout
    console = Console(record=True, width=110, file=io.StringIO())
    console.print("[bold green]$[/] make demo")
    for line in output.replace(str(folder), "demo").replace(str(PORT), "8000").splitlines():
        console.print(
            line,
            style="cyan" if line.startswith("demo:") else "dim",
            markup=False,
            highlight=False,
            overflow="ellipsis",
            no_wrap=True,
        )
    console.save_svg(str(PICTURES / "demo.svg"), title="make demo")


def photograph_docs(folder: Path) -> None:
    """Start the project of the demo and take a picture of /docs."""
    project = folder / "my-service"
    with subprocess.Popen(
        ["uv", "run", "manage", "serve"],
        cwd=project,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as service:
        try:
            # The CDN sends the character set, and the server below does not.
            page = fetch("/docs").replace(CDN, "").replace("<head>", '<head><meta charset="utf-8">')
            (folder / "page").mkdir()
            (folder / "page" / "index.html").write_text(page)
            (folder / "page" / "openapi.json").write_text(fetch("/openapi.json"))
        finally:
            service.terminate()
    unpack_swagger_ui(folder)
    handler = functools.partial(QuietHandler, directory=str(folder / "page"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        photograph(f"http://127.0.0.1:{server.server_port}/", folder)
        server.shutdown()


def unpack_swagger_ui(folder: Path) -> None:
    """Put the files of Swagger UI beside the page."""
    command = ["npm", "pack", "--silent", "swagger-ui-dist@5"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    (archive,) = folder.glob("swagger-ui-dist-*.tgz")
    with tarfile.open(archive) as package:
        package.extractall(folder, filter="data")
    for file in ("swagger-ui-bundle.js", "swagger-ui.css"):
        shutil.copy(folder / "package" / file, folder / "page")


def photograph(url: str, folder: Path) -> None:
    """Take a picture of a page."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if not browser:
        sys.exit("Error: Chromium is missing. Install it.")
    subprocess.run(
        [
            browser,
            *("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"),
            *(f"--user-data-dir={folder}/profile", "--virtual-time-budget=10000"),
            *("--window-size=1200,1000", f"--screenshot={PICTURES}/docs.png", url),
        ],
        check=True,
        capture_output=True,
        timeout=60,
    )


def fetch(path: str) -> str:
    """Return what the service sends, when it is up."""
    for _ in range(100):
        try:
            with urllib.request.urlopen(SERVICE + path, timeout=10) as response:  # noqa: S310 our own
                return response.read().decode()
        except urllib.error.URLError:
            time.sleep(0.2)
    sys.exit("Error: the service did not start.")


def environment() -> dict[str, str]:
    """Return the environment of the commands."""
    return {**os.environ, "PORT": str(PORT), "PATH": f"{ROOT}/.venv/bin:{os.environ['PATH']}"}


if __name__ == "__main__":
    main()
