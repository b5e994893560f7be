"""The study of HEL1's scores, on simulated songs whose cause is known; the shipped scores; a whole run."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import multivariate_t

from experiments.hel1 import __main__ as study
from experiments.hel1 import controls, excerpts, mistakes, table
from experiments.hel1.common import Bands
from experiments.hel1.excerpts import Excerpt
from experiments.hel1.hypotheses import RANDOM, SUBMITTED
from experiments.hel1.measures import FREEDOM, Likelihood, distances, fingerprint, student
from experiments.hel1.networks import Spectrum, Variant
from experiments.hel1.published import published
from experiments.hel1.simulation import sdr_pool, submissions
from rnnsep.network.drawing import drawn

NB_FRAMES, RATE = 3, 4000
SMALL = {"rnn.layers": 2, "rnn.units": 7, "stft.window": 64, "stft.hop": 32}


@pytest.fixture(scope="module")
def songs():
    """Songs whose sources are noises of different colours, some in common and some of the song."""
    random, found = np.random.default_rng(0), []
    for name in published().songs[:8]:
        spectra = np.fft.rfft(random.normal(size=(4, (NB_FRAMES + 1) * RATE, 2)), axis=1)
        frequencies = np.linspace(0, 1, spectra.shape[1])[:, None]
        slopes = np.array([1, 3, 8, 2])[:, None, None] * random.uniform(0.7, 1.4, (4, 1, 1))
        sources = np.fft.irfft(spectra / (0.01 + frequencies * slopes) ** 1.2, axis=1)
        sources *= random.uniform(0.5, 1, (4, 1, 1)) * np.linspace(1, 2, sources.shape[1])[:, None]
        sources = (0.05 * sources / sources.std()).astype(np.float32)
        found.append(Excerpt(name, sources.sum(axis=0), sources, RATE // 2, NB_FRAMES, RATE))
    return found


@pytest.fixture(scope="module")
def pool(songs, tmp_path_factory):
    return sdr_pool(Variant(SMALL), songs[:6], 24, tmp_path_factory.mktemp("pool"))


def test_shipped_scores_are_those_of_the_campaign():
    facts = published()
    assert len(facts.songs) == 49
    assert set(facts.scores) == {"HEL1", "IRM1", "MIX"}
    assert {scores.shape for scores in facts.scores.values()} == {(4, 49, 4, 6)}
    expected = [[-0.89, -1.10, -0.94, -0.85], [1.59, 1.15, 1.31, 0.99], [0.79, 0.60, 0.78, 0.56]]
    np.testing.assert_allclose(fingerprint(facts.above_mix("HEL1")[0]), expected, atol=0.006)
    some = facts.of(facts.songs[7:4:-1])
    np.testing.assert_array_equal(some.scores["IRM1"], facts.scores["IRM1"][:, 7:4:-1])


def test_sdr_is_that_of_bss_eval(songs):
    estimates = songs[0].sources + 0.3 * songs[1].sources
    np.testing.assert_allclose(songs[0].sdr(estimates), songs[0].scores(estimates)[0], atol=1e-4)


def test_weights_are_drawn_as_in_tensorflow_1():
    architecture = Variant().architecture
    weights, others = (drawn(architecture.shapes, np.random.default_rng(seed)) for seed in (0, 1))
    assert {path: weight.shape for path, weight in weights.items()} == architecture.shapes
    kernel, recurrent, bias = (
        weights[f"recurrent_2/forward/{name}"] for name in ("kernel", "recurrent_kernel", "bias")
    )
    assert (kernel != others["recurrent_2/forward/kernel"]).mean() > 0.99
    for part in (kernel, recurrent):  # GRUCell: [x, h] to both gates, [x, h] to the candidate
        assert np.abs(part[:, :258]).max() == pytest.approx(np.sqrt(6 / (258 + 258)), rel=1e-3)
        assert np.abs(part[:, 258:]).max() == pytest.approx(np.sqrt(6 / (258 + 129)), rel=1e-3)
    np.testing.assert_array_equal(bias, [[1] * 258 + [0] * 129, [0] * 387])
    assert np.abs(weights["heads/kernel"]).max() == pytest.approx(np.sqrt(6 / 258), rel=1e-3)
    assert not weights["heads/bias"].any()


def test_a_lost_checkpoint_makes_new_weights_for_each_song():
    """Preset hel1-untrained separates as the study simulates: by drawn weights, not by those of the model."""
    submitted, found = (Variant(SMALL | {"defects.lost_checkpoint": lost}) for lost in (True, False))
    model, kept = (one.draw(5, []) for one in (submitted, found))
    one, same, other = (model.for_song(name).networks[0].weights["heads/kernel"] for name in ("a", "a", "b"))
    np.testing.assert_array_equal(one, same)
    assert (one != other).any() and (one != model.networks[0].weights["heads/kernel"]).any()
    assert one.std() == pytest.approx(np.sqrt(2 / (7 + 33)), rel=0.1)
    assert kept.for_song("a") is kept


@pytest.mark.parametrize("hypothesis", RANDOM, ids=lambda one: one.name)
def test_networks_share_out_the_mixture(hypothesis, songs):
    variant = hypothesis.variant
    short = [replace(song, mixture=song.mixture[:9000], sources=song.sources[:, :9000]) for song in songs[:2]]
    spectra = [Spectrum.of(song, variant.stft) for song in short]
    masks = variant.masks(variant.draw(0, spectra), spectra[0])
    assert masks.shape[:3] == (4, *spectra[0].mixture.shape[:2])
    total = masks.sum(axis=0)
    if variant.silent:  # where all four outputs are negative
        assert 0.01 < (total == 0).mean() < 0.25
        total = total[total != 0]
    else:
        np.testing.assert_allclose(spectra[0].estimates(masks).sum(axis=0), short[0].mixture, atol=1e-6)
    np.testing.assert_allclose(total, 1, atol=1e-5)
    assert np.ptp(masks) > 0.5
    assert (variant.masks(variant.draw(1, spectra), spectra[0]) != masks).any()


def test_a_pool_resumes_and_makes_submissions(songs, pool, tmp_path):
    variant = Variant(SMALL)
    sdr_pool(variant, songs[:6], 3, tmp_path)
    np.testing.assert_array_equal(sdr_pool(variant, songs[:6], 5, tmp_path), pool[:5])
    np.testing.assert_array_equal(submissions(pool, "same for all songs", 9), pool)
    new = submissions(pool, "new for each song", 9)
    assert new.shape == (9, *pool.shape[1:])
    for number in range(pool.shape[1]):
        assert np.isin(new[:, number], pool[:, number]).all()


def test_the_method_tells_apart_submissions_of_known_cause(songs, pool):
    """Networks with the same weights for all songs, and with new ones, of a pool that was not used for the estimate."""
    likelihood, bands = Likelihood(pool[::2]), Bands.of(songs[:6])
    same, new = (submissions(pool[1::2], kind, 12) for kind in ("same for all songs", "new for each song"))
    assert np.median(likelihood.same_weights(same)) > np.quantile(likelihood.same_weights(new), 0.9)
    agreements = [np.mean([bands.agreement(one) for one in ones[:4]]) for ones in (same, new)]
    assert agreements[0] > agreements[1] + 0.2
    compared = distances(new, new[0] + 3)
    assert compared.p == pytest.approx(1 / 13)
    assert compared.observed > compared.quantiles(1.0)[0]


def test_likelihoods_are_of_students_t():
    random = np.random.default_rng(0)
    root, mean, x = random.normal(size=(3, 3)), random.normal(size=3), random.normal(size=(2, 5, 3))
    covariance = root @ root.T + np.eye(3)
    expected = multivariate_t(mean, covariance * (FREEDOM - 2) / FREEDOM, FREEDOM).logpdf(x)
    np.testing.assert_allclose(student(x, mean, covariance), expected)


def test_common_gains_are_found(songs):
    """A system with one gain per band and source in all songs is predicted from other songs, to rounding."""
    bands = Bands.of(songs)
    gains = np.random.default_rng(0).uniform(0, 1, (4, bands.gram.shape[-1]))
    everything = np.full(len(songs), True)
    scores = np.stack([bands.above_mix(one, everything, source) for source, one in enumerate(gains)], axis=1)
    assert min(bands.agreements(scores)) > 0.9
    quarter = bands.above_mix(np.full(gains.shape[1], 0.25), everything, 0)
    np.testing.assert_allclose(quarter, 0, atol=0.01)  # MIX


@pytest.mark.parametrize("name", mistakes.MISTAKES)
def test_mistakes_leave_masks_that_sum_to_one(name):
    random = np.random.default_rng(0)
    masks = list(random.dirichlet(np.ones(4), (2, 10, 12)).transpose(0, 3, 1, 2)[..., None].astype(np.float32))
    wrong = mistakes.MISTAKES[name][1](masks, 1)
    np.testing.assert_allclose(wrong.sum(axis=0), 1, atol=1e-6)
    assert (wrong != masks[1]).any()
    np.testing.assert_array_equal(np.sort(wrong.ravel()), np.sort(masks[0 if name == "other-song" else 1].ravel()))


def test_a_whole_run_writes_report_and_figure(songs, tmp_path, monkeypatch, capsys):
    facts = replace(published(), scores={name: one[..., :NB_FRAMES] for name, one in published().scores.items()})
    small = [replace(one, variant=Variant(SMALL), nb_draws=8) for one in (SUBMITTED, RANDOM[1])]
    monkeypatch.setattr(study, "published", lambda: facts)
    monkeypatch.setattr(study, "read_excerpts", lambda *_: songs[:3])
    for name, value in {"RANDOM": small, "FITTED": small[:1], "SCORED": {small[0]: 1}, "SUBMITTED": small[0]}.items():
        monkeypatch.setattr(study, name, value)
    monkeypatch.setattr(table, "NB_FITTED", 3)
    arguments = ["--corpus", str(tmp_path), "--folder", str(tmp_path / "out"), "--parts", "networks", "measures"]
    assert study.main(arguments) == 0
    report = (tmp_path / "out/report.md").read_text(encoding="utf-8")
    assert report in capsys.readouterr().out
    assert report.count("`submitted`") >= 4
    assert "nan" not in report
    assert (tmp_path / "out/figure.svg").read_text(encoding="utf-8").startswith("<svg")
    assert study.main(arguments) == 0
    assert (tmp_path / "out/report.md").read_text(encoding="utf-8") == report


def test_errors_are_one_line(tmp_path, capsys):
    assert study.main([]) == 1
    assert capsys.readouterr().err == "hel1: --corpus: must be the folder of a copy of musdb18-7s, not None\n"
    assert study.main(["--corpus", str(tmp_path)]) == 1
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.real
def test_mix_and_irm1_have_their_published_scores(shared_data):
    some = excerpts.read_excerpts(shared_data / "musdb18-7s", published())[:2]
    facts = published().of(excerpts.names_of(some))
    for name, scores in (("MIX", controls.mix_scores(some)), ("IRM1", controls.irm1_scores(some))):
        differences = np.abs(scores - facts.scores[name])
        assert np.median(differences[0]) < {"MIX": 0.006, "IRM1": 0.3}[name]
        assert np.median(differences[1]) < {"MIX": 0.8, "IRM1": 4}[name]  # ISR: filters of 6 s fit better
