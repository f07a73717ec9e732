"""Create the items and their tags."""

import sqlalchemy as sa
from alembic import op

from app.db import types

revision = "create_items"
# {% if cookiecutter.auth == "none" %}
down_revision = None
# {% else %}
down_revision = "create_{{ cookiecutter.__owners }}"
# {% endif %}


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "items",
        sa.Column("id", sa.Uuid(), nullable=False),
        # {% if cookiecutter.auth != "none" %}
        sa.Column("owner_id", sa.Uuid(), nullable=False),
        # {% endif %}
        sa.Column("sku", sa.String(length=50), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("description", sa.String(length=2000), nullable=True),
        sa.Column("price", types.ExactDecimal(12, 2), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("created_at", types.UTCDateTime(), nullable=False),
        sa.Column("updated_at", types.UTCDateTime(), nullable=False),
        # {% if cookiecutter.auth != "none" %}
        sa.ForeignKeyConstraint(
            ["owner_id"],
            ["{{ cookiecutter.__owners }}.id"],
            name=op.f("fk_items_owner_id_{{ cookiecutter.__owners }}"),
            ondelete="CASCADE",
        ),
        # {% endif %}
        sa.PrimaryKeyConstraint("id", name=op.f("pk_items")),
    )
    # {% if cookiecutter.auth == "none" %}
    filters = ["is_active"]
    op.create_index("ix_items_sku", "items", ["sku"], unique=True)
    # {% else %}
    filters = ["owner_id", "is_active"]
    op.create_index("ix_items_sku", "items", ["owner_id", "sku"], unique=True)
    # {% endif %}
    op.create_index("ix_items_created_at", "items", [*filters, "created_at", "id"])
    op.create_index("ix_items_name", "items", [*filters, "name", "id"])
    op.create_index("ix_items_price", "items", [*filters, "price", "id"])
    op.create_table(
        "item_tags",
        sa.Column("item_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=50), nullable=False),
        sa.ForeignKeyConstraint(
            ["item_id"], ["items.id"], name=op.f("fk_item_tags_item_id_items"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("item_id", "name", name=op.f("pk_item_tags")),
    )
    op.create_index(op.f("ix_item_tags_name"), "item_tags", ["name"])


def downgrade() -> None:
    """Drop the tables."""
    op.drop_table("item_tags")
    op.drop_table("items")
