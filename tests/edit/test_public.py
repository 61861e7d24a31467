import dyncrit.edit


def test_every_public_name_is_there():
    for name in dyncrit.edit.__all__:
        assert getattr(dyncrit.edit, name).__module__.startswith("dyncrit.edit")
