"""Checks of the settings and of the process, for `manage check --deploy`."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

from app.core.settings import CoreSettings


class Finding(NamedTuple):
    """Something that is wrong, and how to correct it."""

    id: str
    level: Literal["error", "warning"]
    message: str
    hint: str


def check_process(settings: CoreSettings) -> Iterator[Finding]:
    """Report settings and a process that production accepts, but that are rarely intended."""
    set_proxy = "Set FORWARDED_ALLOW_IPS to the address of the proxy."
    # Its default depends on ENVIRONMENT, which may not be that of production here.
    if settings.docs_enabled and "docs_enabled" in settings.model_fields_set:
        yield Finding("core.docs", "warning", "/docs is public.", "Remove DOCS_ENABLED.")
    if settings.log_level == "DEBUG":
        message = "Debug messages of every package are logged."
        yield Finding("core.log_level", "warning", message, "Set LOG_LEVEL=INFO.")
    if any(origin.startswith("http://") for origin in settings.cors_origins):
        message = "CORS_ORIGINS contains an origin without TLS."
        yield Finding("core.cors", "warning", message, "Use https:// origins only.")
    if not settings.forwarded_allow_ips:
        message = "No proxy is trusted, so all clients behind one share its address."
        yield Finding("core.proxy", "warning", message, set_proxy)
    if any(network.prefixlen == 0 for network in settings.forwarded_allow_ips):
        yield Finding("core.proxy", "error", "Clients can claim any address.", set_proxy)
    if os.name == "posix" and os.geteuid() == 0:
        yield Finding("core.root", "warning", "The process runs as root.", "Use another user.")
    dotenv = Path(".env")
    if os.name == "posix" and dotenv.exists() and dotenv.stat().st_mode & stat.S_IROTH:
        message = "Other users can read .env."
        yield Finding("core.dotenv", "error", message, "Run: chmod o-r .env")
