# Needs: a student's recommendation, its replies to controls that can be judged, an earlier review.
# Makes: results/review/{student}.html and .csv, on which a person judges the replies that decide.
#
# No part of `all`. What comes back goes into reviews/{student}.csv, which scoring reads.


rule review:
    input:
        unpack(lambda w: targets.judged_files(study, w.student, checkpoints)),
        recommendation="<results>/recommendations/{student}.json",
        earlier=lambda w: jobs.reviews(study, w.student),
        templates=template_files("sftstudy.review"),
    output:
        page="<results>/review/{student}.html",
        sheet="<results>/review/{student}.csv",
    log:
        text="<logs>/review/{student}.log",
        record="<records>/review/{student}.json",
    localrule: True
    conda:
        "../envs/score.yaml"
    params:
        code=code_version(
            "scripts/review.py",
            [file for name in jobs.judged_controls(study) for file in module_files(name, "score")],
        ),
        controls=jobs.judged_controls(study),
        earlier=lambda w, input: [f"--earlier={file}" for file in input.earlier],
        seed=study.config["seed"],
        results=subpath(output.page, ancestor=2),
    message:
        "Writing the page for a review of {wildcards.student}"
    shell:
        "python scripts/review.py --student {wildcards.student} --controls {params.controls}"
        " --results {params.results} {params.earlier:q} --seed {params.seed}"
        " --page {output.page} --sheet {output.sheet}"
        " --record {log.record} > {log.text} 2>&1"
