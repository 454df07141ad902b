"""Seeds derived by name."""

import torch

from ttt.lib.seeds import derive_seed, torch_generator


def test_a_derived_seed_is_the_same_on_every_machine():
    assert derive_seed(0, "batches") == 1786051035031432618
    assert derive_seed(1337, "text_lm", "batches", 3) == 6368975831363298124


def test_other_names_other_seeds_and_other_orders_give_other_seeds():
    seeds = [
        derive_seed(0, "a", "b"),
        derive_seed(0, "b", "a"),
        derive_seed(0, "ab"),
        derive_seed(0, 'a","b'),
        derive_seed(1, "a", "b"),
        derive_seed(-1, "a", "b"),
        derive_seed(0, "1"),
        derive_seed(0, 1),
        derive_seed(0),
    ]
    assert len(set(seeds)) == len(seeds)


def test_every_derived_seed_fits_torch_numpy_and_random():
    seeds = [derive_seed(0, i) for i in range(2000)]
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert max(seeds) > 2**62  # The high bits are in use.
    assert len({seed % 2**32 for seed in seeds}) == len(seeds)  # And so are the low ones.


def test_generators_of_one_name_agree_and_of_two_names_do_not():
    first, again = torch_generator(7, "noise"), torch_generator(7, "noise")
    other = torch_generator(7, "order")
    numbers = torch.rand(64, generator=first)
    assert torch.equal(numbers, torch.rand(64, generator=again))
    assert not torch.equal(numbers, torch.rand(64, generator=other))
