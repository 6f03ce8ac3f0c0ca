"""The figures of a study, drawn from its tables alone.

``names``           which figures there are, for rules
``draw``            every figure, by its kind
``gains``, ``forgetting``, ``trials``, ``configurations``, ``curves``  one kind each, or two alike
``common``          what they share
``style``           how all of them look
"""
