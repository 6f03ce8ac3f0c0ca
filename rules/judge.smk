# Needs: a judge model (`judge` of the study file), the replies to the safety prompts.
# Makes: results/judgements/{student}/{variant}/questions.jsonl and replies.jsonl
#
# Without a judge nobody asks for these files.


rule ask_judge:
    input:
        data="<results>/data/simple_safety_tests/test.jsonl",
        predictions="<results>/predictions/{student}/{variant}/simple_safety_tests.jsonl",
    output:
        "<results>/judgements/{student}/{variant}/questions.jsonl",
    log:
        text="<logs>/judgements/{student}/{variant}/questions.log",
        record="<records>/judgements/{student}/{variant}/questions.json",
    localrule: True
    conda:
        "../envs/score.yaml"
    params:
        code=code_version("scripts/ask_judge.py"),
    message:
        "Asking the judge about the replies of {wildcards.student} {wildcards.variant}"
    shell:
        "python scripts/ask_judge.py --data {input.data} --predictions {input.predictions}"
        " --output {output}"
        " --record {log.record} > {log.text} 2>&1"


use rule predict_select as predict_judge with:
    input:
        checkpoint=f"<results>/checkpoints/{study.judge}/base",
        data="<results>/judgements/{student}/{variant}/questions.jsonl",
    output:
        "<results>/judgements/{student}/{variant}/replies.jsonl",
    log:
        text="<logs>/judgements/{student}/{variant}/replies.log",
        record="<records>/judgements/{student}/{variant}/replies.json",
    threads: lambda w: study.student(study.judge)["cpus"]
    resources:  # those of the judge, not of the student that it judges
        **site.resources(lambda w: jobs.predict_facts(study, study.judge)),
        **jobs.serving(study),
    params:
        code=lambda w: code_version("scripts/predict.py", [jobs.engine_file(study, study.judge)]),
        generation=lambda w: as_json(jobs.generation(study, study.judge)),
        max_new_tokens=[8],
