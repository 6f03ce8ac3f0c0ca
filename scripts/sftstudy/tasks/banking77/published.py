"""Test messages of banking77: for plans before the data are there."""

ROWS = 3080
ROWS_A_GROUP = 1
