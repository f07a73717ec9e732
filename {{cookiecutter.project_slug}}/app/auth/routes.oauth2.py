"""The login metadata route, and the resources that authentication shares."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from fastapi import APIRouter, FastAPI, Request

from app.auth.dependencies import LOGIN_PATH
from app.auth.provider import Metadata, Provider
from app.core.errors import problems
from app.core.health import add_readiness_check
from app.core.rate_limit import open_rate_limiter


@asynccontextmanager
async def open_auth(app: FastAPI) -> AsyncGenerator[None]:
    """Open what authentication needs. The service is ready once the provider's keys are known."""
    app.state.provider = Provider(app.state.settings.oidc_issuer)
    add_readiness_check(app, "oidc_provider", app.state.provider.get_metadata)
    async with open_rate_limiter(app):
        yield


router = APIRouter(tags=["auth"], lifespan=open_auth)


@router.get(LOGIN_PATH, responses=problems(503))
async def read_login_metadata(request: Request) -> Metadata:
    """Return the provider's endpoints and scopes for logging in (authorization code with PKCE)."""
    metadata: Metadata = await request.app.state.provider.get_metadata()
    scopes = request.app.state.settings.oidc_docs_scopes
    login = {"grant_types_supported": ["authorization_code"], "scopes_supported": scopes}
    return metadata.model_copy(update=login)
