"""The report on the course of one patient: one PDF or HTML file, in the order in which a physician reads."""

from lutetia.app.report.course.content import CourseContent
from lutetia.app.report.course.writing import html_bytes, pdf_bytes

__all__ = ["CourseContent", "html_bytes", "pdf_bytes"]
