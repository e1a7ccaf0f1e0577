import pytest


def test_too_few_episodes_to_split_are_refused(module, stored, ladder):
    stored(ladder(3, 3))
    with pytest.raises(ValueError, match=r"0.1 of the 2 episodes of .* leaves 0 for validation and 2 for training"):
        module(validation_fraction=0.1)
    with pytest.raises(ValueError, match="leaves 2 for validation and 0 for training; both need at least one"):
        module(validation_fraction=0.9)


def test_windows_longer_than_any_episode_are_refused(module, stored, ladder):
    stored(ladder(3, 3, 3, 3))
    with pytest.raises(ValueError, match="toy-v0 has steps = 4 steps, the longest has 3; lower steps"):
        module(steps=4)
    with pytest.raises(ValueError, match=r"the longest of 1 has 3; set data.validation_steps to 3 and"):
        module(validation_steps=9)


def test_history_and_blocks_longer_than_any_episode_are_refused(module, stored, ladder):
    stored(ladder(3, 3, 3, 3))
    message = (
        r"has the 4 steps of a window \(history 4 - 1 \+ steps 1, of 1 each\), the longest has 3; lower steps, or the "
        "model's history or action_block"
    )
    with pytest.raises(ValueError, match=message):
        module(history=4)
    with pytest.raises(ValueError, match=r"the 6 steps of a window \(history 1 - 1 \+ validation_steps 3, of 2 each\)"):
        module(action_block=2, validation_steps=3)
