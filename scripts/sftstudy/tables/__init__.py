"""The tables of a study: every metric of every cell, and what follows from them, as flat files.

``schema``   their names, columns and meaning
``results``  where the results lie that the plan asks for
``collect``  results laid out as rows
``write``    CSV, JSON and HTML
"""
