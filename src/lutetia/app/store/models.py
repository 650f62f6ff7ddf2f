"""Tables of the store.

A course has revisions of its records, and an audit trail; both only grow, which triggers of the database hold as well.
What a record says is one JSON text in ``content``: its fields are those of the classes of ``lutetia.therapy.course``, and
a new field there needs no new column here.
"""

from sqlalchemy import ForeignKey, MetaData, String, Text, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

NAMING = {
    "ix": "ix_%(column_0_label)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class Tables(DeclarativeBase):
    """All tables; constraints have names, so that a migration can change them."""

    metadata = MetaData(naming_convention=NAMING)


class CourseRow(Tables):
    """One patient's course; ``version`` counts its changes, and whoever changes it says which version was seen."""

    __tablename__ = "course"

    id: Mapped[int] = mapped_column(primary_key=True)
    pseudonym: Mapped[str] = mapped_column(String(64), unique=True)
    version: Mapped[int]


class AuditRow(Tables):
    """Who changed what, when, from what to what, and why; each entry holds the hash of the one before."""

    __tablename__ = "audit"
    __table_args__ = (UniqueConstraint("course_id", "position"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    course_id: Mapped[int] = mapped_column(ForeignKey("course.id"), index=True)
    position: Mapped[int]
    at: Mapped[str] = mapped_column(String(40))
    who: Mapped[str] = mapped_column(Text)
    action: Mapped[str] = mapped_column(String(16))
    entry: Mapped[str] = mapped_column(String(40))
    old: Mapped[str | None] = mapped_column(Text)
    new: Mapped[str | None] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(Text)
    hash: Mapped[str] = mapped_column(String(64))


class RevisionRow(Tables):
    """One revision of one record; without content the record is withdrawn from then on."""

    __tablename__ = "revision"
    __table_args__ = (UniqueConstraint("course_id", "kind", "number", "revision"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    course_id: Mapped[int] = mapped_column(ForeignKey("course.id"), index=True)
    audit_id: Mapped[int] = mapped_column(ForeignKey("audit.id"))
    kind: Mapped[str] = mapped_column(String(24))
    number: Mapped[int]
    revision: Mapped[int]
    content: Mapped[str | None] = mapped_column(Text)
