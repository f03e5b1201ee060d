"""
What the newest report of each channel says first, for lists and pages.

Revision ID: 0011
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

# What `jobs.store.types.UtcDateTime` stores; written out, since a revision never changes.
INSTANT = sa.DateTime(timezone=True).with_variant(sa.BigInteger(), "sqlite")


def upgrade() -> None:
    """Make the table; it fills with the next report of each channel."""
    op.create_table(
        "channel_summaries",
        sa.Column("channel_id", sa.Text(), nullable=False),
        sa.Column("change", sa.Double(), nullable=False),
        sa.Column("content", sa.JSON(), nullable=False),
        sa.Column("series", sa.JSON(), nullable=False),
        sa.Column("made_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(
            ["channel_id"],
            ["channels.id"],
            name="fk_channel_summaries_channels",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("channel_id", name="pk_channel_summaries"),
    )
    op.create_index(
        "ix_channel_summaries_change_channel_id", "channel_summaries", ["change", "channel_id"]
    )


def downgrade() -> None:
    """Drop it."""
    op.drop_table("channel_summaries")
