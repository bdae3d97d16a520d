"""What `--target` may say."""

import pytest

from egcam_jax.cli._targets import Top, parse

NAMES = ("crane, bird", "tabby, tabby cat", "Persian cat", "crane", "catamaran", "steam locomotive")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, Top(1)),
        ("top:3", Top(3)),
        ("TOP:1", Top(1)),
        ("0", 0),
        ("5", 5),
        ("Persian cat", 2),
        ("persian CAT", 2),
        ("tabby cat", 1),  # a synonym
        ("persian", 2),  # a word
        ("cata", 4),  # a part
        ("crane", 3),  # the whole name comes before a synonym of another
        ("bird", 0),
        (" locomotive ", 5),
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
    with pytest.raises(ValueError, match=r"'tabbi': no class of this name; did you mean: 1 tabby, tabby cat\?"):
        parse("tabbi", NAMES)


def test_a_name_unlike_any_says_what_to_do():
    with pytest.raises(ValueError, match="'qqq': no class of this name; give another part"):
        parse("qqq", NAMES)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("6", "--target 6: an index of 0 to 5 wanted"),
        ("-1", "--target -1: an index of 0 to 5"),
        ("top:0", "top:0: a whole number of at least 1"),
        ("top:x", "top:x: a whole number"),
        ("top:", "top:: a whole number"),
        ("top:7", "top:7: the model has only 6 classes"),
    ],
)
def test_numbers_out_of_range(text, message):
    with pytest.raises(ValueError, match=message):
        parse(text, NAMES)


def test_without_class_names_only_numbers_can_be_given():
    assert parse("7", None) == 7
    assert parse("top:7", None) == Top(7)
    with pytest.raises(ValueError, match="'cat': this model has no class names; give the index"):
        parse("cat", None)
