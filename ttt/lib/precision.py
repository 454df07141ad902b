"""Whether half precision is faster than single here: asked of the processor, not of a stopwatch.

A processor without instructions for bfloat16 computes in it by converting back and forth, twenty to
fifty times slower than in single precision; one that has them is two to three times faster. A
measurement at start would decide otherwise under load, and a run would no longer repeat.
"""

import functools


@functools.cache
def half_pays(device_type: str) -> bool:
    """Whether matrix products in bfloat16 are faster than in float32; decided once per process.

    Args:
        device_type: As in `torch.device.type`.

    Returns:
        True for CUDA devices and processors with instructions for bfloat16; False where nobody
        has measured it, because single precision is never wrong.
    """
    import torch

    if device_type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device_type == "cpu":
        known = torch.cpu.__dict__  # The questions are private to torch and may be renamed.
        return any(
            known[question]()
            for question in ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
            if question in known
        )
    return False
