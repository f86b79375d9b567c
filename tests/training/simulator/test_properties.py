"""Properties of simulated events at the ends of what can be drawn."""

import numpy as np

from training.simulator.properties import Drawn, choice, json_text


def drawn(noise: list[float]) -> Drawn:
    none = np.zeros(len(noise), np.int64)
    kept = np.array(noise, np.float32)
    return Drawn(none, kept, none, kept, kept, none, none, none, none, kept)


def test_the_largest_number_below_one_is_the_last_word_although_it_is_kept_as_one() -> None:
    largest = np.nextafter(1.0, 0.0)
    assert np.float32(largest) == 1.0
    column = choice("a", "b", "c", "d")(drawn([0.0, 0.25, 0.74, float(largest)]))
    assert json_text({"word": column}, 4).to_pylist() == [
        '{"word":"a"}',
        '{"word":"b"}',
        '{"word":"c"}',
        '{"word":"d"}',
    ]
