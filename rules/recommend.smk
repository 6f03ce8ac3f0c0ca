# Needs: all metrics of a student, its checkpoints for what training cost, and the duplicates of the
#        tasks' data.
# Makes: results/recommendations/{student}.json, .md and the run files.


rule recommend:
    input:
        metrics=lambda w: jobs.metrics_files(study, w.student),
        checkpoints=lambda w: jobs.checkpoint_folders(study, w.student),
        duplicates=expand("<results>/data/{task}/duplicates.json", task=study.tasks),
    output:
        json="<results>/recommendations/{student}.json",
        markdown="<results>/recommendations/{student}.md",
        trl="<results>/recommendations/{student}.trl.yaml",
        oumi="<results>/recommendations/{student}.oumi.yaml",
        axolotl="<results>/recommendations/{student}.axolotl.yaml",
    log:
        text="<logs>/recommendations/{student}.log",
        record="<records>/recommendations/{student}.json",
    conda:
        "../envs/score.yaml"
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        code=code_version("scripts/recommend.py"),
        plan=lambda w: as_json(recommendation_plan(study, w.student)),
        results=subpath(output.json, ancestor=2),
    message:
        "Choosing a configuration for {wildcards.student}"
    shell:
        "python scripts/recommend.py --student {wildcards.student} --plan {params.plan:q}"
        " --metrics-root {params.results}/metrics/{wildcards.student}"
        " --checkpoints-root {params.results}/checkpoints/{wildcards.student}"
        " --duplicates {input.duplicates}"
        " --output {output.json} --markdown {output.markdown} --trl {output.trl}"
        " --oumi {output.oumi} --axolotl {output.axolotl}"
        " --record {log.record} > {log.text} 2>&1"
