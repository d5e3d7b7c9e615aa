"""The published values that stand beside ours."""

from experiments.ledger import published

REPLAY = "halfcheetah-medium-replay"


def test_what_is_published():
    assert published.table1(REPLAY, "gravity:2", "h2o_plus") == (6861, 268)
    assert published.table1("walker2d-medium-replay", "flexible_thigh:2", "sac") is None
    assert published.table1("mine", "gravity:2", "sac") is None
    assert published.table2(False, 0.1) == (5579, 530)
    assert published.table2(False, 0.2) is None
    assert published.table3(REPLAY, "gravity:3", "h2o") == (6171, 1209)
    assert published.table3(REPLAY, "friction:0.3", "h2o") is None
    every = published.content()["table1"]
    assert sum(len(gaps) for gaps in every.values()) == 25
    for log, gaps in every.items():
        own = (published.table1(log, x, "cql") for x in published.TABLE1_GAPS)
        assert len([x for x in own if x]) == len(gaps)
