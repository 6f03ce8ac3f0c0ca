"""The tasks and controls of a study: one folder each, one line each in ``registry.py``.

A task says everything about itself: no module outside this package names one.

``data.py``  reads the raw source and makes the rows (prompt, target, reference).
``smoke.py`` writes a small source in the same raw format.
``score.py`` reads replies and says what each is worth.

They are three files because they are three inputs of the workflow: an edit of ``score.py`` must
not touch what was made by ``data.py``. Two more stand where there is a use for them: ``options.py``
(what a study file may say of this task alone) and the folder ``judges`` (what judge models are
asked, a module for each format that they speak).

``task``      the contract: what each of these files offers
``registry``  which tasks and controls there are, and what each offers
``rawfiles``  for data.py: reading CSV and parquet files, with errors that name file and row
``draws``     for smoke.py: seeded drawing
``replies``   for score.py: what is common to reading a reply
``labels``    for score.py: metrics of tasks whose reply is one label
``judging``   for judges: a reply as a part of a question, and their verdicts
``corpus``    the conversations that the smoke student is made of
"""
