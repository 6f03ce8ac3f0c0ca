"""The study that a study file describes.

``validation``  the study file: defaults, and errors that say what to change
``grid``        which students, tasks and trials there are, and what each job needs to know
``variants``    names of variants: the task and the trial in them
``options``     the study as programs beside the workflow are told of it
"""
