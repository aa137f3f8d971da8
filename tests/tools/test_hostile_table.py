from tools.hostile.table import Row, table_text


def test_columns_are_aligned_and_summed() -> None:
    text = table_text([Row("bombs", 1200, 0, "slowest 1.2 s"), Row("kills", 90, 1, "")])

    assert text.splitlines() == [
        "       cases  failed  measured",
        "bombs  1,200       0  slowest 1.2 s",
        "kills     90       1",
        "all    1,290       1",
    ]
