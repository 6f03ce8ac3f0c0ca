"""The figures of a study, drawn from its tables alone.

``names``           which figures there are, for rules
``draw``            every figure, by its kind
``gains``, ``forgetting``, ``trials``, ``effects``, ``parallel``, ``configurations``, ``curves``
                one kind each, or two alike
``common``          what they share
``style``           how all of them look
``svg``             what becomes of matplotlib's SVG
"""
