"""What the runs show, before anything is drawn or printed: their measures by condition, comparisons and conflicts.

`sections` divides it as the report is divided. Figures, tables and the page read these facts; they import from here,
never the other way.
"""
