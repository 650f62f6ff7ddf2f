"""When things are due: cycles, washout, laboratory, the day of a cycle, and a calendar of them."""

from lutetia.therapy.schedule.calendar import Entry, calendar_text
from lutetia.therapy.schedule.cycle_day import Check, DayOrder, check_day, day_orders, events_of_day
from lutetia.therapy.schedule.laboratory import LabDue, lab_plan
from lutetia.therapy.schedule.windows import CycleWindow, WashoutDate, cycle_windows, earliest_date, washout_dates

__all__ = [
    "Check",
    "CycleWindow",
    "DayOrder",
    "Entry",
    "LabDue",
    "WashoutDate",
    "calendar_text",
    "check_day",
    "cycle_windows",
    "day_orders",
    "earliest_date",
    "events_of_day",
    "lab_plan",
    "washout_dates",
]
