"""Create the items and their tags."""

import sqlalchemy as sa
from alembic import op

from app.db import types

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Change the schema."""
    op.create_table(
        "items",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("sku", sa.String(length=50), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("description", sa.String(length=2000), nullable=True),
        sa.Column("price", types.Money(), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("created_at", types.UTCDateTime(), server_default=types.UTCNow(), nullable=False),
        sa.Column("updated_at", types.UTCDateTime(), server_default=types.UTCNow(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_items")),
        sa.UniqueConstraint("sku", name=op.f("uq_items_sku")),
        # {% if cookiecutter.database == "mysql" %}
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        # {% endif %}
    )
    op.create_index(op.f("ix_items_created_at"), "items", ["created_at"])
    op.create_index(op.f("ix_items_name"), "items", ["name"])
    op.create_index(op.f("ix_items_price"), "items", ["price"])
    op.create_table(
        "item_tags",
        sa.Column("item_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=50), nullable=False),
        sa.ForeignKeyConstraint(
            ["item_id"], ["items.id"], name=op.f("fk_item_tags_item_id_items"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("item_id", "name", name=op.f("pk_item_tags")),
        # {% if cookiecutter.database == "mysql" %}
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        # {% endif %}
    )
    op.create_index(op.f("ix_item_tags_name"), "item_tags", ["name"])


def downgrade() -> None:
    """Change it back."""
    op.drop_table("item_tags")
    op.drop_table("items")
