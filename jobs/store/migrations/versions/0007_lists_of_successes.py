"""
Which channels are known only by the items of theirs that did well.

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
    """Keep it with the channel; what is stored already is told at the next sync."""
    op.add_column("channels", sa.Column("successes_only", sa.Boolean()))


def downgrade() -> None:
    """Forget it."""
    op.drop_column("channels", "successes_only")
