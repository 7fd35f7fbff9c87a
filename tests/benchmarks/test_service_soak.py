"""Figures of a long run of a service, from tallies made by hand."""

from benchmarks.service_soak import Quarter, Tally


def test_a_quarter_has_the_median_of_its_minutes_and_the_end() -> None:
    tally = Tally(begun=3, failed=1, late_s=[1.0, 2.0, 3.0], resident_mib=[100.0, 300.0, 200.0], files=20, threads=8)
    quarter = Quarter.of(tally, 22)
    assert (quarter.end_min, quarter.begun, quarter.failed, quarter.finals) == (22, 3, 1, 3)
    assert (quarter.late_p50_s, quarter.median_mib, quarter.end_mib) == (2.0, 200.0, 200.0)
    assert (quarter.files, quarter.threads) == (20, 8)
