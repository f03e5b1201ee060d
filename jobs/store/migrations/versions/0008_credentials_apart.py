"""
Secrets of sources' addresses, apart from the addresses by which sources are known.

Revision ID: 0008
"""

from __future__ import annotations

import re

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

# As `jobs.channel.addresses` had it; written out, since a revision never changes. Secret parameters
# are moved by `jobs.store.credentials`.
_USER = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*://)(?:(?P<user>[^/?#\s:]*)"
    r":(?!\d{1,5}(?:[/?#]|$))\S*@|[^/?#\s]*@)",
    re.IGNORECASE,
)

_KEY = ("channel_id", "kind", "location")
_sources = sa.table("channel_sources", *map(sa.column, (*_KEY, "position")))
_syncs = sa.table("source_syncs", *map(sa.column, _KEY))
_credentials = sa.table("source_credentials", *map(sa.column, (*_KEY, "address")))


def upgrade() -> None:
    """Add the table, and move the addresses with a user name or a password into it."""
    op.create_table(
        "source_credentials",
        sa.Column("channel_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("location", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["channel_id", "kind", "location"],
            ["channel_sources.channel_id", "channel_sources.kind", "channel_sources.location"],
            name="fk_source_credentials_channel_sources",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("channel_id", "kind", "location", name="pk_source_credentials"),
    )
    connection = op.get_bind()
    if connection.dialect.name == "sqlite":
        # Else the old text stays in the file until its page is used again.
        connection.execute(sa.text("PRAGMA secure_delete = ON"))
    rows = connection.execute(sa.select(_sources).where(_sources.c.location.contains("@"))).all()
    for row in sorted(rows, key=lambda one: one.position):
        bare = _without_secrets(row.location)
        if bare != row.location:
            key = {name: getattr(row, name) for name in _KEY}
            _move(connection, key, bare, row.position)


def _without_secrets(location: str) -> str:
    found = _USER.match(location)
    if found is None:
        return location
    user = "" if found["user"] is None else f"{found['user']}:"
    return f"{found['scheme']}{user}…@{location[found.end() :]}"


def _move(connection: sa.Connection, old: dict[str, str], bare: str, position: int) -> None:
    """Make the source one of *bare*, its last sync included; of two that become one, the later."""
    new = old | {"location": bare}
    for table in (_syncs, _credentials, _sources):
        connection.execute(sa.delete(table).where(*_is(table, new)))
    connection.execute(sa.insert(_sources).values(**new, position=position))
    connection.execute(sa.insert(_credentials).values(**new, address=old["location"]))
    connection.execute(sa.update(_syncs).where(*_is(_syncs, old)).values(location=bare))
    connection.execute(sa.delete(_sources).where(*_is(_sources, old)))


def _is(table: sa.TableClause, key: dict[str, str]) -> list[sa.ColumnElement[bool]]:
    return [table.c[name] == value for name, value in key.items()]


def downgrade() -> None:
    """Put whole addresses back, and drop the table."""
    connection = op.get_bind()
    for row in connection.execute(sa.select(_credentials)).all():
        old = {name: getattr(row, name) for name in _KEY}
        new = old | {"location": row.address}
        [position] = connection.execute(
            sa.select(_sources.c.position).where(*_is(_sources, old))
        ).one()
        connection.execute(sa.delete(_credentials).where(*_is(_credentials, old)))
        connection.execute(sa.insert(_sources).values(**new, position=position))
        connection.execute(sa.update(_syncs).where(*_is(_syncs, old)).values(location=row.address))
        connection.execute(sa.delete(_sources).where(*_is(_sources, old)))
    op.drop_table("source_credentials")
