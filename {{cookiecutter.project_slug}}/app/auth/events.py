"""Security events that are logged when their transaction is committed."""

from collections.abc import Callable

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

PENDING = "pending_events"


def log_after_commit(
    session: AsyncSession, log: Callable[..., object], name: str, **fields: object
) -> None:
    """Call `log(name, **fields)` after the next commit, or never if it is rolled back."""
    if PENDING not in session.info:
        session.info[PENDING] = []
        event.listen(session.sync_session, "after_commit", write_events)
        event.listen(session.sync_session, "after_rollback", discard_events)
    session.info[PENDING].append((log, name, fields))


def write_events(session: Session) -> None:
    """Log the pending events in their order."""
    for log, name, fields in session.info[PENDING]:
        log(name, **fields)
    discard_events(session)


def discard_events(session: Session) -> None:
    """Forget the pending events."""
    session.info[PENDING].clear()
