"""What happens around a run of Snakemake.

``code``      which code a job's output rests on
``syntax``    what of a module's text counts for that
``keeping``   results that are kept though their code has changed
``hooks``     before the first job, and at the end
``stages``    the stages of a study, and the rules of each
``holders``   who runs Snakemake in this folder
``owner``     one writer at a time
``finished``  trainings that ended before Snakemake could record it
``clock``     files from the future

``snakemake_internals`` is all that is used of Snakemake beyond what it documents.
"""

DETERMINES_NO_RESULT = True
