"""What a study needs and what it has cost; read by people, by no job.

``measured``    GPU or CPU seconds, tokens and MFU of past jobs, from their records
``forecast``    jobs, GPU or CPU hours and disk of a study that has not begun
``judge_jobs``  the jobs that ask a judge: how many questions, how long
``left``        how long a study that has begun still takes, from the times of its jobs
``power``       how likely a study proves its gates and gains, drawn before it begins; from what say
                ``past_rates``, ``past_runs`` and ``eval_sizes``; ``power_costs`` and ``power_told``
                tell it
``needs``       memory of a study's trainings, by the formula of `training.memory`
"""
