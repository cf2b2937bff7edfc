"""Trains the adapters that ship, with PEFT. `cards.py` scores them and writes their cards.

python train_adapters.py --base ../base/patchbay-tiny --out .. [--only sql]
"""

import argparse
import json
import random
import time
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from torch.nn.functional import cross_entropy
from transformers import AutoModelForCausalLM

import score
import tasks

TRAIN, HELD_OUT, BATCH = 12_000, 200, 32


def encode(tokenizer, pairs):
    """Token ids of the whole conversation, and where the answer begins."""
    rows = []
    for prompt, answer in pairs:
        front = tokenizer.apply_chat_template([{"role": "user", "content": prompt}], tokenize=True, add_generation_prompt=True, return_dict=False)
        rows.append((front + tokenizer.encode(answer, add_special_tokens=False) + [tokenizer.eos_token_id], len(front)))
    return rows


def batch_of(rows):
    longest = max(len(ids) for ids, _ in rows)
    inputs = torch.zeros(len(rows), longest, dtype=torch.long)
    labels = torch.full((len(rows), longest), -100)
    for i, (ids, front) in enumerate(rows):
        inputs[i, : len(ids)] = torch.tensor(ids)
        labels[i, front : len(ids)] = torch.tensor(ids[front:])
    return inputs, labels


def train(task: tasks.Task, base: Path, tokenizer, pairs):
    torch.manual_seed(7)
    rng = random.Random(f"order/{task.name}")
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    model = get_peft_model(model, LoraConfig(task_type="CAUSAL_LM", base_model_name_or_path="patchbay/tiny", **task.lora))
    rows = encode(tokenizer, pairs)
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=task.rate, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, task.rate, total_steps=task.steps, pct_start=0.05)
    began, order = time.time(), []
    for step in range(task.steps):
        if len(order) < BATCH:
            order = rng.sample(range(len(rows)), len(rows))
        inputs, labels = batch_of([rows[order.pop()] for _ in range(BATCH)])
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits = model(input_ids=inputs).logits
        loss = cross_entropy(logits[:, :-1].float().flatten(0, 1), labels[:, 1:].flatten(), ignore_index=-100)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        if step % 100 == 0 or step == task.steps - 1:
            print(f"{task.name} step {step}/{task.steps} loss {loss.item():.4f} {time.time() - began:.0f}s", flush=True)
    return model


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--base", type=Path, required=True)
    arguments.add_argument("--out", type=Path, required=True)
    arguments.add_argument("--only", help="names, with commas")
    arguments.add_argument("--threads", type=int, default=2)
    options = arguments.parse_args()
    torch.set_num_threads(options.threads)
    tokenizer = score.tokenizer_of(options.base)
    wanted = options.only.split(",") if options.only else [task.name for task in tasks.TASKS]
    for task in (task for task in tasks.TASKS if task.name in wanted):
        train_pairs, held_out = tasks.split(task, TRAIN, HELD_OUT)
        overlap = {p for p, _ in train_pairs} & {p for p, _ in held_out}
        print(f"{task.name}: overlap of held-out and training prompts = {len(overlap)}", flush=True)
        folder = options.out / "adapters" / task.name
        train(task, options.base, tokenizer, train_pairs).half().save_pretrained(folder)
        # PEFT wrote where the base lay on this machine.
        path = folder / "adapter_config.json"
        config = {**json.loads(path.read_text()), "base_model_name_or_path": "patchbay/tiny"}
        path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
        rows = ({"messages": [{"role": "user", "content": p}], "answer": a} for p, a in held_out)
        (folder / "eval.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        adapter_score, _ = score.accuracy(score.load(options.base, folder), tokenizer, held_out)
        print(f"{task.name}: accuracy {adapter_score}", flush=True)


if __name__ == "__main__":
    main()
