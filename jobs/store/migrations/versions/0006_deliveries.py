"""
Deliveries of notifications, one row for each target; some are about no channel.

Revision ID: 0006
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True).with_variant(sa.BigInteger(), "sqlite")


def upgrade() -> None:
    """Allow notifications without a channel, and make the table of deliveries."""
    with op.batch_alter_table("notifications") as table:
        table.alter_column("channel_id", existing_type=sa.Text(), nullable=True)
    op.create_table(
        "deliveries",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("due_at", INSTANT, nullable=False),
        sa.Column("attempts", sa.BigInteger(), nullable=False),
        sa.Column("message_id", sa.Text()),
        sa.Column("claimed_at", INSTANT),
        sa.Column("error", sa.Text()),
        sa.ForeignKeyConstraint(
            ["key"], ["notifications.key"], name="fk_deliveries_notifications", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("key", "target", name="pk_deliveries"),
    )
    op.create_index(
        "ix_deliveries_target_state_due_at", "deliveries", ["target", "state", "due_at"]
    )


def downgrade() -> None:
    """Drop them, and the notifications that are about no channel."""
    op.drop_table("deliveries")
    op.execute("DELETE FROM notifications WHERE channel_id IS NULL")
    with op.batch_alter_table("notifications") as table:
        table.alter_column("channel_id", existing_type=sa.Text(), nullable=False)
