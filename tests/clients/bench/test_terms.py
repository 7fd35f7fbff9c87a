"""Recall and false alarms of terms."""

from clients.bench.result import Terms
from clients.bench.terms import count_terms, summed_terms


def counted(reference: str, transcript: str, *terms: str) -> Terms:
    return count_terms(reference.split(), transcript.split(), [term.split() for term in terms])


def test_a_term_is_recognized_where_it_was_spoken() -> None:
    assert counted("ask ada now", "ask ada now", "ada") == Terms(1, 1, 0, 1)
    assert counted("ask ada now", "ask either now", "ada") == Terms(1, 0, 0, 0)


def test_a_term_written_elsewhere_is_a_false_alarm() -> None:
    assert counted("ask her now", "ask ada now", "ada") == Terms(0, 0, 1, None)
    assert counted("ada left ask her", "eider left ask ada", "ada") == Terms(1, 0, 1, 0)


def test_a_term_of_several_words_is_recognized_as_a_whole_only() -> None:
    assert counted("meet ada lovelace here", "meet ada lovelace here", "ada lovelace") == Terms(1, 1, 0, 1)
    assert counted("meet ada lovelace here", "meet ada love lace here", "ada lovelace") == Terms(1, 0, 0, 0)
    assert counted("meet ada lovelace here", "meet ada b lovelace here", "ada lovelace") == Terms(1, 0, 0, 0)


def test_a_term_listed_twice_counts_once_and_an_empty_one_not_at_all() -> None:
    assert counted("ada", "ada", "ada", "ada", "") == Terms(1, 1, 0, 1)


def test_terms_of_several_streams_are_summed() -> None:
    assert summed_terms([Terms(1, 1, 0, 1), Terms(3, 1, 2, None)]) == Terms(4, 2, 2, 0.5)
    assert summed_terms([]) == Terms(0, 0, 0, None)
