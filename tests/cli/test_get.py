from __future__ import annotations

import json


def test_piped_it_is_json(program):
    done = program("get", "90002")
    assert done.code == 0
    found = json.loads(done.out)
    assert (found["name"], found["amount_total"]) == ("INV/2023/00001", "740.410000000000")


def test_on_a_terminal_it_is_a_line_for_each_field(program):
    code, screen = program.on_terminal("get", "90002")
    assert code == 0
    assert "amount_total         740.410000000000" in screen
    assert len(screen.splitlines()) == 17


def test_an_invoice_that_is_not_there(program):
    done = program("get", "5")
    assert (done.code, done.out) == (4, "")
    assert "404" in done.err
    assert "list --columns id,name" in done.err


def test_an_id_is_a_number(program):
    assert program("get", "INV/2023/00001").code == 2
    assert program("get", "0").code == 2
