"""Security events that are logged when their transaction is committed."""

from collections.abc import Callable

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncSession


def log_after_commit(
    session: AsyncSession, log: Callable[..., object], name: str, **fields: object
) -> None:
    """Call `log(name, **fields)` after the next commit of the session.

    It is never called for a request that fails: its session ends without a commit.
    """
    event.listen(
        session.sync_session, "after_commit", lambda _session: log(name, **fields), once=True
    )
