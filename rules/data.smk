# Needs: results/raw/{dataset}, the students' tokenizers.
# Makes: results/data/{task}/{train,val,test}.jsonl, results/data/{control}/test.jsonl,
#        results/data/{task}/lengths/{student}.json, results/data/{task}/card.json,
#        results/data/{task}/duplicates.json, results/data/{dataset}/fits/{student}.json,
#        of a control from lm-eval also results/data/{control}/task.json: what it measures.


rule prepare:
    input:
        raw="<results>/raw/{task}",
    output:
        train="<results>/data/{task}/train.jsonl",
        val="<results>/data/{task}/val.jsonl",
        test="<results>/data/{task}/test.jsonl",
    log:
        text="<logs>/data/{task}/prepare.log",
        record="<records>/data/{task}/prepare.json",
    conda:
        "../envs/fetch.yaml"
    params:
        code=lambda w: code_version("scripts/prepare.py", module_files(w.task, "data")),
        options=lambda w: jobs.prepare_options(study, w.task),
    message:
        "Making the splits of {wildcards.task}"
    shell:
        "python scripts/prepare.py --task {wildcards.task} --raw {input.raw} {params.options:q}"
        " --output-dir $(dirname {output.train})"
        " --record {log.record} > {log.text} 2>&1"


rule prepare_control:
    input:
        raw="<results>/raw/{control}",
    output:
        test="<results>/data/{control}/test.jsonl",
    log:
        text="<logs>/data/{control}/prepare.log",
        record="<records>/data/{control}/prepare.json",
    conda:
        "../envs/fetch.yaml"
    params:
        code=lambda w: code_version("scripts/prepare.py", module_files(w.control, "data")),
        options=lambda w: jobs.prepare_options(study, w.control),
    message:
        "Making the prompts of {wildcards.control}"
    shell:
        "python scripts/prepare.py --task {wildcards.control} --raw {input.raw} {params.options:q}"
        " --output-dir $(dirname {output.test})"
        " --record {log.record} > {log.text} 2>&1"


# One file per student: a student that is added must not make the others train again.
rule lengths:
    input:
        splits=expand("<results>/data/{{task}}/{split}.jsonl", split=["train", "val", "test"]),
        student="<results>/checkpoints/{student}/base",
    output:
        "<results>/data/{task}/lengths/{student}.json",
    log:
        text="<logs>/data/{task}/lengths/{student}.log",
        record="<records>/data/{task}/lengths/{student}.json",
    conda:
        "../envs/fetch.yaml"
    params:
        code=code_version("scripts/lengths.py"),
        max_length=lambda w: study.student(w.student)["max_length"],
        chat_template_kwargs=lambda w: as_json(study.student(w.student)["chat_template_kwargs"]),
        drop=jobs.drop_overlong(study),
    message:
        "Measuring the rows of {wildcards.task} with the tokenizer of {wildcards.student}"
    shell:
        "python scripts/lengths.py --task {wildcards.task} --data $(dirname {input.splits[0]})"
        " --student-dir {input.student} --max-length {params.max_length}"
        " --chat-template-kwargs {params.chat_template_kwargs:q} {params.drop}"
        " --output {output}"
        " --record {log.record} > {log.text} 2>&1"


# Predictions wait for it, and so does the first training: see `Run.hold_back`.
rule fits:
    input:
        data=expand("<results>/data/{{task}}/{split}.jsonl", split=["val", "test"]),
        student="<results>/checkpoints/{student}/base",
    output:
        "<results>/data/{task}/fits/{student}.json",
    log:
        text="<logs>/data/{task}/fits/{student}.log",
        record="<records>/data/{task}/fits/{student}.json",
    conda:
        "../envs/fetch.yaml"
    params:
        code=code_version("scripts/fits.py"),
        max_new_tokens=lambda w: jobs.max_new_tokens(study, w.task),
        max_length=lambda w: study.student(w.student)["max_length"],
        chat_template_kwargs=lambda w: as_json(study.student(w.student)["chat_template_kwargs"]),
        drop=jobs.drop_overlong(study),
    message:
        "Looking for rows of {wildcards.task} without room for a reply of {wildcards.student}"
    shell:
        "python scripts/fits.py --data {input.data} --max-new-tokens {params.max_new_tokens}"
        " --student-dir {input.student} --max-length {params.max_length}"
        " --chat-template-kwargs {params.chat_template_kwargs:q} {params.drop}"
        " --output {output}"
        " --record {log.record} > {log.text} 2>&1"


use rule fits as fits_control with:
    input:
        data="<results>/data/{control}/test.jsonl",
        student="<results>/checkpoints/{student}/base",
    output:
        "<results>/data/{control}/fits/{student}.json",
    log:
        text="<logs>/data/{control}/fits/{student}.log",
        record="<records>/data/{control}/fits/{student}.json",
    params:
        max_new_tokens=lambda w: jobs.max_new_tokens(study, w.control),
    message:
        "Looking for prompts of {wildcards.control} without room for a reply of {wildcards.student}"


rule card:
    input:
        splits=expand("<results>/data/{{task}}/{split}.jsonl", split=["train", "val", "test"]),
        lengths=expand("<results>/data/{{task}}/lengths/{student}.json", student=study.students),
        raw="<results>/raw/{task}",
    output:
        "<results>/data/{task}/card.json",
    log:
        text="<logs>/data/{task}/card.log",
        record="<records>/data/{task}/card.json",
    conda:
        "../envs/fetch.yaml"
    params:
        code=code_version("scripts/card.py"),
    message:
        "Describing the data of {wildcards.task}"
    shell:
        "python scripts/card.py --task {wildcards.task} --data $(dirname {output})"
        " --lengths {input.lengths} --raw {input.raw} --output {output}"
        " --record {log.record} > {log.text} 2>&1"


# Apart from the card, which every new student makes again: recommendations wait for this one.
rule duplicates:
    input:
        expand("<results>/data/{{task}}/{split}.jsonl", split=["train", "val", "test"]),
    output:
        "<results>/data/{task}/duplicates.json",
    log:
        text="<logs>/data/{task}/duplicates.log",
        record="<records>/data/{task}/duplicates.json",
    conda:
        "../envs/fetch.yaml"
    params:
        code=code_version("scripts/duplicates.py"),
    message:
        "Looking for rows of {wildcards.task} that are in two splits"
    shell:
        "python scripts/duplicates.py --task {wildcards.task} --data $(dirname {output})"
        " --output {output}"
        " --record {log.record} > {log.text} 2>&1"
