"""
Analyses keep an answer for each subject; channels a profile, and similar channels.

Revision ID: 0005
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

# What `jobs.store.types.UtcDateTime` stores; written out, since a revision never changes.
INSTANT = sa.DateTime(timezone=True).with_variant(sa.BigInteger(), "sqlite")


def upgrade() -> None:
    """Add the column and the table; earlier analyses have no answers."""
    op.add_column("analyses", sa.Column("answers", sa.JSON()))
    op.create_table(
        "channel_profiles",
        sa.Column("channel_id", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("profile", sa.LargeBinary(), nullable=False),
        sa.Column("similar", sa.JSON()),
        sa.Column("compared_at", INSTANT),
        sa.ForeignKeyConstraint(
            ["channel_id"],
            ["channels.id"],
            name="fk_channel_profiles_channels",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("channel_id", name="pk_channel_profiles"),
    )


def downgrade() -> None:
    """Drop both."""
    op.drop_table("channel_profiles")
    op.drop_column("analyses", "answers")
