"""
What a source says of its scope, and channels whose name a person chose.

Channels keep their ids: a source that does not name its channel is read under the id that it is
registered with.

Revision ID: 0009
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add both columns; what is stored has no scope until it is read again."""
    op.add_column("source_syncs", sa.Column("scope", sa.JSON()))
    op.add_column("channels", sa.Column("named", sa.Boolean()))


def downgrade() -> None:
    """Drop them."""
    op.drop_column("channels", "named")
    op.drop_column("source_syncs", "scope")
