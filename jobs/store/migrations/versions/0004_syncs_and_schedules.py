"""
How sources were read last, when channels are synced next, which items left, quotas by day.

Revision ID: 0004
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

# What `jobs.store.types.UtcDateTime` stores; written out, since a revision never changes.
INSTANT = sa.DateTime(timezone=True).with_variant(sa.BigInteger(), "sqlite")


def upgrade() -> None:
    """Add tables and columns, empty for what is stored."""
    op.add_column("items", sa.Column("first_listed_at", INSTANT))
    op.add_column("items", sa.Column("left_at", INSTANT))
    op.create_table(
        "source_syncs",
        sa.Column("channel_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("location", sa.Text(), nullable=False),
        sa.Column("tried_at", INSTANT, nullable=False),
        sa.Column("succeeded_at", INSTANT),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("consecutive_failures", sa.BigInteger(), nullable=False),
        sa.Column("memory", sa.JSON()),
        sa.ForeignKeyConstraint(
            ["channel_id", "kind", "location"],
            ["channel_sources.channel_id", "channel_sources.kind", "channel_sources.location"],
            name="fk_source_syncs_channel_sources",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("channel_id", "kind", "location", name="pk_source_syncs"),
    )
    op.create_table(
        "channel_schedules",
        sa.Column("channel_id", sa.Text(), nullable=False),
        sa.Column("every_s", sa.BigInteger()),
        sa.Column("interval_s", sa.BigInteger(), nullable=False),
        sa.Column("due_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(
            ["channel_id"],
            ["channels.id"],
            name="fk_channel_schedules_channels",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("channel_id", name="pk_channel_schedules"),
    )
    op.create_index("ix_channel_schedules_due_at", "channel_schedules", ["due_at"])
    op.create_table(
        "quota_days",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("day", sa.Text(), nullable=False),
        sa.Column("used", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("account", "day", name="pk_quota_days"),
    )


def downgrade() -> None:
    """Drop them and what they hold."""
    op.drop_table("quota_days")
    op.drop_table("channel_schedules")
    op.drop_table("source_syncs")
    op.drop_column("items", "left_at")
    op.drop_column("items", "first_listed_at")
