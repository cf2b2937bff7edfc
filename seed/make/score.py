"""Scores a model on held-out pairs: exact match of the greedy answer, from the shipped float16 files in float32."""

import json
from pathlib import Path

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer


def load(base: Path, adapter: Path | None = None):
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32).eval()
    if adapter:
        model = PeftModel.from_pretrained(model, adapter).float().eval()
    return model


@torch.no_grad()
def answers(model, tokenizer, prompts: list[str], max_new_tokens: int = 64, batch: int = 50) -> list[str]:
    """Greedy answers, in order. Left padding keeps every prompt's positions its own."""
    tokenizer.padding_side = "left"
    out: list[str] = []
    for start in range(0, len(prompts), batch):
        texts = [
            tokenizer.apply_chat_template([{"role": "user", "content": p}], tokenize=False, add_generation_prompt=True)
            for p in prompts[start : start + batch]
        ]
        inputs = tokenizer(texts, return_tensors="pt", padding=True, add_special_tokens=False)
        made = model.generate(
            input_ids=inputs.input_ids, attention_mask=inputs.attention_mask, max_new_tokens=max_new_tokens, do_sample=False,
            pad_token_id=tokenizer.pad_token_id, eos_token_id=tokenizer.eos_token_id,
        )
        out += [tokenizer.decode(row[inputs.input_ids.shape[1] :], skip_special_tokens=True).strip() for row in made]
    return out


def accuracy(model, tokenizer, pairs: list[tuple[str, str]]) -> tuple[float, list[str]]:
    got = answers(model, tokenizer, [p for p, _ in pairs])
    return sum(g == a for g, (_, a) in zip(got, pairs)) / len(pairs), got


def read_pairs(path: Path) -> list[tuple[str, str]]:
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    return [(row["messages"][0]["content"], row["answer"]) for row in rows]


def tokenizer_of(base: Path):
    return AutoTokenizer.from_pretrained(base)
