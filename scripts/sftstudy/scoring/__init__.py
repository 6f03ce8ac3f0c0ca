"""From replies to metrics; what is a task's own stands in its ``score.py``.

``document``  replies of one variant on one eval set to their metrics file
``lm_eval``   what lm-eval says of one variant on one control to its metrics file
"""
