"""Worlds: what is drawn is read back, what is asked is true, and whoever averages is caught."""

import doctest
import itertools
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import stats

from ptheta import Noise, load
from ptheta.cli import main
from ptheta.data import NAMES, world
from ptheta.data.pictures import digits
from ptheta.data.worlds import balls, stacked
from ptheta.data.worlds.base import OPEN, Reading
from ptheta.data.worlds.captions import LANGUAGES, SPOKEN
from ptheta.data.worlds.coins import LINE, CoinFlip
from ptheta.data.worlds.drawing import FACTORS, masks
from ptheta.data.worlds.shapes import Shapes

ALARM = 1e-3  # the false-alarm rate of every statistical test here
WORLDS = [name for name, entry in NAMES.items() if entry.maker.startswith("worlds.")]
SHAPES = [name for name in WORLDS if name.startswith("shapes")]
SHAPE, COLOUR, SIZE, PLACE, GROUND, STYLE, TURN, SHADE, DOWN, RIGHT = range(len(FACTORS))


def all_shapes() -> torch.Tensor:
    """The factors of all pictures that can be drawn, triangles in all turns: 51,840."""
    upright = torch.cartesian_prod(*(torch.arange(1 if f.name == "turn" else len(f.values)) for f in FACTORS))
    triangles = upright[upright[:, SHAPE] == 2]
    turned = [triangles.clone() for _ in range(3)]
    for turn, rows in enumerate(turned, 1):
        rows[:, TURN] = turn
    return torch.cat([upright, *turned])


# --- the sets ---


@pytest.mark.parametrize("name", WORLDS)
def test_worlds_are_the_same_everywhere(name, monkeypatch, tmp_path):
    monkeypatch.delenv("PTHETA_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    data = load(name)
    assert data.fingerprint == NAMES[name].fingerprint
    assert data.name == name and data.description.endswith(".")


@pytest.mark.parametrize("name", WORLDS)
def test_more_events_leave_the_first_as_they_are(name):
    few, more = load(name, n=20), load(name, n=30)
    assert (few.train.x == more.train.x[:20]).all() and (load(name, n=20, seed=1).train.x != few.train.x).any()
    if few.train.context is not None:
        assert (few.train.context == more.train.context[:20]).all()


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        ("shapes", {"size": 20}, "shapes are drawn on 16 x 16 or 32 x 32 pixels, but size is 20"),
        ("shapes", {"context": "form"}, "context should be caption, sketch or one of shape, colour"),
        ("shapes", {"only": "red+gren"}, "only should name values out of circle, .*not 'gren'"),
        ("shapes", {"only": "down"}, "circles and squares turned look alike"),
        ("shapes", {"only": "circle+red+top-left"}, "no seen combination of shape, colour and place is left"),
        ("shapes", {"combinations": "few"}, "combinations should be one of seen, held-out, all"),
        ("shapes", {"language": "latin"}, "language should be one of english, korean, both"),
        ("shapes", {"n": 4}, "at least 5 training events"),
        ("shapes", {"n": 10**12}, "do not fit in memory"),
        ("shapes", {"contxt": "colour"}, "did you mean context"),
        ("shapes-styles", {"context": "colour"}, "does not take the option context"),
        ("coin-flip", {"after": 3}, "after should be 1 or 2 frames"),
        ("bouncing-balls", {"frames": 1}, "2 to 1000 frames"),
        ("bouncing-balls", {"balls": 5}, "1 to 4 balls find room"),
        ("stacked-digits", {"n": 3}, "at least 5 training events"),
    ],
)
def test_what_cannot_be_drawn_is_refused(name, options, says):
    with pytest.raises(ValueError, match=says):
        load(name, **options)


def test_worlds_that_are_none_are_refused():
    with pytest.raises(ValueError, match=r"expected a world out of shapes, .*coin-flip, but the name is 'ring'"):
        world("ring")
    with pytest.raises(ValueError, match="does not take the option std"):
        world("shapes", std=1)
    assert isinstance(world("coin-flip", n=100, seed=3, given="frames=4", after=1), CoinFlip)
    with pytest.raises(ValueError, match="expected a factor out of shape, colour"):
        world("shapes").column("hue")


@pytest.mark.parametrize("name", WORLDS)
def test_levels_keep_away_from_where_tanh_is_flat(name):
    data = load(name, n=50)
    if not name.startswith(("bouncing", "stacked")):
        assert float(data.space.embed(data.train.x).abs().max()) <= 0.8


def test_the_command_line_lists_and_draws_them(capsys, tmp_path):
    assert main(["data"]) == 0
    listed = capsys.readouterr().out
    assert all(name in listed for name in WORLDS)
    picture = tmp_path / "shapes.png"
    words = [
        "data",
        "shapes",
        "--out",
        str(picture),
        "--given",
        "caption",
        "--data-options",
        "language=korean",
        "n=200",
    ]
    assert main(words) == 0
    assert picture.stat().st_size > 1000 and "19440 pictures" in capsys.readouterr().out
    assert main(["data", "digits", "--given", "caption"]) == 2
    assert main(["data", "shapes", "--given", "caption", "--data-options", "context=shape"]) == 2
    assert "caption is given of shapes, but so is its shape" in capsys.readouterr().err


# --- shapes: what is drawn is read back ---


def test_no_two_pictures_are_alike():
    x = Shapes().render(all_shapes()).flatten(1).numpy()
    assert len(x) == 51_840 == len({row.tobytes() for row in x})
    assert len(masks(32).quarters) == 864 == len(masks(32).quarters.unique(dim=0))


@pytest.mark.parametrize("size", [16, 32])
def test_shapes_are_read_back(size):
    """A sample here; all of them are read in the slow test below."""
    law = Shapes(size=size)
    factors = all_shapes()[torch.arange(0, 51_840, 53)]
    reading = law.read(law.render(factors))
    assert (reading.factors == factors).all()
    assert (reading.confidence > 1 - 1e-12).all() and reading.sure.all()


@pytest.mark.slow
@pytest.mark.parametrize("size", [16, 32])
def test_all_shapes_are_read_back(size):
    law = Shapes(size=size)
    for factors in all_shapes().split(5000):
        assert (law.read(law.render(factors)).factors == factors).all()


@pytest.mark.parametrize("size", [16, 32])
def test_shapes_cover_the_areas_of_their_formulas(size):
    table, scale = masks(size), size // 16
    area = table.quarters.sum(1) / 4
    for shape, big, style in itertools.product(range(3), range(2), range(2)):
        r, w = (3 + big) * scale, scale * style
        whole = {0: lambda r: math.pi * r**2, 1: lambda r: 4 * r**2, 2: lambda r: 2 * r**2}[shape]
        inner = r - w * (1 + math.sqrt(5)) / 2 if shape == 2 else r - w  # what the incircle of a triangle leaves
        expected = whole(r) - (whole(inner) if style else 0)
        rows = (table.factors[:, [SHAPE, SIZE, STYLE]] == torch.tensor([shape, big, style])).all(1)
        assert area[rows].std() == 0 and abs(float(area[rows][0]) / expected - 1) < 0.12, (shape, big, style)


def test_all_outlines_are_read_back():
    law = world("shapes-sketches")
    factors = masks(16).factors.clone()
    factors[:, GROUND] = torch.arange(len(factors)) % 3
    known = [SHAPE, SIZE, PLACE, GROUND, TURN, DOWN, RIGHT]
    asked = law.asked(law.sketch(factors))
    assert (asked[:, known] == factors[:, known]).all()
    assert (asked[:, [COLOUR, STYLE, SHADE]] == OPEN).all()


def test_the_reader_is_at_chance_on_noise_and_is_sure_of_none():
    law = world("shapes", combinations="all")
    noise = torch.randint(0, 256, (1500, 3, 16, 16), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    asked = law.draw(1500, noise=Noise(0))
    reading = law.read(noise)
    assert not reading.sure.any() and not reading.agrees(asked).any()
    for column, factor in enumerate(FACTORS):
        if factor.name != "turn":  # always up here
            hits = int((reading.factors[:, column] == asked[:, column]).sum())
            assert stats.binomtest(hits, 1500, 1 / len(factor.values)).pvalue > ALARM, factor.name
    garbage = {
        "blank": torch.full((3, 3, 16, 16), 108.0),
        "mean": law.sample(2000, noise=Noise(1)).double().mean(0, keepdim=True),
        "faint": law.sample(3, noise=Noise(1)) * 0 + noise[:3] // 8,
    }
    assert all(not law.read(x).sure.any() for x in garbage.values())
    red = torch.tensor([220.0, 60, 60])[:, None, None].expand(1, 3, 16, 16)
    assert float(law.read(red).confidence) == 0


def test_the_reader_forgives_what_a_person_forgives():
    law = world("shapes", only="large+100%")
    x = law.sample(300, noise=Noise(0))
    blurred = x + 20 * torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    right = (law.read(blurred).factors == law.read(x).factors).double().mean(0)
    assert float(right[[SHAPE, COLOUR, SIZE, PLACE, GROUND]].min()) > 0.99
    assert float(law.read(blurred).sure.double().mean()) > 0.95


def test_what_was_left_open_agrees():
    reading = Reading(torch.tensor([[1, 2], [1, 2]]), torch.tensor([0.9, 0.1]).double())
    assert reading.agrees(torch.tensor([[1, OPEN], [1, OPEN]])).tolist() == [[True, True], [False, False]]
    assert reading.agrees(torch.tensor([[0, 2], [1, 2]])).tolist() == [[False, True], [False, False]]


@pytest.mark.parametrize("name", ["shapes-sketches", "coin-flip"])
def test_a_world_is_a_law_that_sums_to_one_and_knows_its_entropy(name):
    law = world(name)
    every = all_shapes() if name.startswith("shapes") else torch.cartesian_prod(*map(torch.arange, (2, 11, 4, 2)))
    every = every[law.possible(every)]
    assert len(every) == law.count
    log_prob = law.log_prob(law.render(every))
    assert abs(float(log_prob.exp().sum()) - 1) < 1e-12
    assert abs(float(-(log_prob.exp() * log_prob).sum()) - law.entropy()) < 1e-12
    other = law.render(every[:5])
    other[:, 0, 0, 0] += 1
    assert (law.log_prob(other) == -math.inf).all()
    assert not law.possible(every + 11).any()


def test_a_picture_of_another_world_has_no_probability():
    x = world("shapes", combinations="held-out").sample(50, noise=Noise(0))
    assert (world("shapes").log_prob(x) == -math.inf).all()
    assert (world("shapes", combinations="held-out").log_prob(x) > -math.inf).all()


@pytest.mark.parametrize("combinations", ["seen", "held-out", "all"])
def test_all_that_is_possible_is_drawn_equally_often(combinations):
    law = world("shapes", combinations=combinations)
    factors = law.draw(20_000, noise=Noise(3))
    assert law.possible(factors).all()
    together = factors[:, SHAPE] * 16 + factors[:, COLOUR] * 4 + factors[:, PLACE]
    counts = together.bincount(minlength=48)
    assert int((counts > 0).sum()) == {"seen": 36, "held-out": 12, "all": 48}[combinations]
    assert stats.chisquare(counts[counts > 0].numpy()).pvalue > ALARM
    for column in (SIZE, GROUND, STYLE, SHADE, DOWN, RIGHT):
        assert stats.chisquare(factors[:, column].bincount().numpy()).pvalue > ALARM
        free = stats.contingency.crosstab(together.numpy(), factors[:, column].numpy()).count
        assert stats.chi2_contingency(free).pvalue > ALARM


def test_twelve_combinations_are_held_out_one_place_of_each_shape_and_colour():
    law = world("shapes")
    assert len(law.held_out) == 12 and "red circle top left" in law.held_out
    pairs = {tuple(words.split()[:2]) for words in law.held_out}
    assert pairs == set(itertools.product(FACTORS[COLOUR].values, FACTORS[SHAPE].values))
    assert [sum(words.endswith(place) for words in law.held_out) for place in FACTORS[PLACE].values] == [3, 3, 3, 3]
    data = load("shapes", n=500, combinations="held-out")
    held = world("shapes", combinations="held-out")
    for events in (data.train, data.valid):
        assert not held.possible(held.known(events.x)).any()
    assert held.possible(held.known(data.test.x)).all()
    assert (data.train.x == load("shapes", n=500).train.x).all()


def test_only_some_values_are_drawn_where_only_they_are_wanted():
    data = load("shapes", n=300, only="green+yellow+top-left+bottom-right", context="colour", combinations="all")
    assert data.context_space.names == ("green", "yellow")
    factors = world("shapes").known(data.train.x)
    assert set(factors[:, COLOUR].tolist()) == {2, 3} and set(factors[:, PLACE].tolist()) == {0, 3}
    assert (factors[:, COLOUR] == data.train.context + 2).all()


@pytest.mark.parametrize("context", ["shape", "colour", "size", "place", "background", "style"])
def test_classes_are_what_is_shown(context):
    data, law = load("shapes", n=200, context=context), world("shapes", context=context)
    column = law.column(context)
    assert data.context_space.names == FACTORS[column].values
    asked = law.asked(data.train.context)
    reading = law.read(data.train.x)
    assert (asked[:, column] == reading.factors[:, column]).all() and reading.agrees(asked).all()
    assert (asked == OPEN).sum() == 200 * (len(FACTORS) - 1)


# --- shapes: domains ---


@pytest.mark.parametrize("name", ["shapes-styles", "shapes-colours", "shapes-turns"])
def test_a_counterpart_is_the_picture_with_one_factor_changed(name):
    data, law = load(name, n=300), world(name)
    column, classes = law.column(law.context), data.context_space.n
    x, own = data.train.x, data.train.context
    factors = law.known(x)
    assert (law.counterpart(x, own) == x).all()
    target = (own + 1) % classes
    other = law.counterpart(x, target)
    changed = factors.clone()
    changed[:, column] = (factors[:, column] + 1) % classes
    assert (other == law.render(changed)).all() and (other != x).flatten(1).any(1).all()
    assert (law.counterpart(other, own) == x).all() and law.possible(law.known(other)).all()
    for _ in range(classes):
        x = law.counterpart(x, (law.known(x)[:, column] + 1) % classes)
    assert (x == data.train.x).all()


def test_a_turned_picture_shows_a_turned_triangle():
    law = world("shapes-turns")
    x = law.sample(100, noise=Noise(0))
    turned, factors = law.known(x.rot90(-1, (2, 3)).contiguous()), law.known(x)
    assert (turned[:, TURN] == (factors[:, TURN] + 1) % 4).all()
    assert (turned[:, PLACE] == torch.tensor([1, 3, 0, 2])[factors[:, PLACE]]).all()
    same = [SHAPE, COLOUR, SIZE, GROUND, STYLE, SHADE]
    assert (turned[:, same] == factors[:, same]).all()


def test_a_counterpart_of_what_is_no_event_is_refused():
    law = world("shapes-colours")
    x = law.sample(5, noise=Noise(0))
    x[2, 0, 0, 0] += 1
    with pytest.raises(ValueError, match="expected events of this world, but 1 of 5 are none"):
        law.counterpart(x, torch.zeros(5, dtype=torch.int64))
    with pytest.raises(ValueError, match="target should be events of"):
        law.counterpart(law.sample(1), torch.tensor([4]))


# --- shapes: captions and sketches ---


@pytest.mark.parametrize("language", LANGUAGES)
def test_captions_say_what_is_true_and_come_back(language):
    data = load("shapes", n=1000, given="caption", language=language)
    law = world("shapes", context="caption", language=language)
    assert data.context_space == law.context_space and data.context_space.names[0] == ""
    texts = data.context_space.show(data.train.context)
    assert (data.context_space.parse(texts) == data.train.context).all()
    asked, factors = law.asked(data.train.context), law.known(data.train.x)
    assert ((asked == factors) | (asked == OPEN)).all()
    assert (asked[:, COLOUR] != OPEN).all() and (asked[:, SHAPE] != OPEN).all()
    said = (asked != OPEN).double().mean(0)
    assert 0.7 < said[PLACE] < 0.9 and (said[[SIZE, GROUND, STYLE]] > 0.3).all() and (said[TURN:] == 0).all()
    assert law.read(data.train.x).agrees(asked).all()
    korean = np.array([any("가" <= letter <= "힣" for letter in text) for text in texts])
    assert 0.4 < korean.mean() < 0.6 if language == "both" else korean.all() == (language == "korean") == korean.any()


def test_captions_of_other_pictures_are_not_true():
    """The broken twin of the test above: captions shifted by one picture."""
    data, law = load("shapes", n=1000, given="caption"), world("shapes", context="caption")
    agrees = law.read(data.train.x).agrees(law.asked(data.train.context.roll(1, 0)))
    assert abs(float(agrees[:, COLOUR].double().mean()) - 1 / 4) < 0.06
    assert float(agrees.all(1).double().mean()) < 0.05


def test_captions_are_worded_in_several_ways():
    law = world("shapes", context="caption")
    factors = law.draw(1, noise=Noise(0)).expand(3000, -1)
    texts = law.captions.write(factors, Noise(1))
    assert len(set(texts)) > 30 and law.captions.write(factors, Noise(1)) == texts
    asked = law.captions.asked(law.captions.space.parse(texts))
    for i in range(len(SPOKEN)):
        assert set(asked[:, i].tolist()) <= {OPEN, int(factors[0, i])}
    used = set(" ".join(texts).split())
    assert {"a", "바탕에"} <= used and max(len(text.split()) for text in texts) == law.captions.space.dimensions


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("a small red circle on black", [0, 0, 0, OPEN, 0, OPEN]),
        ("Black on circle, red small a.", [0, 0, 0, OPEN, 0, OPEN]),
        ("the hollow square at the lower left is yellow", [1, 3, OPEN, 2, OPEN, 1]),
        ("검은 바탕 오른쪽 위에 있는 큰 속이 찬 파란 삼각형", [2, 1, 1, 1, 0, 0]),
        ("the triangle at the top", [2, OPEN, OPEN, OPEN, OPEN, OPEN]),
        ("red blue square", [1, OPEN, OPEN, OPEN, OPEN, OPEN]),
    ],
)
def test_a_caption_asks_for_what_a_person_would_read(text, asked):
    law = world("shapes", context="caption")
    assert law.asked(law.context_space.parse([text]))[0, : len(SPOKEN)].tolist() == asked


def test_a_word_never_seen_gets_a_sentence():
    with pytest.raises(ValueError, match=r"has 'sqare'\. Did you mean square"):
        world("shapes", context="caption").context_space.parse(["a red sqare"], "the caption")


def test_a_sketch_leaves_two_equally_likely_answers():
    data, law = load("shapes-sketches", n=2000), world("shapes-sketches")
    asked, factors = law.asked(data.train.context), law.known(data.train.x)
    known = [SHAPE, SIZE, PLACE, GROUND, TURN, DOWN, RIGHT]
    assert (asked[:, known] == factors[:, known]).all()
    answers = law.alternatives(factors, "colour")
    assert answers.shape == (2000, 2, 3, 16, 16)
    hits = (answers == data.train.x[:, None]).flatten(2).all(2)
    assert (hits.sum(1) == 1).all()
    assert stats.binomtest(int(hits[:, 0].sum()), 2000).pvalue > ALARM
    mean = answers.double().mean(1)
    errors = [float((a.double() - data.train.x).square().mean()) for a in (mean, answers[:, 0], mean + 3)]
    assert errors[0] == min(errors) and abs(errors[0] / errors[1] - 0.5) < 0.05
    assert float(law.off_colour(mean[:200]).min()) > 0.5 and float(law.off_colour(data.train.x[:200]).max()) == 0
    with pytest.raises(ValueError, match="not every event has all alternatives in shape"):
        world("shapes").alternatives(world("shapes").draw(20, noise=Noise(0)), "shape")


def test_a_reader_of_nothing_reads_nothing():
    for name in ("shapes", "coin-flip"):
        law = world(name)
        reading = law.read(law.sample(0, noise=Noise(0)))
        assert reading.factors.shape == (0, len(law.factors)) and reading.confidence.shape == (0,)
    assert load("shapes", given="caption", n=20).context_space.check(torch.zeros(0, 11, dtype=torch.int64)) is None


# --- the coin ---


@pytest.fixture(scope="module")
def films():
    law = world("coin-flip")
    every = torch.cartesian_prod(*map(torch.arange, (2, 11, 4, 2)))
    return law, every, law.render(every)


def test_all_films_are_read_back(films):
    law, every, x = films
    assert (law.read(x).factors == every).all() and len({row.numpy().tobytes() for row in x}) == len(every) == 176
    noise = torch.randint(0, 256, (500, 6, 16, 16), generator=torch.Generator().manual_seed(0))
    reading = law.read(noise)
    assert not reading.sure.any()
    assert stats.binomtest(int((reading.factors[:, 3] == 0).sum()), 500).pvalue > ALARM


@pytest.mark.parametrize("frames", [1, 2, 3, 4])
def test_the_line_tells_all_but_the_coin(films, frames):
    law, every, x = films
    asked = law.asked(x[:, :frames])
    assert (asked[:, :3] == every[:, :3]).all() and (asked[:, 3] == OPEN).all()
    ends = law.futures(x[:, :frames])
    assert (ends[:, 0, : LINE - frames] == ends[:, 1, : LINE - frames]).all()
    assert (ends[torch.arange(176), every[:, 3]] == x[:, frames:]).all()


def test_the_average_of_both_ends_is_halfway_from_either(films):
    law, every, x = films
    given, ends = x[:, :4], law.futures(x[:, :4])
    mean = ends.double().mean(1)
    assert (law.nearest(mean, given).distance - 0.5).abs().max() < 1e-12
    for coin in (0, 1):
        found = law.nearest(ends[:, coin], given)
        assert (found.coin == coin).all() and (found.distance == 0).all()
    empty = torch.full_like(mean, 28)
    assert (law.nearest(empty, given).distance - math.sqrt(0.5)).abs().max() < 1e-12
    assert (law.nearest(x[:, 4:], given).coin == every[:, 3]).all()
    squared = [float((guess[:, None] - ends).double().square().mean()) for guess in (mean, ends[:, 0].double(), empty)]
    assert squared[0] == min(squared) and abs(squared[1] / squared[0] - 2) < 1e-12


def test_the_two_futures_never_touch(films):
    law, _, x = films
    lit = law.futures(x[:, :4]) > 28
    assert lit.flatten(3).any(3).all() and not (lit[:, 0] & lit[:, 1]).any()


def test_the_coin_is_fair_whatever_came_before():
    data = load("coin-flip")
    factors = world("coin-flip").known(data.train.x)
    assert stats.binomtest(int(factors[:, 3].sum()), len(factors)).pvalue > ALARM
    row = factors[:, 0] * 11 + factors[:, 1]
    table = stats.contingency.crosstab(row.numpy(), factors[:, 3].numpy()).count
    assert stats.chi2_contingency(table).pvalue > ALARM


def test_a_coin_that_has_fallen_is_no_question(films):
    law, every, x = films
    assert (law.asked(x[:, :5]) == every).all()
    with pytest.raises(ValueError, match="the coin has fallen after 4 frames"):
        law.futures(x[:, :5])
    with pytest.raises(ValueError, match="expected the first of 6 frames, but there are 6"):
        law.asked(x)
    with pytest.raises(ValueError, match="expected first frames of films of this world"):
        law.futures(x[:, :4] + 1)
    with pytest.raises(ValueError, match="expected the frames after 4"):
        law.nearest(x[:, :4], x[:, :4])
    given = load("coin-flip", given="frames=4", n=50, after=1)
    assert given.space.shape == (1, 16, 16) and given.context_space.shape == (4, 16, 16)
    assert (world("coin-flip", after=1).nearest(given.train.x, given.train.context).distance == 0).all()


# --- bouncing balls ---


def rolled(x, v, frames):
    """One film, ball by ball, in the words of the description; what the library does for all films at once."""
    x, v = [list(map(float, ball)) for ball in x], [list(map(float, ball)) for ball in v]
    places = []
    for _ in range(frames):
        places.append([list(ball) for ball in x])
        for _ in range(2):
            for ball, speed in zip(x, v, strict=True):
                for axis in range(2):
                    ball[axis] += 0.5 * speed[axis]
            for ball, speed in zip(x, v, strict=True):
                for axis in range(2):
                    if ball[axis] - 1.2 < 0:
                        speed[axis] = abs(speed[axis])
                    if ball[axis] + 1.2 > 10:
                        speed[axis] = -abs(speed[axis])
            for i in range(len(x)):
                for j in range(i):
                    d = [x[i][0] - x[j][0], x[i][1] - x[j][1]]
                    far = math.sqrt(d[0] * d[0] + d[1] * d[1])
                    w = [d[0] / far, d[1] / far]
                    closing = w[0] * (v[i][0] - v[j][0]) + w[1] * (v[i][1] - v[j][1])
                    if far < 2.4 and closing < 0:
                        for axis in range(2):
                            v[i][axis] -= closing * w[axis]
                            v[j][axis] += closing * w[axis]
    return np.array(places)


def test_balls_roll_as_described():
    places, speeds = balls.trajectories(20, 60, Noise(0))
    collided = 0
    for film, speed in zip(places, speeds, strict=True):
        assert (rolled(film[0], speed[0], 60) == film).all()
        collided += int((np.abs(np.diff((speed**2).sum(2), axis=0)) > 1e-9).any(1).sum())
    assert collided > 20  # balls met: speeds changed, not only directions


def test_balls_keep_their_energy_and_their_box():
    places, speeds = balls.trajectories(200, 100, Noise(1))
    assert np.abs((speeds**2).sum((2, 3)) - 0.25).max() < 1e-12
    assert places.min() > 1.2 - 0.25 and places.max() < 8.8 + 0.25  # at most a step beyond, before it is turned back
    gaps = [np.sqrt(((places[:, :, i] - places[:, :, j]) ** 2).sum(2)) for i in range(3) for j in range(i)]
    assert min(gap.min() for gap in gaps) > 2.4 - 0.5
    assert min(gap[:, 0].min() for gap in gaps) >= 2.4


def test_a_frame_is_light_where_balls_are():
    data = load("bouncing-balls", n=5, frames=3)
    places = balls.trajectories(5, 3, Noise(0).at("worlds", "bouncing-balls", "train"))[0]
    for row, column in ((0, 0), (7, 7), (4, 11)):
        p = np.array([(row + 0.5) / 1.5, (column + 0.5) / 1.5])
        light = np.exp(-((((p - places) ** 2).sum(3) / 1.44) ** 4)).sum(2).clip(max=1)
        assert (data.train.x[:, :, row, column].numpy() == np.rint(255 * light)).all()
    ink = data.train.x.double().sum((2, 3)) / 255
    assert float(ink.min()) > 25 and float(ink.max()) < 32  # three times about ten pixels


def test_copying_the_last_frame_costs_what_the_page_says():
    """The papers' convention: summed over the 225 pixels of a frame, values in [0, 1]; a hundred frames a film."""
    x = load("bouncing-balls", n=200, frames=100).train.x
    error = balls.copy_last_error(x)
    assert abs(error - 2.98) < 0.03
    embedded = (x[:, 1:].double() - x[:, :-1].double()) * (2 / 255)
    assert abs(float(embedded.square().sum((2, 3)).mean()) - 4 * error) < 1e-9
    assert 2.79 < error < 3.31  # two papers report these of models: copying stands between them
    frozen = x[:, :1].expand_as(x)
    assert balls.copy_last_error(frozen) == 0
    mean = (x.double() / 255 - x.double().mean((0, 1)) / 255).square().sum((2, 3)).mean()
    assert float(mean) > 5 * error


# --- stacked digits ---


def test_three_digits_are_a_class():
    data, one = load("stacked-digits", n=500), digits()
    for name in ("train", "valid", "test"):
        events, own = getattr(data, name), getattr(one, name)
        known = {row.numpy().tobytes(): int(c) for row, c in zip(own.x, own.context, strict=True)}
        numerals = [known[row.numpy().tobytes()] for row in stacked.channels(events.x)]
        assert (stacked.classes_of(torch.tensor(numerals).reshape(-1, 3)) == events.context).all()
    assert data.context_space.names[407] == "407" and stacked.classes_of(torch.tensor([[4, 0, 7]])).item() == 407
    one.space.check(stacked.channels(data.train.x))


def test_the_law_of_the_classes_is_what_is_drawn():
    shares = stacked.shares()
    assert shares.shape == (1000,) and abs(float(shares.sum()) - 1) < 1e-12
    assert float(shares.min()) > 0.7e-3 and float(shares.max()) < 1.3e-3
    data = load("stacked-digits")
    counts = data.train.context.bincount(minlength=1000)
    assert stats.chisquare(counts.numpy(), (shares * 20_000).numpy()).pvalue > ALARM
    assert int((counts > 0).sum()) == 1000


# --- the page ---


def test_the_examples_of_the_page_hold():
    page = Path(__file__).parent.parent / "docs" / "worlds.md"
    text = page.read_text()
    found = doctest.testfile(str(page), module_relative=False, optionflags=doctest.ELLIPSIS)
    assert found.attempted > 10 and found.failed == 0
    for name in WORLDS:
        assert f"`{name}`" in text
    pictures = [part.split(")")[0] for part in text.split("](")[1:] if part.startswith("pictures/")]
    assert len(pictures) >= 4 and all((page.parent / picture).is_file() for picture in pictures)
