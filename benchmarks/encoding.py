"""Pictures per second through a DINOv2 of the published small size, on one core.

Weights are random, which does not change the time; the model is read from a folder, as a user's model is.

python benchmarks/encoding.py
"""

import argparse
import os
import platform
import statistics
import tempfile
import time
from pathlib import Path

import torch

import gbplan
from gbplan.evaluation.provenance import processor
from gbplan.networks import DinoEncoder

PICTURES = 32  # per repeat, of 64 x 64
SMALL = {"hidden_size": 384, "num_hidden_layers": 12, "num_attention_heads": 6, "image_size": 518, "patch_size": 14}


def pictures_per_second(encoder: DinoEncoder, repeats: int) -> tuple[float, float]:
    """Median over repeats, by wall time and by this process's own CPU time."""
    drawn = torch.randint(0, 256, (PICTURES, 64, 64, 3), generator=torch.Generator().manual_seed(0))
    seen = {"pixels": drawn.to(torch.uint8)}
    encoder.encode({"pixels": seen["pixels"][:1]})
    rates = []
    for _ in range(repeats):
        begin, own = time.perf_counter(), time.process_time()
        encoder.encode(seen)
        passed = time.perf_counter() - begin, time.process_time() - own
        rates.append([PICTURES / seconds for seconds in passed])
    clock, process = zip(*rates, strict=True)
    return statistics.median(clock), statistics.median(process)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="repeats of each row")
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    import transformers

    transformers.utils.logging.disable_progress_bar()
    lines = [
        "# Pictures per second through a DINOv2",
        "",
        "`DinoEncoder` of 64 x 64 pictures, resizing included, with the size of facebook/dinov2-small (22 million",
        f"weights) on one core. Median of {rounds} repeats: by the clock, in brackets by the process's own time.",
        "",
        "| resized to | patch tokens | pictures a second | a float16 token cache of 25,000 frames |",
        "|---|---|---|---|",
    ]
    with tempfile.TemporaryDirectory() as folder:
        transformers.Dinov2Model(transformers.Dinov2Config(**SMALL)).save_pretrained(folder)
        for grid in (7, 14):
            encoder = DinoEncoder(folder, grid=grid)
            clock, own = pictures_per_second(encoder, rounds)
            mib = 25_000 * 2 * grid**2 * SMALL["hidden_size"] / 2**20
            cells = f"{encoder.image_size} px | {grid**2} | {clock:.1f} ({own:.1f}) | {mib:,.0f} MiB"
            lines.append(f"| {cells} |")
            print(lines[-1], flush=True)
    lines += [
        "",
        f"Machine: {processor()}, {os.cpu_count()} CPU cores; one is used, load average {os.getloadavg()[0]:.1f} at "
        "the end (above",
        f"1: other work ran beside it). Python {platform.python_version()}, torch {torch.__version__}, transformers "
        f"{transformers.__version__}, gbplan {gbplan.__version__}.",
        "Command: `python benchmarks/encoding.py`.",
    ]
    Path(__file__).with_suffix(".md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
