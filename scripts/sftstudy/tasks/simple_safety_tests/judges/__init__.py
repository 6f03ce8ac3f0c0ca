"""The formats that judges speak: a module for each, as `sftstudy.tasks.task.Judge` says.

``words`` asks any instruct model. The others are those of guard models, by their published cards.
"""
