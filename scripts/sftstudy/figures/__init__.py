"""The figures of a study, drawn from its tables alone.

``names``  which figures there are, for rules
``draw``   every figure
``style``  how all of them look
"""
