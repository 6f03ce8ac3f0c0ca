# From raw Hugging Face datasets to a recommended fine-tuning configuration per student.
#
#   snakemake -n                                                what would be done (smoke study)
#   snakemake --profile profiles/smoke                          the smoke study
#   snakemake --profile profiles/local                          the real study, one machine
#   snakemake --profile profiles/slurm                          the real study, a cluster

from snakemake.utils import min_version

min_version("9.27")


report: "rules/captions/workflow.rst"


include: "rules/common.smk"
include: "rules/fetch.smk"
include: "rules/data.smk"
include: "rules/train.smk"
include: "rules/predict.smk"
include: "rules/judge.smk"
include: "rules/score.smk"


if study.lm_eval_controls:

    include: "rules/lm_eval.smk"


include: "rules/recommend.smk"
include: "rules/retain.smk"
include: "rules/report.smk"
include: "rules/review.smk"
include: "rules/exports.smk"
include: "rules/hooks.smk"


rule all:
    default_target: True
    input:
        "<results>/report/index.html",
        targets.retained_files(study),
