# Needs: a judge model (`judge` of the study file), the replies to a control that can be judged.
# Makes: results/judgements/{student}/{variant}/{control}/questions.jsonl and replies.jsonl
#
# Without a judge nobody asks for these files.


rule ask_judge:
    input:
        data="<results>/data/{control}/test.jsonl",
        predictions="<results>/predictions/{student}/{variant}/{control}.jsonl",
    output:
        "<results>/judgements/{student}/{variant}/{control}/questions.jsonl",
    log:
        text="<logs>/judgements/{student}/{variant}/{control}/questions.log",
        record="<records>/judgements/{student}/{variant}/{control}/questions.json",
    localrule: True
    conda:
        "../envs/score.yaml"
    params:
        code=lambda w: code_version("scripts/ask_judge.py", jobs.judge_files(study, w.control)),
        judge_format=study.judge_format,
    message:
        "Writing questions for the judge about {wildcards.student} {wildcards.variant} on {wildcards.control}"
    shell:
        "python scripts/ask_judge.py --control {wildcards.control} --format {params.judge_format}"
        " --data {input.data} --predictions {input.predictions} --output {output}"
        " --record {log.record} > {log.text} 2>&1"


use rule predict_select as predict_judge with:
    input:
        checkpoint=f"<results>/checkpoints/{study.judge}/base",
        data="<results>/judgements/{student}/{variant}/{control}/questions.jsonl",
    output:
        "<results>/judgements/{student}/{variant}/{control}/replies.jsonl",
    log:
        text="<logs>/judgements/{student}/{variant}/{control}/replies.log",
        record="<records>/judgements/{student}/{variant}/{control}/replies.json",
    conda:
        jobs.environment(
            study,
            [study.judge] if study.judge else [],
            "../envs/predict.yaml",
            vllm="../envs/predict-vllm.yaml",
        )
    threads: lambda w: study.student(study.judge)["cpus"]
    resources:  # those of the judge, not of the student that it judges
        **site.resources(lambda w: jobs.predict_facts(study, study.judge)),
        **jobs.serving(study),
    params:
        code=lambda w: code_version("scripts/predict.py", [jobs.engine_file(study, study.judge)]),
        generation=lambda w: as_json(jobs.judge_generation(study, w.control)),
        max_new_tokens=lambda w: [judge_module(w.control, study.judge_format).MAX_NEW_TOKENS],
        decoding=[],  # a judge says what it finds likeliest
        drop="",  # a reply that is scored is judged
    message:
        "Asking the judge about {wildcards.student} {wildcards.variant} on {wildcards.control}"
