"""
Items have the publisher's tags, one a line, and whether they were broadcast live.

Revision ID: 0002
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns, empty for stored items."""
    op.add_column("items", sa.Column("tags", sa.Text()))
    op.add_column("items", sa.Column("live", sa.Boolean()))


def downgrade() -> None:
    """Drop the columns and what they hold."""
    op.drop_column("items", "live")
    op.drop_column("items", "tags")
