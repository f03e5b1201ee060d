"""
The time zone of a channel's publications, which a person may set.

Revision ID: 0013
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; a channel without a zone is told of in UTC, as before."""
    op.add_column("channels", sa.Column("time_zone", sa.Text()))


def downgrade() -> None:
    """Drop it."""
    op.drop_column("channels", "time_zone")
