"""What risks depend on, feature by feature and prefix by prefix: the shap package's own plot of exact contributions."""

import warnings
from pathlib import Path

import numpy as np
from matplotlib import colormaps

from features.table import Feature
from training.importance import Explained, mean_size
from training.pictures.canvas import entitle, panels, plain, save, style

SHOWN_FEATURES, SHOWN_PREFIXES, SEED = 15, 3_000, 7


def draw_beeswarm(explained: Explained, path: Path, context: str) -> None:
    """Write a PNG of every sampled prefix's contributions of the features that matter most, with the shap package."""
    features = explained.table.features
    drawn = np.unique(np.linspace(0, len(explained.contributions) - 1, SHOWN_PREFIXES).astype(np.int64))
    data = explained.sample.features[drawn]
    # The numbers of categories have no order, so no colour either.
    data[:, [feature.is_category for feature in features]] = np.nan
    sizes = mean_size(explained.contributions)
    first = features[int(np.argmax(sizes))]
    with style():
        figure, [axes] = panels(1, 8.2)
        with warnings.catch_warnings():
            # shap still calls what matplotlib means to drop, and looks for the range of categories too.
            warnings.simplefilter("ignore", PendingDeprecationWarning)
            warnings.filterwarnings("ignore", "All-NaN", RuntimeWarning)
            import shap

            # Its dots are shuffled by numpy's global state, which is given back as it was.
            state = np.random.get_state()
            np.random.seed(SEED)
            shown = shap.Explanation(
                values=explained.contributions[drawn],
                base_values=np.full(len(data), explained.base),
                data=data,
                feature_names=[_feature_label(feature) for feature in features],
            )
            shap.plots.beeswarm(
                shown,
                max_display=SHOWN_FEATURES + 1,
                show=False,
                ax=axes,
                plot_size=None,
                color=colormaps["viridis"],
            )
            np.random.set_state(state)
        axes.set_xlabel("contribution to the log-odds of abandonment (right: more often abandoned)", fontsize=11.5)
        axes.tick_params(labelsize=11)
        entitle(
            figure,
            f"Risks depend most on {plain(first.name)}",
            f"{context} A dot is a prefix; {len(data):,} of them. Grey: a category, or has not happened.",
        )
        save(figure, path)


def _feature_label(feature: Feature) -> str:
    named, friction = plain(feature.name), plain(feature.friction.name)
    return f"{named} ({friction})" if feature.friction.addressable and friction not in named else named
