"""Pictures of a report on a course: over time, the laboratory, and organ doses as they add up."""
