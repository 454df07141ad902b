"""The cone is the exact projection, and leaves a harmless step alone."""

import pytest
import torch

from ttt.core.cone import project_to_cone


def test_the_cone_equals_the_exact_projection():
    descent_CK = torch.randn(3, 40, generator=torch.Generator().manual_seed(0))
    step_K = -descent_CK.sum(0) + torch.randn(40, generator=torch.Generator().manual_seed(1))
    projected_K, stats = project_to_cone(step_K, descent_CK, passes=400)
    assert stats.violations_before == 3
    assert stats.violations_after == 0
    # The exact answer by brute force over which constraints bind.
    best = None
    for active in range(8):
        rows = [c for c in range(3) if active >> c & 1]
        candidate_K = step_K
        if rows:
            a = descent_CK[rows]
            candidate_K = step_K - a.T @ torch.linalg.solve(a @ a.T, a @ step_K)
        if bool((descent_CK @ candidate_K >= -1e-4).all()):
            distance = float((candidate_K - step_K).norm())
            best = distance if best is None else min(best, distance)
    assert float((projected_K - step_K).norm()) == pytest.approx(best, rel=1e-3)


def test_the_cone_keeps_its_margins_and_leaves_a_harmless_step_alone():
    descent_CK = torch.randn(2, 40, generator=torch.Generator().manual_seed(0))
    step_K = descent_CK.sum(0)
    projected_K, stats = project_to_cone(step_K, descent_CK)
    assert torch.equal(projected_K, step_K)
    assert stats.removed_ratio == 0.0
    hostile_K = -descent_CK[0]
    projected_K, stats = project_to_cone(hostile_K, descent_CK, passes=200, eps_cos=0.3)
    margins_C = 0.3 * hostile_K.norm() * descent_CK.norm(dim=1)
    assert bool((descent_CK @ projected_K >= margins_C - 1e-3).all())
