"""Figures of learning curves, as they are laid out."""

from matplotlib.figure import Figure

from experiments import plots


def test_long_names_of_curves_stay_inside_their_figure(tmp_path, monkeypatch):
    outside = []

    def look(figure, part, **_):
        figure.canvas.draw()
        (legend,) = figure.legends
        box, paper = legend.get_window_extent(), figure.bbox
        outside.append(box.x0 < paper.x0 or box.x1 > paper.x1 or box.y0 < paper.y0)
        part.touch()

    monkeypatch.setattr(Figure, "savefig", look)
    for letters in (5, 40, 90):
        line = {"label": "x" * letters, "seed": 0, "steps": 0, "return": 1.0}
        plots.panels(tmp_path / "a.png", {"a panel": [line]})
    assert outside == [False] * 3


def test_panels_keep_the_order_of_labels_and_shade_all_seeds(tmp_path, monkeypatch):
    seen = []

    def look(figure, part, **_):
        (legend,) = figure.legends
        names = [text.get_text() for text in legend.texts]
        first, *_ = figure.axes
        shape = first.get_gridspec().get_geometry()
        ends = [x.get_paths()[0].get_extents() for x in first.collections]
        seen.append((names, shape, [(x.y0, x.y1) for x in ends]))
        part.touch()

    monkeypatch.setattr(Figure, "savefig", look)
    lines = [
        {"label": label, "seed": seed, "steps": steps, "return": value + seed}
        for label, value in (("second", 5.0), ("first", 1.0))
        for seed in (0, 2)
        for steps in (0, 10)
    ]
    plots.panels(tmp_path / "a.png", dict.fromkeys("abcd", lines))
    assert seen == [(["second", "first"], (2, 2), [(5, 7), (1, 3)])]


def test_every_reference_is_drawn(tmp_path, monkeypatch):
    seen = []

    def look(figure, part, **_):
        (axes,) = figure.axes
        seen.extend(x.get_label() for x in axes.lines)
        part.touch()

    monkeypatch.setattr(Figure, "savefig", look)
    lines = [{"label": "a", "seed": 0, "steps": x, "return": 1.0} for x in (0, 10)]
    references = {f"log {i}": float(i) for i in range(5)}
    plots.curve(tmp_path / "a.png", lines, "", references=references)
    assert seen == ["a (1 seed)", *references]
