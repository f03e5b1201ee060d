"""
The platform's own days, on which the counters of most channels were late or caught up.

Revision ID: 0010
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table; the next measurement fills it."""
    op.create_table(
        "platform_days",
        sa.Column("platform", sa.Text(), primary_key=True),
        sa.Column("day", sa.Date(), primary_key=True),
        sa.Column("factor", sa.Double(), nullable=False),
        sa.Column("spread", sa.Double(), nullable=False),
        sa.Column("channels", sa.BigInteger(), nullable=False),
    )


def downgrade() -> None:
    """Drop it; it is measured again from the counters."""
    op.drop_table("platform_days")
