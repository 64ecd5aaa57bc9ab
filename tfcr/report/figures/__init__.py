"""The report's figures, one file each, drawn by matplotlib. Equal runs give equal bytes.

`drawing` has what they share. A figure takes what `findings` measured and gives a `Drawing`; it imports no table and no
page.
"""
