"""Courses, their revisions and their audit trail.

Revision ID: courses_1
"""

import sqlalchemy as sa
from alembic import op

revision = "courses_1"
down_revision: str | None = None
branch_labels = None
depends_on = None

APPEND_ONLY = ("audit", "revision")


def upgrade() -> None:
    """Make the tables, and the triggers that refuse changes of what was written."""
    op.create_table(
        "course",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("pseudonym", sa.String(64), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_course"),
        sa.UniqueConstraint("pseudonym", name="uq_course_pseudonym"),
    )
    _audit()
    _revision()
    _triggers()


def _audit() -> None:
    op.create_table(
        "audit",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("course_id", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("at", sa.String(40), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("action", sa.String(16), nullable=False),
        sa.Column("entry", sa.String(40), nullable=False),
        sa.Column("old", sa.Text(), nullable=True),
        sa.Column("new", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit"),
        sa.ForeignKeyConstraint(["course_id"], ["course.id"], name="fk_audit_course_id_course"),
        sa.UniqueConstraint("course_id", "position", name="uq_audit_course_id_position"),
    )
    op.create_index("ix_audit_course_id", "audit", ["course_id"])


def _revision() -> None:
    op.create_table(
        "revision",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("course_id", sa.Integer(), nullable=False),
        sa.Column("audit_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(24), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("content", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_revision"),
        sa.ForeignKeyConstraint(["course_id"], ["course.id"], name="fk_revision_course_id_course"),
        sa.ForeignKeyConstraint(["audit_id"], ["audit.id"], name="fk_revision_audit_id_audit"),
        sa.UniqueConstraint(
            "course_id", "kind", "number", "revision", name="uq_revision_course_id_kind_number_revision"
        ),
    )
    op.create_index("ix_revision_course_id", "revision", ["course_id"])


def _triggers() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            "CREATE FUNCTION lutetia_append_only() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'this table only grows'; END $$"
        )
        for table in APPEND_ONLY:
            op.execute(
                f"CREATE TRIGGER {table}_only_grows BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
                "FOR EACH STATEMENT EXECUTE FUNCTION lutetia_append_only()"
            )
        return
    for table in APPEND_ONLY:
        for event in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER {table}_no_{event.lower()} BEFORE {event} ON {table} "
                "BEGIN SELECT RAISE(ABORT, 'this table only grows'); END"
            )
