import types

import constructors
import numpy as np
import pytest
from matplotlib import style
from matplotlib.figure import Figure

import tfcvae
from tfcvae import layers, plotting, priors


@pytest.fixture
def images():
    return np.random.default_rng(0).uniform(size=(5, 6, 4)).astype("float32")


def drawn(axis):
    return np.asarray(axis.images[0].get_array())


def curves(axis):
    return {line.get_label(): line.get_xydata().tolist() for line in axis.lines}


def test_reconstructions_has_originals_above_reconstructions(images):
    figure = plotting.reconstructions(images, 1 - images[..., np.newaxis], num_images=3)
    assert isinstance(figure, Figure)
    assert len(figure.axes) == 6
    for i in range(3):
        np.testing.assert_allclose(drawn(figure.axes[i]), images[i])
        np.testing.assert_allclose(drawn(figure.axes[3 + i]), 1 - images[i])
    assert [figure.axes[i].get_ylabel() for i in (0, 3)] == ["original", "reconstructed"]
    assert len(plotting.reconstructions(images, images).axes) == 10


@pytest.mark.parametrize("num_columns, shape", [(None, (2, 3)), (2, (3, 2)), (9, (1, 5))])
def test_samples_fills_a_grid(images, num_columns, shape):
    figure = plotting.samples(images, num_columns)
    assert len(figure.axes) == 5
    grid = figure.axes[0].get_subplotspec().get_gridspec()
    assert (grid.nrows, grid.ncols) == shape


def test_images_are_drawn_gray_on_a_fixed_range_without_ticks(images):
    axis = plotting.samples(images * 0.5).axes[0]
    assert axis.images[0].get_clim() == (0.0, 1.0)
    assert axis.images[0].get_cmap().name == "gray"
    assert len(axis.get_xticks()) == len(axis.get_yticks()) == 0


@pytest.mark.parametrize(
    "value, expected",
    [(np.uint8([[0, 51], [102, 255]]), [[0, 0.2], [0.4, 1]]), (np.eye(2, dtype=int), np.eye(2))],
    ids=["0 to 255", "binary"],
)
def test_integers_are_scaled(value, expected):
    np.testing.assert_allclose(drawn(plotting.samples(value[np.newaxis]).axes[0]), expected)


def test_floats_outside_the_range_are_clipped():
    axis = plotting.samples([[[-0.5, 0.5, 1.5]]]).axes[0]
    np.testing.assert_allclose(drawn(axis), [[0.0, 0.5, 1.0]])


def test_color_images_keep_their_colors(images):
    colors = np.stack([images, images**2, images**3], axis=-1)
    np.testing.assert_allclose(drawn(plotting.samples(colors).axes[1]), colors[1])


@pytest.mark.parametrize("channels", [(), (1,), (3,)], ids=["flat", "gray", "color"])
def test_completions_shows_observed_samples_and_truth(images, channels):
    truth = np.broadcast_to(images.reshape(5, 6, 4, *(1 for _ in channels)), (5, 6, 4, *channels))
    x = truth.copy()
    x[:, 3:, :2] = -1
    samples = np.stack([truth * 0.5, truth * 0.25])
    figure = plotting.completions(x, samples, truth, num_images=2)
    assert len(figure.axes) == 8
    titles = ["observed", "sample 1", "sample 2", "truth"]
    assert [axis.get_title() for axis in figure.axes] == titles + [""] * 4
    for row, axes in enumerate((figure.axes[:4], figure.axes[4:])):
        observed = np.broadcast_to(images[row][..., np.newaxis], (6, 4, 3)).copy()
        observed[3:, :2] = plotting.HIDDEN_COLOR
        np.testing.assert_allclose(drawn(axes[0]), observed)
        for axis, factor in zip(axes[1:], (0.5, 0.25, 1.0), strict=True):
            np.testing.assert_allclose(drawn(axis), truth[row].squeeze() * factor)


def test_hidden_pixels_are_not_gray():
    assert len(set(plotting.HIDDEN_COLOR)) == 3


def test_completions_accepts_integers_with_hidden_pixels():
    x = np.array([[[-1, 255]]])
    axis = plotting.completions(x, np.zeros((1, 1, 1, 2)), np.zeros((1, 1, 2))).axes[0]
    np.testing.assert_allclose(drawn(axis), [[plotting.HIDDEN_COLOR, (1, 1, 1)]])


def test_history_has_one_panel_per_term():
    values = {
        "mmd": [0.3, 0.2],
        "elbo": [-3.0, -2.0],
        "val_elbo": [-4.0, -3.0],
        "loss": [3.0, 2.0],
        "learning_rate": [0.1, 0.01],
        "val_loss": [4.0, 3.0],
        "kl": np.array([1.0, 2.0]),
        "reconstruction": [2.0, 1.0],
    }
    figure = plotting.history(values)
    units = {axis.get_title(): axis.get_ylabel() for axis in figure.axes}
    assert list(units) == ["loss", "elbo", "reconstruction", "kl", "mmd", "learning_rate"]
    assert list(units.values()) == ["nats"] * 4 + [""] * 2
    assert {axis.get_xlabel() for axis in figure.axes} == {"epoch"}
    assert curves(figure.axes[0]) == {
        "training": [[1.0, 3.0], [2.0, 2.0]],
        "validation": [[1.0, 4.0], [2.0, 3.0]],
    }
    assert [text.get_text() for text in figure.axes[0].get_legend().get_texts()] == [
        "training",
        "validation",
    ]
    assert list(curves(figure.axes[5])) == ["training"]


def test_history_counts_epochs_as_keras_does():
    values = {"loss": [5.0, 4.0, 3.0, 2.0, 1.0], "val_loss": [4.0, 2.0]}
    history = types.SimpleNamespace(history=values, epoch=[10, 11, 12, 13, 14])
    axis = plotting.history(history).axes[0]
    assert [point[0] for point in curves(axis)["training"]] == [11, 12, 13, 14, 15]
    assert [point[0] for point in curves(axis)["validation"]] == [12, 14]


def test_latent_scatter_colors_by_label():
    z = np.arange(10.0).reshape(5, 2)
    axis = plotting.latent_scatter(z, [7, 3, 7, 3, 7]).axes[0]
    assert (axis.get_xlabel(), axis.get_ylabel(), axis.get_aspect()) == ("z1", "z2", 1.0)
    points = {group.get_label(): group.get_offsets().tolist() for group in axis.collections}
    assert points == {"3": z[[1, 3]].tolist(), "7": z[[0, 2, 4]].tolist()}
    assert [text.get_text() for text in axis.figure.legends[0].get_texts()] == ["3", "7"]


def test_latent_scatter_tells_many_labels_apart():
    groups = plotting.latent_scatter(np.zeros((30, 2)), np.arange(30)).axes[0].collections
    looks = {(g.get_facecolor().tobytes(), g.get_paths()[0].vertices.tobytes()) for g in groups}
    assert len(looks) == 30


def test_latent_scatter_without_labels_has_no_legend():
    figure = plotting.latent_scatter(np.zeros((3, 2)))
    assert not figure.legends
    assert len(figure.axes[0].collections[0].get_offsets()) == 3


def test_save_writes_the_same_bytes_for_the_same_figure(images, tmp_path):
    paths = [tmp_path / "a" / "b" / "1.png", tmp_path / "2.png", tmp_path / "3.png"]
    figure = plotting.samples(images)
    plotting.save(figure, paths[0])
    plotting.save(figure, paths[1])
    plotting.save(plotting.samples(images), str(paths[2]))
    first, second, third = (path.read_bytes() for path in paths)
    assert first == second == third
    assert first.startswith(b"\x89PNG")
    assert b"Software" not in first
    assert sorted(path.name for path in tmp_path.iterdir()) == ["2.png", "3.png", "a"]


def test_a_failed_save_keeps_the_old_file(images, tmp_path, monkeypatch):
    path = tmp_path / "picture.png"
    path.write_bytes(b"old")
    figure = plotting.samples(images)
    monkeypatch.setattr(figure, "savefig", lambda *args, **kwargs: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        plotting.save(figure, path)
    assert [(entry.name, entry.read_bytes()) for entry in tmp_path.iterdir()] == [
        ("picture.png", b"old")
    ]


@pytest.mark.parametrize("labels", [None, [0, 1, 2]])
def test_a_scatter_saves_the_same_bytes_twice(labels, tmp_path):
    figure = plotting.latent_scatter(np.array([[0.0, 1.0], [9.0, 2.0], [4.0, 3.0]]), labels)
    plotting.save(figure, tmp_path / "1.png")
    plotting.save(figure, tmp_path / "2.png")
    assert (tmp_path / "1.png").read_bytes() == (tmp_path / "2.png").read_bytes()


def test_figures_show_themselves_in_notebooks(images):
    assert plotting.samples(images)._repr_png_().startswith(b"\x89PNG")


ONES = np.ones((2, 4, 4))


@pytest.mark.parametrize(
    "argument, call",
    [
        ("images", lambda: plotting.samples(ONES[0])),
        ("images", lambda: plotting.samples(np.ones((2, 4, 4, 2)))),
        ("images", lambda: plotting.samples(ONES[:0])),
        ("images", lambda: plotting.samples(ONES * np.nan)),
        ("images", lambda: plotting.samples(np.full((1, 2, 2), 256))),
        ("num_columns", lambda: plotting.samples(ONES, num_columns=0)),
        ("reconstructions", lambda: plotting.reconstructions(ONES, ONES[:1])),
        ("num_images", lambda: plotting.reconstructions(ONES, ONES, num_images=1.5)),
        ("x", lambda: plotting.completions(ONES[0], ONES[np.newaxis], ONES)),
        ("samples", lambda: plotting.completions(ONES, ONES, ONES)),
        ("samples", lambda: plotting.completions(ONES, ONES[np.newaxis, :1], ONES)),
        ("truth", lambda: plotting.completions(ONES, ONES[np.newaxis], ONES[:, :2])),
        ("num_images", lambda: plotting.completions(ONES, ONES[np.newaxis], ONES, num_images=0)),
        ("history", lambda: plotting.history({})),
        ("history", lambda: plotting.history({"loss": []})),
        ("history", lambda: plotting.history([1.0, 2.0])),
        ("z", lambda: plotting.latent_scatter(np.ones((4, 3)))),
        ("labels", lambda: plotting.latent_scatter(np.ones((4, 2)), np.arange(3))),
        ("labels", lambda: plotting.latent_scatter(np.ones((4, 2)), np.ones(4))),
    ],
)
def test_bad_arguments_are_named(argument, call):
    with pytest.raises(ValueError, match=rf"^(Argument )?`{argument}` must .*\. Received: \S"):
        call()


@pytest.mark.parametrize("classes", [1, 3])
def test_segmentations_shows_input_references_samples_and_uncertainty(images, classes):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, max(classes, 2), (9, 5, 6, 4))
    masks = np.eye(max(classes, 2))[labels][..., -classes:]
    figure = plotting.segmentations(images, masks[:2], masks[2:], num_images=3, num_samples=4)
    assert len(figure.axes) == 3 * 8
    titles = [axis.get_title() for axis in figure.axes[:8]]
    assert titles[:4] == ["input", "reference 1", "reference 2", "sample 1"]
    assert titles[-2:] == ["sample 4", "uncertainty"]
    first = drawn(figure.axes[1])
    if classes == 1:
        np.testing.assert_array_equal(first, masks[0, 0, ..., 0])
    else:
        assert len(np.unique(first.reshape(-1, 3), axis=0)) == 3
        np.testing.assert_array_equal(first[labels[0, 0] == 0], 0)


def test_uncertainty_is_dark_where_the_samples_agree(images):
    samples = np.zeros((2, 5, 6, 4, 1))
    samples[0, :, :3] = 1
    figure = plotting.segmentations(images, samples[:1], samples)
    uncertainty = drawn(figure.axes[4]).sum(-1)
    assert uncertainty[:3].min() > uncertainty[3:].max()
    assert len(np.unique(uncertainty)) == 2


def test_segmentations_refuses(images):
    masks = np.zeros((2, 5, 6, 4, 1))
    for arguments, name in [
        ((images, masks[0], masks), "references"),
        ((images, masks, masks[:, :3]), "samples"),
        ((images, masks, masks, 0), "num_images"),
    ]:
        with pytest.raises(ValueError, match=f"`{name}`.*Received"):
            plotting.segmentations(*arguments)


def test_latents_of_two_dimensions_lie_over_the_density_of_the_prior():
    model = constructors.vae(prior=priors.GaussianMixture(2, 3))
    figure = plotting.latents(model, constructors.DATA)
    axis = figure.axes[0]
    assert (axis.get_xlabel(), axis.get_ylabel()) == ("z1", "z2")
    points = axis.collections[-1].get_offsets()
    posterior, _ = model.latent_distributions(constructors.DATA)
    assert points.shape == (16, 2)
    assert np.abs(points - posterior.mean()).max() < 6 * float(np.max(posterior.stddev()))


@pytest.mark.parametrize("conditional", [False, True])
def test_more_latents_and_conditional_priors_are_a_pair_plot(conditional):
    if conditional:
        model, data, count = constructors.cvae(), (constructors.DATA, constructors.TARGET), 2
    else:
        model = tfcvae.VAE(layers.IndependentNormal(5), layers.IndependentNormal(4))
        data, count = constructors.DATA, 3
    figure = plotting.latents(model, data, num_dimensions=3)
    assert len(figure.axes) == count * (count + 1) // 2
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["prior", "posterior"]


def test_the_style_is_one_of_matplotlib():
    with style.context(plotting.STYLE):
        figure = Figure()
        axis = figure.add_subplot()
        (first,), (second,) = axis.plot([0, 1]), axis.plot([1, 0])
    assert (first.get_color(), second.get_color()) == ("#0072b2", "#d55e00")
    assert not axis.spines["top"].get_visible()
