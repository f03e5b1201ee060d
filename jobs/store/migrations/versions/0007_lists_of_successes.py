"""
Which channels are known only by items that did well.

Revision ID: 0007
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; the next sync fills it."""
    op.add_column("channels", sa.Column("successes_only", sa.Boolean()))


def downgrade() -> None:
    """Drop the column."""
    op.drop_column("channels", "successes_only")
