"""The peer of `npm run bench -- train`: steps of PEFT and PyTorch, float32, on the CPU. Rank 16 on all linears, AdamW.

python train_peft.py CHECKPOINT --mode eager --batch 4 --length 128 --threads 2 --steps 8

Eager's figure is that of its faster attention, as plain products or as one fused call; the two take turns. Compiled is
torch.compile over the whole model with fused attention. Prints one line of JSON; the median of each way goes to stderr.
"""

import argparse
import json
import os
import resource
import sys
from pathlib import Path
from statistics import median
from time import perf_counter

# Before torch is loaded. See decode_transformers.py.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM
from transformers.utils import logging

RANK = 16
WARM_UP = 2
LINEARS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("checkpoint", type=Path)
    arguments.add_argument("--mode", choices=("eager", "compile"), required=True)
    arguments.add_argument("--batch", type=int, default=4)
    arguments.add_argument("--length", type=int, default=128)
    arguments.add_argument("--threads", type=int, default=2)
    arguments.add_argument("--steps", type=int, default=8)
    chosen = arguments.parse_args()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    torch.set_num_threads(chosen.threads)
    torch.manual_seed(0)

    base = AutoModelForCausalLM.from_pretrained(chosen.checkpoint, dtype=torch.float32, attn_implementation="sdpa")
    model = get_peft_model(base, LoraConfig(r=RANK, lora_alpha=2 * RANK, target_modules=LINEARS, task_type="CAUSAL_LM")).train()
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-3)
    tokens = torch.randint(10, base.config.vocab_size - 10, (chosen.batch, chosen.length))
    run = torch.compile(model) if chosen.mode == "compile" else model
    ways = ("sdpa",) if chosen.mode == "compile" else ("sdpa", "eager")

    def step() -> None:
        run(input_ids=tokens, labels=tokens, use_cache=False).loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        optimizer.zero_grad()

    seconds: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(WARM_UP + chosen.steps):
        for way in ways:
            if len(ways) > 1:
                base.set_attn_implementation(way)
            start = perf_counter()
            step()
            seconds[way].append(perf_counter() - start)
    medians = {way: median(timed[WARM_UP:]) for way, timed in seconds.items()}
    print(f"{chosen.mode} (ms): {', '.join(f'{way} {1e3 * value:.0f}' for way, value in medians.items())}", file=sys.stderr)
    peak = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({"tokens_per_s": chosen.batch * chosen.length / min(medians.values()), "peak_bytes": peak}))


if __name__ == "__main__":
    main()
