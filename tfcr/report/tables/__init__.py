"""The findings as text: CSV files, Markdown and LaTeX for a paper, and lines for a terminal.

Every function takes sections and returns the whole file. They import findings and their formatting, no figure.
"""
