"""
What came in on single days, for channels and items with an owner's export.

Revision ID: 0003
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create both tables."""
    op.create_table(
        "channel_gains",
        sa.Column("channel_id", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("views", sa.BigInteger()),
        sa.Column("subscribers", sa.BigInteger()),
        sa.ForeignKeyConstraint(
            ["channel_id"], ["channels.id"], name="fk_channel_gains_channels", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("channel_id", "day", name="pk_channel_gains"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "item_gains",
        sa.Column("channel_id", sa.Text(), nullable=False),
        sa.Column("item_id", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("views", sa.BigInteger()),
        sa.ForeignKeyConstraint(
            ["channel_id", "item_id"],
            ["items.channel_id", "items.item_id"],
            name="fk_item_gains_items",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("channel_id", "item_id", "day", name="pk_item_gains"),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    """Drop both tables."""
    op.drop_table("item_gains")
    op.drop_table("channel_gains")
