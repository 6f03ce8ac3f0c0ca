"""The verdicts by name, for everything that shows them; nothing heavy here."""

RECOMMENDED = "RECOMMENDED"
PROVISIONAL = "PROVISIONAL"
NO_FEASIBLE = "NO FEASIBLE CONFIGURATION"
BASELINE_FAILS = "BASELINE FAILS GATE"
# What tables and report say of a student that no recommendation was made for.
MISSING = "MISSING"
