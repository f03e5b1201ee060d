"""
What only an owner sees, of channels and items, over a span of days.

Revision ID: 0012
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_WHOLE = (
    *("views", "impressions", "watch_s", "view_s", "viewers", "new_viewers", "returning_viewers"),
    *("subscribers", "subscribers_gained", "subscribers_lost"),
)
_SHARES = ("click_through", "viewed", "stayed")


def upgrade() -> None:
    """Create both tables; the next sync of an owner's export fills them."""
    op.create_table(
        "channel_figures",
        sa.Column("channel_id", sa.Text(), nullable=False),
        sa.Column("first", sa.Date(), nullable=False),
        sa.Column("last", sa.Date(), nullable=False),
        *(sa.Column(name, sa.BigInteger()) for name in _WHOLE),
        *(sa.Column(name, sa.Double()) for name in _SHARES),
        sa.ForeignKeyConstraint(
            ["channel_id"], ["channels.id"], name="fk_channel_figures_channels", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("channel_id", "first", "last", name="pk_channel_figures"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "item_figures",
        sa.Column("channel_id", sa.Text(), nullable=False),
        sa.Column("item_id", sa.Text(), nullable=False),
        sa.Column("first", sa.Date(), nullable=False),
        sa.Column("last", sa.Date(), nullable=False),
        *(sa.Column(name, sa.BigInteger()) for name in _WHOLE),
        *(sa.Column(name, sa.Double()) for name in _SHARES),
        sa.ForeignKeyConstraint(
            ["channel_id", "item_id"],
            ["items.channel_id", "items.item_id"],
            name="fk_item_figures_items",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("channel_id", "item_id", "first", "last", name="pk_item_figures"),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    """Drop both tables; the next sync of an owner's export reads them again."""
    op.drop_table("item_figures")
    op.drop_table("channel_figures")
