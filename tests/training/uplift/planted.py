"""What is learnt on: the small shop in which every effect is known."""

from small_effects import FRICTIONS, INTERVENTIONS, SETTINGS, STAGES

from decisions.option_rows import OptionRows
from features.vocabulary import Vocabulary
from training.uplift.candidates import Ground

GROUND = Ground(INTERVENTIONS, SETTINGS, STAGES, FRICTIONS, None)
COLUMNS = OptionRows.of(INTERVENTIONS, STAGES, FRICTIONS, None, Vocabulary({}))
