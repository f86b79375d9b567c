"""What risks depend on: features one by one, and frictions overall, by stage and by cohort."""

import textwrap
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.image import AxesImage

from features.events import FloatArray
from features.friction import Friction
from features.table import Feature
from training.importance import Explained, mean_size, mean_size_by
from training.pictures.canvas import BLUE, GREY, entitle, panels, save, style

UNIT = "mean |contribution| to the log-odds of abandonment"
SHOWN_FEATURES, SHOWN_PREFIXES = 15, 3_000
FEWEST_PREFIXES = 30
"""A mean over fewer prefixes is not shown."""

SMALLEST_COMPARED = 0.01
"""A mean |contribution| that is smaller is not compared."""
MOST_UPRIGHT = 8

Rows = np.ndarray[tuple[int], np.dtype[np.bool_]]
Groups = Mapping[str, Rows]


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
        axes.set_xlabel("contribution to the log-odds of abandonment (right: more often abandoned)", fontsize=11.5)
        axes.tick_params(labelsize=11)
        entitle(
            figure,
            f"Risks depend most on {_plain(first.name)}",
            f"{context} A dot is a prefix; {len(data):,} of them. Grey: a category, or has not happened.",
        )
        save(figure, path)


def draw_frictions(explained: Explained, path: Path, context: str) -> None:
    """Write a PNG of how much risks depend on each friction; the text says how much on context."""
    sizes = mean_size(explained.by_friction)
    shares = sizes / max(sizes.sum(), np.finfo(float).tiny)
    order = np.argsort(-sizes[:-1], kind="stable")
    frictions = [explained.frictions[place] for place in order]
    with style():
        figure, [axes] = panels(1, 2.0 + 0.52 * len(frictions))
        bars = axes.barh(np.arange(len(order)), sizes[order], color=BLUE, height=0.6)
        axes.bar_label(bars, [f"{sizes[place]:.3f}   {shares[place]:.1%}" for place in order], padding=6)
        _name_rows(axes, frictions)
        axes.set(xlabel=f"{UNIT}, and share of all", ylim=(len(order) - 0.5, -0.5))
        axes.margins(x=0.16)
        axes.grid(axis="y", visible=False)
        told = f"Of all frictions, risks depend most on {_plain(frictions[0].name)}" if frictions else "No frictions"
        on_context = f"On who, where and when: {sizes[-1]:.2f}, {shares[-1]:.0%}; that is nobody's blocker."
        entitle(figure, told, f"{context} {on_context}")
        save(figure, path)


def draw_frictions_by_stage(explained: Explained, groups: Groups, path: Path, context: str) -> None:
    """Write a PNG of how much risks depend on each friction at each stage."""
    kept = _large(groups)
    sizes = mean_size_by(explained.by_friction, list(kept.values()))[:, :-1]
    stage, friction = np.unravel_index(int(np.argmax(sizes)), sizes.shape)
    order = np.argsort(-mean_size(explained.by_friction)[:-1], kind="stable")
    frictions = [explained.frictions[place] for place in order]
    with style():
        figure, [axes] = panels(1, 2.2 + 0.5 * len(order))
        _draw_cells(axes, sizes[:, order].T, sizes[:, order].T, colours="Blues", limits=(0, max(sizes.max(), 1e-9)))
        _name_rows(axes, frictions)
        _name_columns(axes, list(kept.items()))
        told = f"Risks depend on {_plain(explained.frictions[friction].name)} most at {list(kept)[stage]}"
        entitle(figure, told, f"{context} {UNIT.capitalize()}; n: prefixes explained.")
        save(figure, path)


def draw_frictions_by_cohort(explained: Explained, cohorts: Mapping[str, Groups], path: Path, context: str) -> None:
    """Write a PNG of how much risks depend on each friction in each cohort; colours compare with all prefixes."""
    columns = [(cohort, name, rows) for cohort, groups in cohorts.items() for name, rows in _large(groups).items()]
    sizes = mean_size_by(explained.by_friction, [rows for _, _, rows in columns])
    usual = mean_size(explained.by_friction)
    order = np.append(np.argsort(-usual[:-1], kind="stable"), len(usual) - 1)
    # Of what hardly matters a difference says nothing.
    relative = np.where(usual >= SMALLEST_COMPARED, sizes / np.maximum(usual, SMALLEST_COMPARED) - 1, np.nan)
    with style():
        figure, [axes] = panels(1, 2.6 + 0.5 * len(order))
        image = _draw_cells(axes, sizes[:, order].T, relative[:, order].T, colours="PuOr_r", limits=(-0.6, 0.6))
        _name_rows(axes, [explained.frictions[place] for place in order])
        _name_columns(axes, [(name, rows) for _, name, rows in columns])
        for place in range(1, len(columns)):
            if columns[place][0] != columns[place - 1][0]:
                axes.axvline(place - 0.5, color="white", linewidth=6)
        for cohort in cohorts:
            places = [place for place, column in enumerate(columns) if column[0] == cohort]
            if places:
                axes.text(float(np.mean(places)), -0.62, cohort, ha="center", va="bottom", fontsize=12.5)
        bar = figure.colorbar(image, ax=axes, shrink=0.5, pad=0.02, extend="both")
        bar.ax.yaxis.set_major_formatter(lambda share, _place: f"{share:+.0%}")
        bar.set_label("against all prefixes")
        entitle(
            figure, _cohort_title(explained, columns, sizes), f"{context} {UNIT.capitalize()}; n: prefixes explained."
        )
        save(figure, path)


def _draw_cells(
    axes: Axes, numbers: FloatArray, colouring: FloatArray, *, colours: str, limits: tuple[float, float]
) -> AxesImage:
    """Draw a table of numbers (rows, columns), each cell in a colour of its own."""
    image = axes.imshow(colouring, aspect="auto", cmap=colours, vmin=limits[0], vmax=limits[1])
    for (row, column), number in np.ndenumerate(numbers):
        red, green, blue, opaque = image.cmap(image.norm(colouring[row, column]))
        dark = opaque > 0 and 0.299 * red + 0.587 * green + 0.114 * blue < 0.5
        axes.text(column, row, f"{number:.2f}", ha="center", va="center", color="white" if dark else "#111827")
    axes.grid(visible=False)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return image


def _name_rows(axes: Axes, frictions: Sequence[Friction]) -> None:
    """Label the rows with the frictions' names, and below each, smaller, what it means."""
    axes.set_yticks(np.arange(len(frictions)), [])
    for place, friction in enumerate(frictions):
        name, meaning = _plain(friction.name), friction.description
        if not friction.addressable:
            name, meaning = "context", "who, where and when: nobody's blocker"
        for text, up, size, colour in ((name, 1, 12.5, "#111827"), (meaning, -13, 10, GREY)):
            axes.annotate(
                text,
                (0, place),
                xycoords=("axes fraction", "data"),
                xytext=(-8, up),
                textcoords="offset points",
                ha="right",
                va="bottom",
                fontsize=size,
                color=colour,
            )


def _cohort_title(explained: Explained, columns: Sequence[tuple[str, str, Rows]], sizes: FloatArray) -> str:
    friction = int(np.argmax(np.ptp(sizes[:, :-1], axis=0)))
    most, least = int(np.argmax(sizes[:, friction])), int(np.argmin(sizes[:, friction]))
    ends = [f"{sizes[place, friction]:.2f} for {columns[place][0]} {columns[place][1]}" for place in (most, least)]
    return f"{_plain(explained.frictions[friction].name).capitalize()} differs most: {ends[0]}, {ends[1]}"


def _name_columns(axes: Axes, columns: Sequence[tuple[str, Rows]]) -> None:
    """Label the columns with their names and numbers of rows, aslant where there are too many to stand side by side."""
    if len(columns) <= MOST_UPRIGHT:
        names = ["\n".join(textwrap.wrap(name, 11, max_lines=3, placeholder="...")) for name, _ in columns]
        labels = [f"{name}\nn={int(rows.sum()):,}" for name, (_, rows) in zip(names, columns, strict=True)]
        axes.set_xticks(np.arange(len(columns)), labels)
    else:
        labels = [f"{textwrap.shorten(name, 24, placeholder='...')}, n={int(rows.sum()):,}" for name, rows in columns]
        axes.set_xticks(np.arange(len(columns)), labels, rotation=35, ha="right", rotation_mode="anchor")


def _large(groups: Groups) -> Groups:
    return {name: rows for name, rows in groups.items() if rows.sum() >= FEWEST_PREFIXES}


def _feature_label(feature: Feature) -> str:
    named, friction = _plain(feature.name), _plain(feature.friction.name)
    return f"{named} ({friction})" if feature.friction.addressable and friction not in named else named


def _plain(name: str) -> str:
    return name.replace("_", " ")
