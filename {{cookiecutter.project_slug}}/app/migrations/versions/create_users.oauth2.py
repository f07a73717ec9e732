"""Create the users."""

import sqlalchemy as sa
from alembic import op

from app.db import types

revision = "create_users"
down_revision = None


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "users",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("issuer", sa.String(length=255), nullable=False),
        sa.Column("subject", sa.String(length=255), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("created_at", types.UTCDateTime(), nullable=False),
        sa.Column("updated_at", types.UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
    )
    op.create_index("ix_users_issuer", "users", ["issuer", "subject"], unique=True)


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("users")
