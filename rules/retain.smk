# Needs: a student's recommendation, and all metrics, so that nobody needs the weights any more.
# Makes: results/retained/{student}.json, and removes weights from results/checkpoints/{student}.
#
# Only where the study file says `keep: feasible` or `keep: recommended`. The checkpoint folders
# stay, with all but their weights: to Snakemake they are as before, and nothing is trained again.


rule retain:
    input:
        recommendation="<results>/recommendations/{student}.json",
        metrics=lambda w: targets.metrics_files(study, w.student),
    output:
        "<results>/retained/{student}.json",
    log:
        text="<logs>/retained/{student}.log",
        record="<records>/retained/{student}.json",
    localrule: True
    conda:
        "../envs/score.yaml"
    params:
        code=code_version("scripts/retain.py"),
        keep=study.config["keep"],
        variants=lambda w: study.variants(w.student)[1:],
        results=subpath(output[0], ancestor=2),
    message:
        "Removing weights of {wildcards.student} that need not stay"
    shell:
        "python scripts/retain.py --recommendation {input.recommendation} --keep {params.keep}"
        " --results {params.results} --student {wildcards.student}"
        " --variants {params.variants:q} --output {output}"
        " --record {log.record} > {log.text} 2>&1"
