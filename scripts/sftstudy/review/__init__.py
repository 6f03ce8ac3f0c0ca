"""The page on which a person judges replies, blind to which model gave them.

``listed``  which replies are asked about, and in which order
``page``    the page and the sheet of them
"""
