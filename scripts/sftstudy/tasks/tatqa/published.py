"""Test questions of TAT-QA, some six to a document: for plans before the data are there."""

ROWS = 1669
ROWS_A_GROUP = 6
