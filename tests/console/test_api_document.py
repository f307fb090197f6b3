"""The OpenAPI document against the API: schemathesis asks what the document allows, and what it does not."""

from typing import Any, cast

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import CHECKS
from schemathesis.generation import GenerationMode

from sekimori.console.api import Known
from sekimori.console.api.app import routes_of
from sekimori.console.api.document import document_of
from sekimori.console.api.sessions import Sessions
from sekimori.governance.actors import ROLES, Actor
from support.api_house import BASE, HOST, House
from support.offices import everything_there_is
from support.using_offices import UsingOffice

ROUTES = routes_of(Sessions(bytes))
DOCUMENT = document_of(ROUTES, version="1")
_ASKED: list["Asked"] = []


async def served(scope, receive, send):
    """Stand for the app, which is made when the first test runs; operations are listed before."""
    await _ASKED[0].app(scope, receive, send)


SCHEMA = schemathesis.openapi.from_dict(DOCUMENT)
SCHEMA.app = served
# What is too long or too large is refused by what it is, not as something that could not be read.
SCHEMA.config.checks.negative_data_rejection.expected_statuses += ["413", "414"]


@SCHEMA.auth()
class Bearer:
    """Signs requests in, in a way that schemathesis can leave out to see what happens."""

    def get(self, _case, _context):
        return _ASKED[0].token

    def set(self, case, data, _context):
        case.headers = {**(case.headers or {}), "Authorization": f"Bearer {data}"}


OPERATIONS: list[Any] = [cast("Any", found).ok() for found in SCHEMA.get_all_operations()]
# What fits the schema may still be against a rule of governance: that is told by its code, and asked below.
LEFT_OUT = [CHECKS.get_one("positive_data_acceptance")]
BEYOND_SCHEMA = ("a number is too large", "a date is out of range", "no scope is called", "the most")


class Asked:
    """The API of an office in which there is one of everything, asked by somebody with every role."""

    def __init__(self, console):
        office = UsingOffice()
        office.state = everything_there_is().state
        house = House(office)
        everybody = Actor("root", frozenset(ROLES))
        house.accounts.people["root"] = Known("root", "soumu", ROLES)
        house.records.rows["r1"] = {"id": "r1", "user": "root", "time": "2026-06-01T00:00:00.000000Z"}
        self.app = house.app(console)
        self.token = house.token(everybody)

    def ask(self, case):
        return case.call_and_validate(
            base_url=f"{BASE}/api/v1", headers={"host": HOST}, excluded_checks=LEFT_OUT
        )


@pytest.fixture
def asked(house):
    if not _ASKED:
        _ASKED.append(Asked(house))
    return _ASKED[0]


def hold(asked, operation, mode, examples):
    @settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def holds(case):
        response = asked.ask(case)
        if mode is GenerationMode.POSITIVE and response.status_code == 422:
            told = response.json()
            assert told["code"] != "invalid" or any(why in told["en"] for why in BEYOND_SCHEMA), told["en"]

    holds()


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.label)
def test_the_interface_does_what_its_document_says(operation, asked):
    hold(asked, operation, GenerationMode.POSITIVE, 2)
    hold(asked, operation, GenerationMode.NEGATIVE, 2)


@pytest.mark.long
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.label)
def test_the_interface_does_what_its_document_says_whatever_is_asked(operation, asked):
    hold(asked, operation, GenerationMode.POSITIVE, 100)
    hold(asked, operation, GenerationMode.NEGATIVE, 100)


def chained(asked, house, *, examples, steps):
    """Let each request use what answers before it gave, as far as the document leads from one to another."""
    answers = []

    class Chain(SCHEMA.as_state_machine()):  # type: ignore[misc]
        def setup(self):
            _ASKED[:] = [Asked(house)]  # chains are repeated to be shrunk: each begins in the same office

        def get_call_kwargs(self, _case):
            return {"base_url": f"{BASE}/api/v1", "headers": {"host": HOST}}

        def validate_response(self, response, case, additional_checks=(), **_rest):
            answers.append(response.status_code)
            case.validate_response(
                response,
                excluded_checks=LEFT_OUT,
                additional_checks=additional_checks,
                transport_kwargs=self.get_call_kwargs(case),
            )

    try:
        Chain.run(
            settings=settings(
                max_examples=examples,
                stateful_step_count=steps,
                derandomize=True,
                database=None,
                deadline=None,
                suppress_health_check=list(HealthCheck),
                phases=[Phase.generate],
            )
        )
    finally:
        _ASKED[:] = [asked]
    return answers


def test_what_one_request_gave_the_next_may_use(asked, house):
    assert 200 in chained(asked, house, examples=5, steps=10)


@pytest.mark.long
def test_what_one_request_gave_the_next_may_use_however_far_it_goes(asked, house):
    assert {200, 201, 404, 412, 422} <= set(chained(asked, house, examples=120, steps=20))


def test_every_operation_has_a_name_of_its_own():
    operations = [each for methods in DOCUMENT["paths"].values() for each in methods.values()]
    assert len({each["operationId"] for each in operations}) == len(operations) == len(ROUTES)
    assert all(each["summary"] for each in operations)
