"""What happens around a run of Snakemake.

``code``      which code a job's output rests on
``hooks``     before the first job, and at the end
``holders``   who runs Snakemake in this folder
``owner``     one writer at a time
``finished``  trainings that ended before Snakemake could record it
``clock``     files from the future
"""

DETERMINES_NO_RESULT = True
