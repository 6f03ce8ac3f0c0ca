"""From replies to metrics; what is a task's own stands in its ``score.py``.

``replies``   what is common to reading a reply, whatever the task
``labels``    the metrics of tasks whose reply is one label
``document``  replies of one cell to its metrics file
"""
