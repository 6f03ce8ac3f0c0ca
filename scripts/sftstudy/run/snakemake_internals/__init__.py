"""All that this project uses of Snakemake beyond what Snakemake documents.

Snakemake's hooks get an object `workflow` that is not described; what a run has begun and recorded
in its folder can be asked of nobody; and there is no way to accept an output whose code has changed
(snakemake/snakemake issues 2210 and 3546: the offered ``--cleanup-metadata`` has Snakemake forget
what it knows of the output, so that no later change is seen either).

``run``     a run as the hooks see it, and the marks that runs leave in their folder
``plan``    what a run would do, and having Snakemake accept outputs
``errors``  errors that users are meant to read, printed without frames
``log``     what a run prints, made short

Everything was checked on the version below, which publishes no types. A test fails where another
version no longer has what is used here.
"""

CHECKED_ON = "9.27.1"
