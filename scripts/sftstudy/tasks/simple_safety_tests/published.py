"""SimpleSafetyTests' prompts: for plans before the data are there."""

ROWS = 100
ROWS_A_GROUP = 1
