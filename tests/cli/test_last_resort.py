"""A fault that nobody expected ends a command with one sentence, and never with "the answer is no"."""

import pytest

from sekimori.cli import main

SECRET = "yamada: 月見草"


def test_a_fault_of_the_program_is_one_line_without_what_somebody_wrote(monkeypatch, capsys):
    def program():
        def fail():
            raise ValueError(SECRET)

        return fail

    monkeypatch.setattr(main, "build", program)
    with pytest.raises(SystemExit) as ended:
        main.main()
    (line,) = capsys.readouterr().err.splitlines()
    assert ended.value.code == 2
    assert "ValueError at test_last_resort.py:" in line
    assert SECRET not in line
