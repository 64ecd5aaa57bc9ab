"""The report as one HTML file: its chapters, with their figures, rendered by the templates beside this file.

`render.render_page` is the way in. Tables are no part of it: both read the same findings.
"""
