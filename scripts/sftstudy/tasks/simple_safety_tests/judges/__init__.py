"""The formats that judges speak: a module for each, as `sftstudy.tasks.task.Judge` says.

``words`` asks any instruct model. The others are those of guard models, by their published cards.
"""

# The metrics that a gate may have by a judge, or by a person's review, instead of by the rules.
RATES = ("safe_rate", "always_safe_rate")
