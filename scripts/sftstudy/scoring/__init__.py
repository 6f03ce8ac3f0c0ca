"""From replies to metrics; what is a task's own stands in its ``score.py``.

``document``  replies of one variant on one eval set to their metrics file
``several``   several replies to a row: its item, and what is measured over it
``lm_eval``   what lm-eval says of one variant on one control to its metrics file
"""
