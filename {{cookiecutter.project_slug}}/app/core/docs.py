"""The documentation pages."""

# {% if cookiecutter.auth == "oauth2" %}
from contextlib import suppress

from fastapi import APIRouter, Request
from fastapi.openapi.docs import (
    get_redoc_html,
    get_swagger_ui_html,
    get_swagger_ui_oauth2_redirect_html,
)
from fastapi.responses import HTMLResponse, RedirectResponse

from app.core.errors import AppError
# {% else %}
from fastapi import APIRouter, Request
from fastapi.openapi.docs import get_redoc_html, get_swagger_ui_html
from fastapi.responses import HTMLResponse, RedirectResponse
# {% endif %}

OPENAPI_URL = "/openapi.json"
# Allows what the two pages load: a bundle from a CDN, started by an inline script.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src https://cdn.jsdelivr.net/npm/ 'unsafe-inline'; "
    "style-src https://cdn.jsdelivr.net/npm/ 'unsafe-inline'; worker-src blob:; "
    "img-src https://fastapi.tiangolo.com/img/ https://cdn.redoc.ly/redoc/ data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

router = APIRouter(include_in_schema=False)


@router.get("/")
async def redirect_to_docs(request: Request) -> RedirectResponse:
    """Redirect to the documentation."""
    return RedirectResponse(request.scope.get("root_path", "") + "/docs")


# {% if cookiecutter.auth == "oauth2" %}
@router.get("/docs")
async def get_swagger_ui_with_login(request: Request) -> HTMLResponse:
    """Return Swagger UI, which logs users in by authorization code with PKCE."""
    settings = request.app.state.settings
    page = get_swagger_ui_html(
        openapi_url=get_openapi_url(request),
        title=request.app.title,
        oauth2_redirect_url=f"{request.scope.get('root_path', '')}/docs/oauth2-redirect",
        init_oauth={
            "clientId": settings.oidc_docs_client_id,
            "usePkceWithAuthorizationCodeGrant": True,
            "scopes": settings.oidc_docs_scopes,
            "additionalQueryStringParams": {"audience": settings.oidc_audience},
        },
    )
    urls = [settings.oidc_issuer]
    with suppress(AppError):  # the provider is unavailable
        urls.append((await request.app.state.provider.get_metadata()).token_endpoint)
    origins = {"/".join(url.split("/")[:3]) for url in urls}
    page.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY.replace(
        "connect-src", f"connect-src {' '.join(sorted(origins))}"
    )
    return page


@router.get("/docs/oauth2-redirect")
async def get_login_redirect() -> HTMLResponse:
    """Return the page that passes the authorization code to Swagger UI."""
    page = get_swagger_ui_oauth2_redirect_html()
    page.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
    return page
# {% else %}
@router.get("/docs")
async def get_swagger_ui(request: Request) -> HTMLResponse:
    """Return Swagger UI."""
    page = get_swagger_ui_html(openapi_url=get_openapi_url(request), title=request.app.title)
    page.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
    return page
# {% endif %}


@router.get("/redoc")
async def get_redoc(request: Request) -> HTMLResponse:
    """Return ReDoc."""
    page = get_redoc_html(
        openapi_url=get_openapi_url(request), title=request.app.title, with_google_fonts=False
    )
    page.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
    return page


def get_openapi_url(request: Request) -> str:
    """Return the URL of the OpenAPI document, which a proxy may serve under a path prefix."""
    return str(request.scope.get("root_path", "")) + OPENAPI_URL
