"""IFEval's prompts, as Google published them: for plans before the data are there."""

ROWS = 541
ROWS_A_GROUP = 1
