"""The peer of `npm run bench -- decode`: decode and prefill of transformers in PyTorch's eager mode, float32, on the CPU.

python decode_transformers.py CHECKPOINT --threads 2 --steps 16

Every figure is that of the fastest way to run it: attention as plain products or as one fused call, keys and values in a
cache that grows or in one of fixed size. The ways take turns, so that whatever else the machine does meets them alike.
Prints one line of JSON; the median milliseconds of each way go to stderr.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable
from itertools import product
from pathlib import Path
from statistics import median
from time import perf_counter

# Before torch is loaded. Threads that spin while they wait for each other make a step ten to a hundred times slower as soon
# as anything else wants a core; threads that sleep cost the peer next to nothing. OMP_WAIT_POLICY=ACTIVE overrides it.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch
from transformers import AutoModelForCausalLM, Cache, DynamicCache, PretrainedConfig, PreTrainedModel, StaticCache
from transformers.utils import logging

CONTEXT = 256
BATCHES = (1, 4, 16)
PREFILLS = (128, 512)
WARM_UP = 3
PREFILL_ROUNDS = 3
# Attention implementation and kind of cache.
WAYS = list(product(("eager", "sdpa"), ("dynamic", "static")))


def new_cache(kind: str, config: PretrainedConfig, capacity: int) -> Cache:
    return DynamicCache(config=config) if kind == "dynamic" else StaticCache(config=config, max_cache_len=capacity)


def filled_cache(kind: str, config: PretrainedConfig, batch: int, capacity: int) -> Cache:
    """As after a prompt of CONTEXT tokens; what the keys and values are does not change the time."""
    cache = new_cache(kind, config, capacity)
    shape = (batch, config.num_key_value_heads, CONTEXT, config.head_dim)
    for layer in range(config.num_hidden_layers):
        cache.update(torch.randn(shape), torch.randn(shape), layer)
    return cache


def decode_seconds(model: PreTrainedModel, batch: int, steps: int) -> float:
    """Of one step: a token for every row, and the choice of the next."""
    capacity = CONTEXT + WARM_UP + steps
    caches = {way: filled_cache(way[1], model.config, batch, capacity) for way in WAYS}
    tokens = {way: torch.randint(model.config.vocab_size, (batch, 1)) for way in WAYS}

    def step(way: tuple[str, str]) -> None:
        logits = model(input_ids=tokens[way], past_key_values=caches[way], use_cache=True).logits
        tokens[way] = logits[:, -1:].argmax(-1)

    seconds = fastest(f"decode, batch {batch}", model, step, WARM_UP, steps)
    assert all(cache.get_seq_length() == capacity for cache in caches.values())
    return seconds


def prefill_seconds(model: PreTrainedModel, length: int) -> float:
    tokens = torch.randint(model.config.vocab_size, (1, length))

    def prefill(way: tuple[str, str]) -> None:
        cache = new_cache(way[1], model.config, length)
        model(input_ids=tokens, past_key_values=cache, use_cache=True, logits_to_keep=1).logits.argmax(-1)

    return fastest(f"prefill, {length} tokens", model, prefill, 1, PREFILL_ROUNDS)


def fastest(
    label: str, model: PreTrainedModel, run: Callable[[tuple[str, str]], None], warm_up: int, rounds: int
) -> float:
    """Median seconds of the best way."""
    seconds: dict[tuple[str, str], list[float]] = {way: [] for way in WAYS}
    for _ in range(warm_up + rounds):
        for way in WAYS:
            model.set_attn_implementation(way[0])
            start = perf_counter()
            run(way)
            seconds[way].append(perf_counter() - start)
    medians = {way: median(timed[warm_up:]) for way, timed in seconds.items()}
    listed = ", ".join(f"{' '.join(way)} {value * 1e3:.1f}" for way, value in medians.items())
    print(f"{label} (ms): {listed}", file=sys.stderr)
    return min(medians.values())


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("checkpoint", type=Path)
    arguments.add_argument("--threads", type=int, default=2)
    arguments.add_argument("--steps", type=int, default=16)
    chosen = arguments.parse_args()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    torch.set_num_threads(chosen.threads)
    torch.manual_seed(0)

    model = AutoModelForCausalLM.from_pretrained(chosen.checkpoint, dtype=torch.float32).eval()
    figures: dict[str, float] = {}
    with torch.inference_mode():
        for batch in BATCHES:
            figures[f"decode_b{batch}_tokens_per_s"] = round(batch / decode_seconds(model, batch, chosen.steps), 2)
        for length in PREFILLS:
            figures[f"prefill_{length}_tokens_per_s"] = round(length / prefill_seconds(model, length), 2)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
