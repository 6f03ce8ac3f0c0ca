"""What a study needs and what it has cost; read by people, by no job.

``measured``  GPU or CPU seconds, tokens and MFU of past jobs, from their records
``forecast``  jobs, GPU or CPU hours and disk of a study that has not begun
``left``      how long a study that has begun still takes, from the times of its jobs
``needs``     memory of a study's trainings, by the formula of `training.memory`
"""
