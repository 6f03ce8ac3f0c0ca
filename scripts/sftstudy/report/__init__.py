"""The report of a study: one self-contained page.

``page``        the page from first to last
``verdicts``    per student, what to ship, or why nothing
``overview``    key metrics, regret
``judgements``  where rules and judge agree
``samples``     the replies that the page carries
``evidence``    data, provenance, what is missing
``warnings``    what to know before trusting a number
"""
