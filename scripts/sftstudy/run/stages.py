"""The stages of a study, in the order of the pipeline, by which people are told how far it is."""

# Every rule that has a job of its own. A job of the stages train and predict needs a student's
# weights; one of the stage score makes one cell.
RULES = {
    "data": "fetch_dataset make_smoke_dataset fetch_student convert_student build_smoke_student"
    " lock_sources prepare prepare_control prepare_lm_eval lengths fits fits_control fits_lm_eval"
    " card duplicates recipe plan",
    "train": "train",
    "predict": "predict_select predict_select_base predict_controls predict_confirm"
    " predict_lm_eval ask_judge predict_judge",
    "score": "score score_control score_lm_eval",
    "report": "choose recommend retain collate draw report review model_cards lm_eval_tasks",
}
STAGES = tuple(RULES)
CHECKPOINTS = ("choose",)  # rules after which further jobs are planned
STAGE_OF = {rule: stage for stage, rules in RULES.items() for rule in rules.split()}
