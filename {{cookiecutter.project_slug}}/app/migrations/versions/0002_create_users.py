"""Create the users and their sessions, and give each item an owner.

It fails while there are items, which would belong to nobody.
"""

import sqlalchemy as sa
from alembic import op

from app.db import types

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Change the schema."""
    op.create_table(
        "users",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=True),
        sa.Column("password_hash", sa.String(length=60), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("is_superuser", sa.Boolean(), nullable=False),
        sa.Column("created_at", types.UTCDateTime(), server_default=types.UTCNow(), nullable=False),
        sa.Column("updated_at", types.UTCDateTime(), server_default=types.UTCNow(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("email", name=op.f("uq_users_email")),
        # {% if cookiecutter.database == "mysql" %}
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        # {% endif %}
    )
    op.create_index(op.f("ix_users_created_at"), "users", ["created_at"])
    op.create_table(
        "user_sessions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("token_digest", sa.String(length=64), nullable=False),
        sa.Column("previous_token_digest", sa.String(length=64), nullable=True),
        sa.Column("rotated_at", types.UTCDateTime(), nullable=True),
        sa.Column("expires_at", types.UTCDateTime(), nullable=False),
        sa.Column("created_at", types.UTCDateTime(), server_default=types.UTCNow(), nullable=False),
        sa.Column("updated_at", types.UTCDateTime(), server_default=types.UTCNow(), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["users.id"],
            name=op.f("fk_user_sessions_user_id_users"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_user_sessions")),
        # {% if cookiecutter.database == "mysql" %}
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        # {% endif %}
    )
    op.create_index(op.f("ix_user_sessions_created_at"), "user_sessions", ["created_at"])
    op.create_index(op.f("ix_user_sessions_expires_at"), "user_sessions", ["expires_at"])
    op.create_index(op.f("ix_user_sessions_user_id"), "user_sessions", ["user_id"])
    with op.batch_alter_table("items") as items:
        items.add_column(sa.Column("owner_id", sa.Uuid(), nullable=False))
        items.create_foreign_key(
            op.f("fk_items_owner_id_users"), "users", ["owner_id"], ["id"], ondelete="CASCADE"
        )
        items.drop_constraint(op.f("uq_items_sku"), type_="unique")
        items.create_index(op.f("ix_items_owner_id_items_sku"), ["owner_id", "sku"], unique=True)


def downgrade() -> None:
    """Change it back."""
    with op.batch_alter_table("items") as items:
        items.drop_constraint(op.f("fk_items_owner_id_users"), type_="foreignkey")
        items.drop_index(op.f("ix_items_owner_id_items_sku"))
        items.create_unique_constraint(op.f("uq_items_sku"), ["sku"])
        items.drop_column("owner_id")
    op.drop_table("user_sessions")
    op.drop_table("users")
