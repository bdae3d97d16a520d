"""What `--target` may say."""

import pytest

from egcam_jax.run.targets import Target, parse

NAMES = ("crane, bird", "tabby, tabby cat", "Persian cat", "crane", "catamaran", "steam locomotive")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, Target(k=1)),
        ("top", Target(k=1)),
        ("label", Target(label=True)),
        ("top:3", Target(k=3)),
        ("TOP:1", Target(k=1)),
        ("0", Target(index=0)),
        ("5", Target(index=5)),
        ("Persian cat", Target(index=2)),
        ("persian CAT", Target(index=2)),
        ("tabby cat", Target(index=1)),  # a synonym
        ("persian", Target(index=2)),  # a word
        ("cata", Target(index=4)),  # a part
        ("crane", Target(index=3)),  # the whole name comes before a synonym of another
        ("bird", Target(index=0)),
        (" locomotive ", Target(index=5)),
    ],
)
def test_targets(text, expected):
    assert parse(text, NAMES) == expected


def test_a_word_comes_before_a_part_so_cat_is_no_catamaran():
    with pytest.raises(ValueError, match=r"2 classes fit: 1 tabby, tabby cat; 2 Persian cat\. Give more"):
        parse("cat", NAMES)


def test_a_long_list_of_what_fits_is_cut():
    with pytest.raises(ValueError, match=r"12 classes fit: 0 dog 0; .*7 dog 7; and 4 more"):
        parse("dog", [f"dog {i}" for i in range(12)])


def test_an_unknown_name_offers_the_nearest():
    with pytest.raises(ValueError, match="got 'tabbi' is none of the model's classes; near ones: 1 tabby, tabby cat"):
        parse("tabbi", NAMES)


def test_a_name_unlike_any_says_what_to_do():
    with pytest.raises(ValueError, match="got 'qqq' is none of the model's classes; write its index"):
        parse("qqq", NAMES)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("6", "target must be an index of 0 to 5, or a name; got 6"),
        ("-1", "target must be an index of 0 to 5, or a name; got -1"),
        ("top:0", "K a whole number of at least 1, as in top:3; got top:0"),
        ("top:x", "got top:x"),
        ("top:", "got top:"),
        ("top:7", "K at most 6, the number of classes; got top:7"),
    ],
)
def test_numbers_out_of_range(text, message):
    with pytest.raises(ValueError, match=message):
        parse(text, NAMES)


def test_without_class_names_only_numbers_can_be_given():
    assert parse("7", None) == Target(index=7)
    assert parse("top:7", None) == Target(k=7)
    with pytest.raises(ValueError, match=r"got 'cat'\. This model has no class names: give the index"):
        parse("cat", None)
