"""The number of time series is bounded, and nothing is lost from their sum."""

from gateway.label_limit import with_limited_labels


def test_labels_beyond_the_limit_are_added_up() -> None:
    assert with_limited_labels({"b": 1, "a": 2, "c": 4, "d": 8}, 2) == {"b": 1, "a": 2, "other": 12}


def test_a_label_that_is_called_other_is_part_of_the_sum() -> None:
    assert with_limited_labels({"other": 1, "a": 2}, 1) == {"other": 3}


def test_a_later_label_moves_no_earlier_one() -> None:
    assert with_limited_labels({"a": 1}, 1) == {"a": 1}
    assert with_limited_labels({"a": 1, "b": 2}, 1) == {"a": 1, "other": 2}


def test_a_limit_of_none_leaves_the_sum() -> None:
    assert with_limited_labels({"a": 1, "b": 2}, 0) == {"other": 3}
