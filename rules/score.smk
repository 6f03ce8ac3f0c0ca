# Needs: results/predictions/{student}/{variant}/{evalset}.jsonl and the eval set's data.
# Makes: results/metrics/{student}/{variant}/{evalset}.json
#
# Local rules: on a cluster, scheduling a job takes longer than scoring a file.


rule score:
    input:
        predictions="<results>/predictions/{student}/{variant}/{task}.{split}.jsonl",
        data="<results>/data/{task}/{split}.jsonl",
    output:
        "<results>/metrics/{student}/{variant}/{task}.{split}.json",
    log:
        text="<logs>/metrics/{student}/{variant}/{task}.{split}.log",
        record="<records>/metrics/{student}/{variant}/{task}.{split}.json",
    localrule: True
    conda:
        "../envs/score.yaml"
    params:
        code=lambda w: code_version("scripts/score.py", module_files(w.task, "score")),
        options=lambda w: as_json(jobs.score_options(study, w.task)),
        decoding=lambda w: jobs.score_decoding(study, w.task),
    message:
        "Scoring {wildcards.student} {wildcards.variant} on {wildcards.task}.{wildcards.split}"
    shell:
        "python scripts/score.py --predictions {input.predictions} --data {input.data}"
        " --student {wildcards.student} --variant {wildcards.variant}"
        " --task {wildcards.task} --split {wildcards.split}"
        " --options {params.options:q} {params.decoding:q} --output {output}"
        " --record {log.record} > {log.text} 2>&1"


rule score_control:
    input:
        predictions="<results>/predictions/{student}/{variant}/{control}.jsonl",
        data="<results>/data/{control}/test.jsonl",
        judgements=lambda w: jobs.judgements(study, w.control),
        review=lambda w: jobs.reviews(study, w.student, w.control),
    output:
        "<results>/metrics/{student}/{variant}/{control}.json",
    log:
        text="<logs>/metrics/{student}/{variant}/{control}.log",
        record="<records>/metrics/{student}/{variant}/{control}.json",
    localrule: True
    conda:
        "../envs/score.yaml"
    params:
        code=lambda w: code_version(
            "scripts/score.py",
            module_files(w.control, "score") + jobs.judge_files(study, w.control),
        ),
        options=lambda w: as_json(jobs.score_options(study, w.control)),
        replies=lambda w, input: jobs.score_replies(
            study, w.control, input.judgements, input.review
        ),
    message:
        "Scoring {wildcards.student} {wildcards.variant} on {wildcards.control}"
    shell:
        "python scripts/score.py --predictions {input.predictions} --data {input.data}"
        " --student {wildcards.student} --variant {wildcards.variant}"
        " --task {wildcards.control} --options {params.options:q} {params.replies:q}"
        " --output {output}"
        " --record {log.record} > {log.text} 2>&1"
