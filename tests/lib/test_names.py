"""Suggestions for mistyped names."""

from ttt.lib.names import did_you_mean


def test_a_close_name_is_offered():
    assert did_you_mean("monitr", ["train", "monitor"]) == " (did you mean 'monitor'?)"


def test_nothing_is_offered_when_nothing_is_close():
    assert did_you_mean("zzz", ["train", "monitor"]) == ""
    assert did_you_mean("", []) == ""
