"""Who may do what."""

from __future__ import annotations

from app.domain.roles import Permission, Role, may


def test_an_agent_looks_things_up_and_runs_nothing() -> None:
    allowed = {permission for permission in Permission if may(Role.AGENT, permission)}
    assert allowed == {
        Permission.LOOKUP,
        Permission.SEE_KEY_INFO,
        Permission.ANSWER_CUSTOMERS,
        Permission.CHANGE_WISHES,
    }


def test_an_operator_runs_the_machinery_and_never_needs_key_information() -> None:
    allowed = {permission for permission in Permission if may("operator", permission)}
    assert allowed == set(Permission) - {
        Permission.SEE_KEY_INFO,
        Permission.ANSWER_CUSTOMERS,
        Permission.CHANGE_WISHES,
        Permission.MANAGE_STAFF,
    }


def test_an_administrator_may_do_everything() -> None:
    assert all(may("admin", permission) for permission in Permission)


def test_an_unknown_role_may_do_nothing() -> None:
    assert not any(may("root", permission) for permission in Permission)
