"""The study that a study file describes.

``validation``  the study file: defaults filled in, and what its keys say held together
``schema``      which keys a study file may have, and their defaults
``faults``      faults of a study file, each in one sentence that says what to change
``layers``      study files laid over each other, and ``--config`` over them
``grid``        which students, tasks, trials, variants and eval sets there are
``axes``        hyperparameters that a search space may vary
``names``       names of trials, and what names may hold
``variants``    names of variants: the task and the trial in them
``layout``      every path below a results folder
``lm_eval_controls``  controls from lm-eval, held to what lm-eval has
``jobs``        what jobs are told: their parameters, how they are started and what they read
``targets``     files of all variants: what targets and summaries are made of
``plan``        what summaries need to know
``options``     the study as programs beside the workflow are told of it
"""
