"""
The first tables: channels, their counters, and what is made of them.

Revision ID: 0001
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# What `jobs.store.types.UtcDateTime` stores; written out, since a revision never changes.
INSTANT = sa.DateTime(timezone=True).with_variant(sa.BigInteger(), "sqlite")


def upgrade() -> None:
    """Create all tables, parents first."""
    _create_channels()
    _create_counters()
    _create_analyses()
    _create_analysis_parts()
    _create_notifications()


def downgrade() -> None:
    """Drop all tables, children first."""
    for table in (
        "notifications",
        "renderings",
        "recommendations",
        "charts",
        "analyses",
        "item_snapshots",
        "channel_snapshots",
        "items",
        "channel_sources",
        "channels",
    ):
        op.drop_table(table)


def _create_channels() -> None:
    op.create_table(
        "channels",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("url", sa.Text()),
        sa.Column("generated", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_channels"),
    )
    op.create_table(
        "channel_sources",
        sa.Column("channel_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("location", sa.Text(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        _belongs_to("channels", "channel_sources"),
        sa.PrimaryKeyConstraint("channel_id", "kind", "location", name="pk_channel_sources"),
    )
    op.create_table(
        "items",
        sa.Column("channel_id", sa.Text(), nullable=False),
        sa.Column("item_id", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("published_at", INSTANT),
        sa.Column("duration_s", sa.BigInteger()),
        sa.Column("url", sa.Text()),
        sa.Column("category", sa.Text()),
        _belongs_to("channels", "items"),
        sa.PrimaryKeyConstraint("channel_id", "item_id", name="pk_items"),
    )


def _create_counters() -> None:
    op.create_table(
        "channel_snapshots",
        sa.Column("channel_id", sa.Text(), nullable=False),
        sa.Column("observed_at", INSTANT, nullable=False),
        sa.Column("subscribers", sa.BigInteger()),
        sa.Column("views", sa.BigInteger()),
        sa.Column("items", sa.BigInteger()),
        _belongs_to("channels", "channel_snapshots"),
        sa.PrimaryKeyConstraint("channel_id", "observed_at", name="pk_channel_snapshots"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "item_snapshots",
        sa.Column("channel_id", sa.Text(), nullable=False),
        sa.Column("item_id", sa.Text(), nullable=False),
        sa.Column("observed_at", INSTANT, nullable=False),
        sa.Column("views", sa.BigInteger()),
        sa.Column("likes", sa.BigInteger()),
        sa.Column("comments", sa.BigInteger()),
        sa.ForeignKeyConstraint(
            ["channel_id", "item_id"],
            ["items.channel_id", "items.item_id"],
            name="fk_item_snapshots_items",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("channel_id", "item_id", "observed_at", name="pk_item_snapshots"),
        sqlite_with_rowid=False,
    )


def _create_analyses() -> None:
    op.create_table(
        "analyses",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("channel_id", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.Column("analysed_at", INSTANT, nullable=False),
        sa.Column("charted_at", INSTANT),
        sa.Column("recommended_at", INSTANT),
        _belongs_to("channels", "analyses"),
        sa.PrimaryKeyConstraint("id", name="pk_analyses"),
    )
    op.create_index("ix_analyses_channel_id_analysed_at", "analyses", ["channel_id", "analysed_at"])


def _create_analysis_parts() -> None:
    op.create_table(
        "charts",
        sa.Column("analysis_id", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("spec", sa.JSON(), nullable=False),
        sa.Column("alt", sa.Text(), nullable=False),
        _belongs_to("analyses", "charts"),
        sa.PrimaryKeyConstraint("analysis_id", "key", name="pk_charts"),
    )
    op.create_table(
        "recommendations",
        sa.Column("analysis_id", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("advice", sa.Text(), nullable=False),
        sa.Column("evidence", sa.JSON(), nullable=False),
        sa.Column("strength", sa.Text(), nullable=False),
        _belongs_to("analyses", "recommendations"),
        sa.PrimaryKeyConstraint("analysis_id", "key", name="pk_recommendations"),
    )
    op.create_table(
        "renderings",
        sa.Column("analysis_id", sa.Text(), nullable=False),
        sa.Column("chart_key", sa.Text(), nullable=False),
        sa.Column("format", sa.Text(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("rendered_at", INSTANT, nullable=False),
        _belongs_to("analyses", "renderings"),
        sa.PrimaryKeyConstraint("analysis_id", "chart_key", "format", name="pk_renderings"),
    )


def _create_notifications() -> None:
    op.create_table(
        "notifications",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("channel_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("recorded_at", INSTANT, nullable=False),
        sa.Column("delivered_at", INSTANT),
        _belongs_to("channels", "notifications"),
        sa.PrimaryKeyConstraint("key", name="pk_notifications"),
    )
    op.create_index("ix_notifications_channel_id", "notifications", ["channel_id"])


def _belongs_to(parent: str, child: str) -> sa.ForeignKeyConstraint:
    column = {"channels": "channel_id", "analyses": "analysis_id"}[parent]
    return sa.ForeignKeyConstraint(
        [column], [f"{parent}.id"], name=f"fk_{child}_{parent}", ondelete="CASCADE"
    )
