"""Create the clients and their API keys, and give each item an owner.

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
        "api_clients",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=63), nullable=False),
        sa.Column("created_at", types.UTCDateTime(), server_default=types.UTCNow(), nullable=False),
        sa.Column("updated_at", types.UTCDateTime(), server_default=types.UTCNow(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_clients")),
        sa.UniqueConstraint("name", name=op.f("uq_api_clients_name")),
        # {% if cookiecutter.database == "mysql" %}
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        # {% endif %}
    )
    op.create_index(op.f("ix_api_clients_created_at"), "api_clients", ["created_at"])
    op.create_table(
        "api_keys",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("client_id", sa.Uuid(), nullable=False),
        sa.Column("key_id", sa.String(length=16), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("scopes", sa.String(length=100), nullable=False),
        sa.Column("expires_at", types.UTCDateTime(), nullable=False),
        sa.Column("revoked_at", types.UTCDateTime(), nullable=True),
        sa.Column("last_used_at", types.UTCDateTime(), nullable=True),
        sa.Column("created_at", types.UTCDateTime(), server_default=types.UTCNow(), nullable=False),
        sa.Column("updated_at", types.UTCDateTime(), server_default=types.UTCNow(), nullable=False),
        sa.ForeignKeyConstraint(
            ["client_id"],
            ["api_clients.id"],
            name=op.f("fk_api_keys_client_id_api_clients"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_keys")),
        sa.UniqueConstraint("key_id", name=op.f("uq_api_keys_key_id")),
        # {% if cookiecutter.database == "mysql" %}
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        # {% endif %}
    )
    op.create_index(op.f("ix_api_keys_client_id"), "api_keys", ["client_id"])
    op.create_index(op.f("ix_api_keys_created_at"), "api_keys", ["created_at"])
    with op.batch_alter_table("items") as items:
        items.add_column(sa.Column("owner_id", sa.Uuid(), nullable=False))
        items.create_foreign_key(
            op.f("fk_items_owner_id_api_clients"),
            "api_clients",
            ["owner_id"],
            ["id"],
            ondelete="CASCADE",
        )
        items.drop_constraint(op.f("uq_items_sku"), type_="unique")
        items.create_index(op.f("ix_items_owner_id_items_sku"), ["owner_id", "sku"], unique=True)


def downgrade() -> None:
    """Change it back."""
    with op.batch_alter_table("items") as items:
        items.drop_constraint(op.f("fk_items_owner_id_api_clients"), type_="foreignkey")
        items.drop_index(op.f("ix_items_owner_id_items_sku"))
        items.create_unique_constraint(op.f("uq_items_sku"), ["sku"])
        items.drop_column("owner_id")
    op.drop_table("api_keys")
    op.drop_table("api_clients")
