"""The hyperparameters that a search space may vary, and what people call them."""

AXES = {
    "learning_rate": "learning rate",
    "num_train_epochs": "epochs",
    "per_device_train_batch_size": "batch size",
    "gradient_accumulation_steps": "gradient accumulation",
    "lr_scheduler_type": "schedule",
    "warmup_ratio": "warm-up ratio",
    "weight_decay": "weight decay",
    "method": "method",
    "lora_r": "LoRA rank",
    "lora_alpha": "LoRA alpha",
    "lora_dropout": "LoRA dropout",
}
