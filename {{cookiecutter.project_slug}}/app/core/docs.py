"""The pages that show the OpenAPI document, each with a policy of its own."""

import re
from base64 import b64encode
from hashlib import sha256

from fastapi import FastAPI
from fastapi.openapi.docs import get_redoc_html, get_swagger_ui_html
from starlette.routing import Route

OPENAPI_URL = "/openapi.json"


def add_documentation(app: FastAPI) -> None:
    """Serve Swagger UI at `/docs` and ReDoc at `/redoc`."""
    swagger_ui = get_swagger_ui_html(openapi_url=OPENAPI_URL, title=app.title)
    redoc = get_redoc_html(openapi_url=OPENAPI_URL, title=app.title, with_google_fonts=False)
    for path, page in (("/docs", swagger_ui), ("/redoc", redoc)):
        page.headers["Content-Security-Policy"] = make_policy(bytes(page.body).decode())
        # A response that never changes is an ASGI application of its own.
        app.router.routes.append(Route(path, page, methods=["GET"]))


def make_policy(html: str) -> str:
    """Return the policy that allows exactly what a page loads (W3C CSP level 3).

    Files by their full address, not by host, which is a public CDN; inline scripts by their hash.
    """
    files = re.findall(r'(?:src|href)="(https://[^"]+)"', html)
    scripts, styles, images = (
        [file for file in files if file.endswith(suffix)] for suffix in (".js", ".css", ".png")
    )
    inline = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
    for digest in (sha256(script.encode()).digest() for script in inline):
        scripts.append(f"'sha256-{b64encode(digest).decode()}'")
    workers = "'none'"
    # ReDoc makes styles at run time, and adds its logo and a worker to search in.
    if "<redoc " in html:
        styles.append("'unsafe-inline'")
        images.append("https://cdn.redoc.ly/redoc/logo-mini.svg")
        workers = "blob:"
    return (
        f"default-src 'none'; script-src {' '.join(scripts)}; style-src {' '.join(styles)}; "
        f"img-src {' '.join(images)} data:; worker-src {workers}; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
