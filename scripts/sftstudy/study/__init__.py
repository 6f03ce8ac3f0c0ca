"""The study that a study file describes.

``validation``  the study file: defaults, and errors that say what to change
``layers``      study files laid over each other, and ``--config`` over them
``grid``        which students, tasks, trials, variants and eval sets there are
``axes``        hyperparameters that a search space may vary
``names``       names of trials, and what names may hold
``variants``    names of variants: the task and the trial in them
``layout``      every path below a results folder
``lm_eval_controls``  controls from lm-eval, held to what lm-eval has
``jobs``        what jobs are told: their parameters, how they are started and what they read
``plan``        what summaries need to know
``options``     the study as programs beside the workflow are told of it
"""
