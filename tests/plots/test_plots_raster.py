"""Pixels of figures: those that matplotlib's own `savefig` gives, up to where in its pixel a text stands."""

import io

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image
from synthetic_sessions import Exchange, labels_of_session, session_of

from lab_utils import plots
from lab_utils.plots.agg import raster
from lab_utils.plots.agg.axes import QUICK, label_at, name_ticks, tick_names
from lab_utils.plots.agg.raster import png, png_file
from lab_utils.plots.style import blank_figure

SCRIPT = [Exchange(1.0, 4.0), Exchange(8.0, 11.0)]


def pixels(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)


def saved(figure: Figure, dpi: float = 100) -> np.ndarray:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi)
    return pixels(buffer.getvalue())


def inked(image: np.ndarray) -> tuple[int, ...]:
    """The box of all that isn't white: left, right, top, bottom."""
    rows, columns = (np.flatnonzero((image < 128).any(axis=(2, across))) for across in (1, 0))
    return columns[0], columns[-1], rows[0], rows[-1]


def unlike(image: np.ndarray, other: np.ndarray) -> float:
    """The share of pixels that are found neither there nor beside it in the other picture."""
    beside = [np.roll(other, (down, right), axis=(0, 1)) for down in (-1, 0, 1) for right in (-1, 0, 1)]
    return float(np.mean(np.min([np.abs(image - one).max(axis=2) for one in beside], axis=0) > 60))


def written(text: str, **style) -> Figure:
    figure = blank_figure((8, 2), by_margins=True)
    figure.text(0.503, 0.507, text, **style)
    return figure


@pytest.mark.parametrize("dpi", [100, 160])
def test_a_session_looks_as_savefig_draws_it(dpi):
    log = session_of(SCRIPT)
    labels = labels_of_session(SCRIPT, log.duration_s)
    for figure in (plots.session_figure(log, labels=labels), plots.latency_figure(log)):
        expected, image = saved(figure, dpi), pixels(png(figure, dpi))
        assert image.shape == expected.shape
        assert unlike(image, expected) < 0.005
        assert unlike(expected, image) < 0.005
        assert figure.dpi == plots.DPI
        png(figure, dpi)
        assert not any(axis.majorTicks for ax in figure.axes for axis in (ax.xaxis, ax.yaxis))


def test_late_in_a_recording_the_time_axis_tells_the_seconds():
    for start_s in (1000, 36000):
        figure = plots.session_figure(session_of(SCRIPT), (start_s, start_s + 5))
        _, right, _, _ = inked(pixels(png(figure)))
        assert right < 100 * figure.get_size_inches()[0] - 1  # the last name isn't cut off
        names = tick_names(figure.axes[0].xaxis)
        assert names[:2] == [str(start_s), str(start_s + 1)]
        assert [float(name) for name in names] == list(figure.axes[0].get_xticks())


@pytest.mark.parametrize(
    ("text", "style"),
    [
        ("prediction 0.73", {}),
        ("Tüße, Ålesund", {"fontsize": 8.5, "weight": "bold"}),
        ("reply", {"rotation": 90}),
        ("reply", {"rotation": 270, "va": "top"}),
        ("slanted", {"rotation": 30}),
        (r"$x^2$ and \$5", {}),
        ("two\nlines", {"ha": "center"}),
        ("i" * 300, {"fontsize": 6, "ha": "center"}),
    ],
)
def test_a_text_stands_where_savefig_puts_it_within_a_pixel(text, style):
    figure = written(text, **style)
    for _ in range(2):  # the second time from its image
        np.testing.assert_allclose(inked(pixels(png(figure))), inked(saved(figure)), atol=1)
        ink, expected = (255 - image.mean() for image in (pixels(png(figure)), saved(figure)))
        assert ink == pytest.approx(expected, rel=0.1)


def test_a_text_has_its_own_colour_size_and_resolution():
    first = png(written("again", color="red", alpha=0.5))
    assert (pixels(first)[..., 0] >= 250).all()
    assert (pixels(png(written("again", color="blue")))[..., 2] >= 250).all()
    assert png(written("again", color="red", alpha=0.5)) == first
    sizes = [np.ptp(inked(pixels(png(written("again", fontsize=size), dpi)))[:2])
             for size, dpi in ((10, 100), (20, 100), (10, 200))]  # fmt: skip
    assert sizes[0] * 1.8 < sizes[1] < sizes[0] * 2.2
    assert abs(sizes[1] - sizes[2]) <= 2


def test_a_text_is_drawn_in_the_fonts_that_the_user_names_now():
    first = png(written("again"))
    for style in ({"font.sans-serif": ["DejaVu Serif"]}, {"text.antialiased": False}):
        with mpl.rc_context(style):
            figure = written("again")
            drawn = pixels(png(figure))
            assert png(figure) != first
            np.testing.assert_allclose(inked(drawn), inked(saved(figure)), atol=1)
    assert set(drawn.flat) == {0, 255}
    assert png(written("again")) == first


def test_large_texts_are_not_kept():
    for text, size, is_kept in (
        ("kept 0.37", 10, True),
        ("a long title " * 16, 10, False),
        ("A", 300, False),
    ):
        before = raster._text_image.cache_info().misses
        png(written(text, fontsize=size), 160)
        assert (raster._text_image.cache_info().misses > before) == is_kept


def test_a_picture_is_saved_as_it_is_shown(tmp_path):
    picture = plots.Picture(written("again"))
    assert picture.save(tmp_path / "one.PNG", 100).read_bytes() == picture.png(100)
    assert picture.save(tmp_path / "one.pdf").read_bytes().startswith(b"%PDF")


def test_settings_of_saved_files_hold():
    figure = written("again")
    with mpl.rc_context({"savefig.transparent": True}):
        assert Image.open(io.BytesIO(png(figure))).mode == "RGBA"
    assert Image.open(io.BytesIO(png(figure))).mode == "RGB"


def test_a_text_is_cut_off_by_its_clip_box():
    figure = blank_figure((2, 1), by_margins=True)
    ax = figure.add_axes((0, 0, 0.5, 1))
    ax.set_axis_off()
    ax.text(0.5, 0.5, "much too long for it", clip_on=True)
    _, right, _, _ = inked(pixels(png(figure)))
    assert right <= 100


def test_pixels_come_back_from_the_file_with_and_without_transparency():
    rgba = np.random.default_rng(0).integers(0, 256, (5, 7, 4)).astype(np.uint8)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(png_file(rgba, 100)))), rgba)
    rgba[..., 3] = 255
    opaque = Image.open(io.BytesIO(png_file(rgba, 160)))
    assert opaque.mode == "RGB"
    assert np.array_equal(np.asarray(opaque), rgba[..., :3])
    assert opaque.info["dpi"] == pytest.approx((160, 160), abs=0.02)


class TestQuickAxes:
    def figure(self, **subplot_kw) -> Figure:
        figure = blank_figure((5, 3), by_margins=True)
        ax = figure.subplots(subplot_kw=subplot_kw)
        ax.set(xlim=(0.1, 12.4), ylim=(9, -1), xlabel="time (s)", ylabel="lane")
        ax.grid(axis="x", color="#E6E6E6", linewidth=0.7)
        name_ticks(ax.yaxis, [0, 4, 20], ["first", "second", "outside"])
        ax.tick_params(labelsize=8)
        label_at(ax, below_in=0.25, left_in=0.55)
        return figure

    def test_they_look_like_matplotlibs(self):
        own, expected = (pixels(png(self.figure(**kind))) for kind in (QUICK, {}))
        assert inked(own) == pytest.approx(inked(expected), abs=1)
        assert unlike(own, expected) < 0.001
        assert unlike(expected, own) < 0.001

    def test_marks_names_and_the_axis_itself_can_be_left_out(self):
        for change in ({"length": 0}, {"labelbottom": False, "labelleft": False}):
            drawn = []
            for kind in (QUICK, {}):
                figure = self.figure(**kind)
                figure.axes[0].tick_params(**change)
                drawn.append(pixels(png(figure)))
            assert unlike(*drawn) < 0.001
            assert unlike(*drawn[::-1]) < 0.001
        figure = self.figure(**QUICK)
        figure.axes[0].xaxis.set_visible(False)
        assert inked(pixels(png(figure)))[3] < inked(pixels(png(self.figure(**QUICK))))[3]

    def test_ticks_are_there_for_who_asks(self):
        ax = self.figure(**QUICK).axes[0]
        assert tick_names(ax.yaxis) == ["first", "second", "outside"]
        assert [one.get_text() for one in ax.get_yticklabels()] == ["first", "second", "outside"]
        assert len(ax.get_xticklabels()) == len(ax.get_xticks()) > 3

    @pytest.mark.parametrize(
        "change",
        [
            lambda ax: ax.tick_params(colors="red"),
            lambda ax: ax.tick_params(labelrotation=45),
            lambda ax: ax.tick_params(pad=15),
            lambda ax: ax.tick_params(direction="in", length=12, width=3),
            lambda ax: ax.tick_params(bottom=False, left=False),
            lambda ax: ax.tick_params(reset=True),
            lambda ax: ax.minorticks_on(),
            lambda ax: ax.yaxis.tick_right(),
            lambda ax: ax.twinx().set_ylim(0, 30),
            lambda ax: ax.set_yticks([0, 4], ["first", "second"], fontsize=15),
            lambda ax: ax.get_xticklabels()[1].set_color("red"),
            lambda ax: ax.grid(linestyle=":", color="red"),
            lambda ax: ax.spines["left"].set_position(("axes", 0.3)),
            lambda ax: ax.xaxis.set_major_formatter(mpl.ticker.ScalarFormatter(useOffset=-1e4)),
            lambda ax: ax.set_title("above", y=None),
        ],
    )
    def test_what_they_do_not_draw_is_matplotlibs(self, change):
        changed = []
        for kind in (QUICK, {}):
            figure = self.figure(**kind)
            change(figure.axes[0])
            changed.append(pixels(png(figure)))
        assert unlike(*changed) < 0.0002
        assert unlike(*changed[::-1]) < 0.0002
        plain = pixels(png(self.figure(**QUICK)))
        assert unlike(changed[0], plain) + unlike(plain, changed[0]) > 0.0002

    def test_a_label_without_a_place_stands_beside_the_names(self):
        drawn = []
        for kind in (QUICK, {}):
            figure = blank_figure((5, 3), by_margins=True)
            figure.subplots(subplot_kw=kind).set(xlabel="time (s)", ylabel="lane")
            drawn.append(inked(pixels(png(figure))))
        assert drawn[0] == pytest.approx(drawn[1], abs=1)

    def test_a_users_style_is_kept(self):
        with mpl.rc_context({"xtick.color": "red", "ytick.direction": "in"}):
            own, expected = (self.figure(**kind) for kind in (QUICK, {}))
        assert unlike(pixels(png(own)), pixels(png(expected))) < 0.0002
        assert unlike(pixels(png(expected)), pixels(png(own))) < 0.0002
