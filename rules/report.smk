# Needs: metrics, recommendations, cards and provenance of the whole study.
# Makes: results/plan.json, results/tables, results/figures, results/report/index.html.


# Not `rules.collate.output`: of a rule that refers to another's output Snakemake hashes all inputs
# once for every input, which takes a third of a dry run of 5,000 cells.
TABLES = expand("<results>/tables/{table}.{format}", table=NAMES, format=["html", "csv", "json"])
FIGURES = [
    f"<results>/figures/{figure.name}.svg" for figure in figures(study.students, study.tasks)
]


rule plan:
    output:
        "<results>/plan.json",
    log:
        text="<logs>/plan.log",
        record="<records>/plan.json",
    localrule: True
    conda:
        "../envs/score.yaml"
    params:
        plan=as_json(study_plan(study), sort_keys=False),  # the report keeps the order of students
    message:
        "Writing down what the study consists of"
    shell:
        "python scripts/plan.py --values {params.plan:q} --output {output}"
        " --record {log.record} > {log.text} 2>&1"


rule collate:
    input:
        plan="<results>/plan.json",
        metrics=targets.metrics_files(study, *study.students),
        checkpoints=targets.checkpoint_folders(study, *study.students),
        recommendations=expand("<results>/recommendations/{student}.json", student=study.students),
        template="scripts/sftstudy/tables/templates/table.html",
    output:
        report(
            expand("<results>/tables/{table}.html", table=NAMES),
            caption="captions/table.rst",
            category="Tables",
        ),
        expand("<results>/tables/{table}.{format}", table=NAMES, format=["csv", "json"]),
    log:
        text="<logs>/tables.log",
        record="<records>/tables.json",
    conda:
        "../envs/report.yaml"
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        code=code_version("scripts/collate.py"),
        results=subpath(input.plan, parent=True),
    message:
        "Collating the tables"
    shell:
        "python scripts/collate.py --plan {input.plan} --results {params.results}"
        " --output-dir {params.results}/tables"
        " --record {log.record} > {log.text} 2>&1"


rule draw:
    input:
        tables=TABLES,
    output:
        [
            report(
                f"<results>/figures/{figure.name}.svg",
                caption="captions/figure.rst",
                category="Figures",
                labels=figure.labels,
            )
            for figure in figures(study.students, study.tasks)
        ],
    log:
        text="<logs>/figures.log",
        record="<records>/figures.json",
    conda:
        "../envs/report.yaml"
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        code=code_version("scripts/draw.py"),
        results=lambda w, input: str(Path(input.tables[0]).parents[1]),
    message:
        "Drawing the figures"
    shell:
        "python scripts/draw.py --tables {params.results}/tables"
        " --output-dir {params.results}/figures"
        " --record {log.record} > {log.text} 2>&1"


rule report:
    input:
        plan="<results>/plan.json",
        tables=TABLES,
        figures=FIGURES,
        recommendations=expand("<results>/recommendations/{student}.json", student=study.students),
        cards=expand("<results>/data/{task}/card.json", task=study.tasks),
        data=expand("<results>/data/{task}/{split}.jsonl", task=study.tasks, split=["val", "test"]),
        controls=expand("<results>/data/{control}/test.jsonl", control=study.controls),
        raw=expand("<results>/raw/{dataset}", dataset=study.datasets()),
        metrics=targets.metrics_files(study, *study.students),
        predictions=targets.predictions_files(study, *study.students),
        checkpoints=targets.checkpoint_folders(study, *study.students),
        templates=template_files("sftstudy.report"),
        kept=kept.files(study.root),
    output:
        report(
            "<results>/report/index.html",
            caption="captions/report.rst",
            category="Report",
        ),
    log:
        text="<logs>/report.log",
        record="<records>/report.json",
    conda:
        "../envs/report.yaml"
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        code=code_version("scripts/report.py"),
        results=subpath(input.plan, parent=True),
    message:
        "Writing the report"
    shell:
        "python scripts/report.py --plan {input.plan} --results {params.results}"
        " --tables {params.results}/tables --figures {params.results}/figures --output {output}"
        " --record {log.record} > {log.text} 2>&1"
