"""From replies to metrics; what is a task's own stands in its ``score.py``.

``document``  replies of one variant on one eval set to their metrics file
``review``    what a person says of these replies: which ones are asked, and the rate by review
``several``   several replies to a row: its item, and what is measured over it
``lm_eval``   what lm-eval says of one variant on one control to its metrics file
"""
