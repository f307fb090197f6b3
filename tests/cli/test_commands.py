"""Each command as people and scripts run it: words, exit codes, what is printed where."""

import asyncio
import base64
import gzip
import hashlib
import json
import sqlite3
import subprocess
import sys
import time
from typing import Any

import pytest
import typer

from sekimori.cli.checks import only_one
from sekimori.cli.main import build
from sekimori.cli.opened import people_names, store_session
from sekimori.cli.orders import Orders
from sekimori.ledger.record import Attached, Body, Intent, Outcome
from sekimori.ledger.spool import SpoolSettings, open_spool
from sekimori.ledger.tlog.keys import KeySigner
from sekimori.ledger.tlog.leaf import LeafSigner
from sekimori.store.people import PersonRepo
from sekimori.vault.keys import KeyRing
from sekimori.vault.passwords import verify_password
from sekimori.vault.sealing import SegmentSealer
from support.limits import put, within
from support.spool import keyed

NOW = 1_775_012_345_678_901
PROMPT = "要約\u202eして\x1b[2J"
REQUEST = {"model": "gpt-5", "messages": [{"role": "user", "content": PROMPT}]}
ANSWER = {"model": "gpt-5", "choices": [{"message": {"role": "assistant", "content": "はい"}}]}
JSON = (("content-type", "application/json"),)


def spooled(places, *entries):
    """Write entries to the spool as a gate worker would."""

    async def write():
        keys = KeyRing.load_recorder(places.keys)
        sealer, signer = SegmentSealer(keys.archivist_public), LeafSigner(KeySigner(keys.signing_key))
        settings = SpoolSettings(segment_bytes=1 << 20, min_free=0, record_timeout=30.0)
        writer = open_spool(places.spool, "w0-1", seal=sealer, signer=signer, settings=settings)
        for entry in entries:
            await writer.append(keyed(entry))
        await asyncio.to_thread(writer.close)

    asyncio.run(write())


def archived(places, *entries):
    """Bring entries into the database."""
    from sekimori.cli.archiving import archivist_of
    from sekimori.cli.opened import store
    from sekimori.cli.outside import Outside
    from sekimori.cli.trees import lock_store

    spooled(places, *entries)
    orders = Orders(data=str(places.data), keys=str(places.keys), config={}, lifeline_fd=-1)
    with store(places) as engine, lock_store(places) as locks:
        archivist = archivist_of(orders, engine, locks, Outside(orders.settings.ledger, places))
        archivist.run_once()
        archivist.close()


def body(value):
    text = json.dumps(value).encode()
    digest = hashlib.sha256(text).hexdigest()
    return Body(
        sha256=digest, size=len(text), stored=text, stored_sha256=digest, content_type="application/json"
    )


def asked(rid="R1", **fields):
    known = {
        "time_us": NOW,
        "user": "yamada",
        "service": "openai-api",
        "host": "api.openai.com",
        "method": "POST",
        "path": "/v1/chat/completions",
        "target": "/v1/chat/completions",
        "headers": JSON,
        "decision": "allow",
        "kind": "generate",
        "parse": "parsed",
        "body": body(REQUEST),
    }
    return Intent(rid=rid, **(known | fields))


def answered(rid="R1"):
    return Outcome(rid=rid, time_us=NOW + 1, state="complete", status=200, headers=JSON, body=body(ANSWER))


def every_command(group, path=()):
    for command in group.registered_commands:
        yield (*path, command.name)
    for sub in group.registered_groups:
        yield from every_command(sub.typer_instance, (*path, sub.name))


@pytest.mark.parametrize("path", sorted(every_command(build())), ids=" ".join)
def test_every_command_explains_itself_with_an_example(path):
    command: Any = typer.main.get_command(build())
    for name in path:
        command = command.commands[name]
    assert f"sekimori {' '.join(path)}" in command.help
    options = {option for parameter in command.params for option in parameter.opts}
    if path[0] == "witness":  # it stands alone, on another host
        assert "--folder" in options
    elif path != ("bench",):  # it makes installations of its own
        assert {"--data", "--keys"} <= options


def test_help_is_quick():
    program = [sys.executable, "-c", "from sekimori.cli.main import main; main()", "--help"]
    subprocess.run(program, check=True, capture_output=True)
    started = time.monotonic()
    subprocess.run(program, check=True, capture_output=True)
    # Half a second on an idle machine; nothing heavy may be imported for it, whatever else runs here.
    assert time.monotonic() - started < 3


def test_a_command_without_an_installation_says_how_to_make_one(run, tmp_path):
    result = run("log", "list", "--data", tmp_path / "nowhere")
    assert result.code == 2
    assert result.err == (
        f"There is no Sekimori installation in {tmp_path / 'nowhere'}. "
        "Start one with: sekimori up, or name its folder with --data.\n"
    )


# --- user ------------------------------------------------------------------------------------------


def test_two_secrets_are_piped_in_the_order_of_the_help(run, places):
    piped = "the password of a person\nthe password of a program\n"
    made = run(
        "user", "add", "Ｙamada", "--group", "G1", "--password-stdin", "--proxy-password-stdin", stdin=piped
    )
    assert (made.code, made.out) == (0, "yamada: made\n")
    with store_session(places) as session:
        account = PersonRepo(session, people_names(places)).get("yamada")
    assert account is not None
    assert account.password is not None
    assert account.proxy_password is not None
    assert verify_password(account.password, "the password of a person")
    assert verify_password(account.proxy_password, "the password of a program")
    assert not any(secret in made.out + made.err for secret in piped.splitlines())


def test_an_account_without_secrets_is_made_and_that_is_said(run):
    result = run("user", "add", "sato", "--json")
    assert result.lines == [
        {
            "name": "sato",
            "groups": [],
            "roles": [],
            "disabled": False,
            "password": False,
            "proxy_password": False,
        }
    ]
    assert "has no proxy password yet" in result.err


@pytest.mark.parametrize(
    ("arguments", "stdin", "sentence"),
    [
        pytest.param(["add", "admin"], "", "already an account admin", id="taken"),
        pytest.param(["add", "ADMIN"], "", "already an account admin", id="taken in capitals"),
        pytest.param(["add", "x", "--password-stdin"], "short\n", "password is too short", id="too short"),
        pytest.param(["add", "x", "--password-stdin"], "", "password is too short", id="nothing piped"),
        pytest.param(["add", "x", "--password-stdin", "--proxy-password-stdin"], "0123456789ab\n" * 2, "must differ", id="twice the same"),
        pytest.param(["passwd", "nobody", "--proxy-password-stdin"], "0123456789ab\n", "no account nobody", id="nobody"),
        pytest.param(["passwd", "admin"], "", "no terminal to ask", id="nobody to ask"),
        pytest.param(["disable", "nobody"], "", "no account nobody", id="nobody to disable"),
    ],
)  # fmt: skip
def test_a_wrong_use_of_accounts_is_one_sentence(run, arguments, stdin, sentence):
    result = run("user", *arguments, stdin=stdin)
    assert (result.code, result.out) == (2, "")
    assert sentence in result.err


def test_an_account_is_disabled_and_opened_again(run):
    assert run("user", "disable", "Admin").out == "admin: disabled\n"
    assert run("user", "list", "--json").lines[0]["disabled"]
    assert run("user", "disable", "admin", "--undo").out == "admin: opened again\n"


# --- check and apply -------------------------------------------------------------------------------


def test_each_fault_of_a_file_is_named_with_its_line(run, policy_file):
    file = policy_file(
        change=lambda text: text.replace("individual", "individully").replace("2026-04-01", "soon")
    )
    for command in ("check", "apply"):
        result = run(command, file)
        assert (result.code, result.out) == (2, "")
        assert [line.split(": ")[0] for line in result.err.splitlines()] == [f"{file}:6", f"{file}:14"]
    assert run("log", "list", "--json").out == ""


def test_a_good_file_is_checked_without_an_installation(run, policy_file, tmp_path):
    result = run("check", policy_file(), "--data", tmp_path / "none")
    assert (result.code, "no fault" in result.out) == (0, True)
    assert not (tmp_path / "none").exists()


def test_what_a_file_says_is_added_changed_withdrawn_and_taken_over(run, policy_file):
    assert run("apply", policy_file()).out.splitlines() == [
        "added: grant g-2026-001",
        "added: service openai-api",
        "Version 1 is recorded; it is in force once `sekimori up` runs.",
    ]
    again = run("apply", policy_file(), "--json").lines[0]
    assert (again["version"], again["in_force"], again["policy"]) == (1, False, None)
    changed = run("apply", policy_file(change=lambda text: text.replace("gpt-*", "gpt-5*")))
    assert changed.out.splitlines()[0] == "changed: grant g-2026-001"
    other = run("apply", policy_file("other.yaml"))
    assert "taken over: grant g-2026-001 from openai.yaml" in other.out
    emptied = run("apply", policy_file("other.yaml", change=lambda text: text[: text.index("grants:")]))
    assert emptied.code == 0
    assert run(
        "apply", policy_file("openai.yaml", change=lambda text: text[: text.index("grants:")])
    ).out.startswith("withdrawn: grant g-2026-001")


def test_what_the_truth_table_forbids_is_not_applied(run, policy_file):
    forbidden = policy_file(
        change=lambda text: text.replace("individual", "terms_of_service").replace(
            "max_class: 1", "max_class: 2"
        )
    )
    assert run("apply", forbidden).code == 2
    assert run("explain", "https://api.openai.com", "--user", "admin", "--json").lines[0]["grant"] is None


def test_a_profile_of_the_government_takes_no_unsigned_file(run, policy_file, tmp_path):
    (tmp_path / "gov.toml").write_text('profile = "gov"')
    result = run("apply", policy_file(), "--config", tmp_path / "gov.toml")
    assert (result.code, "must sign the file; 0 did" in result.err) == (2, True)


def test_a_file_that_is_no_text_is_a_fault_with_its_line(run, tmp_path):
    (tmp_path / "latin.yaml").write_bytes(b"services:\n  - id: caf\xe9\n")
    result = run("check", tmp_path / "latin.yaml")
    assert (result.code, result.err) == (2, f"{tmp_path / 'latin.yaml'}:2: is not UTF-8 text\n")


# --- explain ---------------------------------------------------------------------------------------

CHAT = "https://api.openai.com/v1/chat/completions"
MODEL = ["--model", "gpt-5"]
IN_TIME = ["--at", "2026-11-01"]


@pytest.mark.parametrize(
    ("arguments", "decision", "reasons"),
    [
        pytest.param([CHAT, *MODEL, *IN_TIME], "allow", [], id="granted"),
        pytest.param(["API.OpenAI.com.", *MODEL, *IN_TIME], "allow", [], id="another spelling of the host"),
        pytest.param([CHAT, "--model", "o3", *IN_TIME], "deny", ["DENY_MODEL_NOT_ALLOWED"], id="another model"),
        pytest.param([CHAT, *MODEL, "--at", "2026-03-31"], "deny", ["DENY_PLAN_NOT_STARTED"], id="the day before"),
        pytest.param([CHAT, *MODEL, "--at", "2027-03-31"], "allow", [], id="the last day"),
        pytest.param([CHAT, *MODEL, "--at", "2027-04-01"], "deny", ["DENY_PLAN_EXPIRED"], id="the day after"),
        pytest.param([CHAT, *MODEL, *IN_TIME, "--class", "3"], "deny", ["DENY_SECRET_DOC", "DENY_CHECKLIST_INCOMPLETE", "DENY_CONSENT_RECORD_MISSING", "DENY_CLASS_EXCEEDED"], id="class 3"),
        pytest.param([CHAT, *MODEL, *IN_TIME, "--purpose", "遊び"], "deny", ["DENY_PURPOSE_OUT_OF_SCOPE"], id="another purpose"),
        pytest.param([CHAT, *MODEL, *IN_TIME, "--user", "nobody"], "deny", ["DENY_AUTH_REQUIRED"], id="nobody"),
        pytest.param([CHAT, *MODEL, *IN_TIME, "--user", "admin"], "deny", ["DENY_USER_OUT_OF_SCOPE"], id="not granted"),
        pytest.param(["https://api.deepseek.com/"], "deny", ["DENY_ADVICE_REQUIRED", "DENY_NO_GRANT"], id="flagged"),
        pytest.param(["https://chatgpt.com/"], "deny", ["DENY_NO_GRANT"], id="not approved"),
        pytest.param(["http://api.openai.com/"], "deny", ["DENY_PLAIN_HTTP"], id="plain"),
        pytest.param(["https://api.openai.com:8443/"], "deny", ["DENY_PORT"], id="port"),
        pytest.param(["https://0x7f.1/"], "deny", ["DENY_IP_LITERAL"], id="address"),
        pytest.param(["https://www.example.com/"], "allow", [], id="an ordinary site"),
    ],
)  # fmt: skip
def test_explain_says_what_the_gate_would_decide(explained, arguments, decision, reasons):
    result = explained(*arguments)
    assert result.code == (0 if decision == "allow" else 1)
    found = result.lines[0]
    assert (found["decision"], found["reasons"]) == (decision, reasons)
    assert {"rule", "grant", "service", "class", "policy"} <= set(found)


@pytest.fixture
def explained(run, policy_file):
    run("user", "add", "yamada")
    assert run("apply", policy_file()).code == 0

    def explain(*arguments):
        user = [] if "--user" in arguments else ["--user", "yamada"]
        return run("explain", *arguments, *user, "--json")

    return explain


@pytest.mark.parametrize("url", ["ftp://x.example", "https://", "https://x.example:99999", "https://x:y:z/"])
def test_explain_refuses_what_is_no_address(run, url):
    result = run("explain", url, "--user", "admin")
    assert (result.code, "is no address of the web" in result.err) == (2, True)


# --- log and verify --------------------------------------------------------------------------------


def test_the_log_lists_metadata_and_shows_content_only_on_the_record(run, places):
    archived(
        places, asked(), answered(), asked("R2", decision="deny", reasons=("DENY_NO_GRANT",), body=Body())
    )
    listed = run("log", "list", "--json").lines
    assert [record["id"] for record in listed] == ["R1", "R2"]
    assert "要約" not in run("log", "list", "--json").out
    assert [r["id"] for r in run("log", "list", "--decision", "deny", "--json").lines] == ["R2"]
    shown = run("log", "show", "R1", "--content", "--reason", "照会 15", "--json").lines[0]
    assert (shown["prompt"], shown["output"]) == (PROMPT, "はい")
    last = run("log", "list", "--json").lines[-1]
    assert (last["path"], last["user_source"]) == ("/log/R1", "os")


def test_a_record_is_shown_by_the_beginning_of_its_id_where_no_other_begins_so(run, places):
    ids = ["CR66SDCP0QHKBTDWJHB0", "CR66SDCP0QZZZZZZZZZZ"]
    archived(places, *(asked(rid, decision="deny", reasons=("DENY_NO_GRANT",), body=Body()) for rid in ids))
    assert run("log", "show", "cr66sdcp0qh", "--json").lines[0]["id"] == ids[0]
    assert run("log", "show", ids[1], "--json").lines[0]["id"] == ids[1]
    several = run("log", "show", "CR66SDCP0Q")
    assert (several.code, several.out) == (2, "")
    assert several.err == f"CR66SDCP0Q begins several ids. Write one of {ids[0]}, {ids[1]}.\n"
    assert run("log", "show", "CR66SDCP1").code == 1
    assert run("log", "show", "CR66").code == 1


def test_what_was_asked_never_steers_the_terminal(run, places):
    archived(places, asked(), answered())
    shown = run("log", "show", "R1", "--content", "--reason", "x")
    assert "要約\\u202eして\\u001b[2J" in shown.out
    as_json = run("log", "show", "R1", "--content", "--reason", "x", "--json").out
    assert not {"\x1b", "\u202e"} & set(shown.out + as_json)


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        pytest.param(["show", "R9"], 1, "There is no record R9", id="no record"),
        pytest.param(["show", "R1", "--content"], 2, "needs a reason", id="no reason"),
        pytest.param(["list", "--since", "yesterday"], 2, "is no time", id="no time"),
        pytest.param(["list", "--decision", "maybe"], 2, "allow, deny or hold", id="no decision"),
        pytest.param(["list", "--limit", "0"], 2, "--limit", id="no limit"),
    ],
)
def test_a_wrong_question_to_the_log_is_answered_with_what_to_do(run, arguments, code, sentence):
    result = run("log", *arguments)
    assert (result.code, sentence in result.err) == (code, True)


def test_outside_an_enterprise_the_operating_systems_user_reads_no_content(run, tmp_path):
    (tmp_path / "gov.toml").write_text('profile = "local_gov"')
    result = run("log", "show", "R1", "--content", "--reason", "x", "--config", tmp_path / "gov.toml")
    assert (result.code, "Sign in as somebody who may: --as USER" in result.err) == (2, True)


@pytest.mark.parametrize(("password", "code"), [("right horse battery", 0), ("wrong", 2)])
def test_an_auditor_who_signs_in_reads_content_in_every_profile_and_is_named_in_the_record(
    run, places, tmp_path, password, code
):
    archived(places, asked(), answered())
    added = run("user", "add", "sato", "--role", "auditor", "--password-stdin", stdin="right horse battery\n")
    assert added.code == 0
    (tmp_path / "gov.toml").write_text('profile = "local_gov"')
    reading = (
        "--content",
        "--reason",
        "照会 15",
        "--as",
        "sato",
        "--json",
        "--config",
        tmp_path / "gov.toml",
    )
    result = run("log", "show", "R1", *reading, stdin=password + "\n")
    assert (result.code, "要約" in result.out) == (code, code == 0), result.err
    if not code:
        last = run("log", "list", "--json").lines[-1]
        assert (last["user"], last["user_source"], last["path"]) == ("sato", "account", "/log/R1")


def test_the_log_waits_for_the_archivist_and_says_when_it_is_behind(run, places):
    spooled(places, asked())
    with only_one(places):  # an `up` whose archivist stores nothing
        result = run("log", "list", "--json")
    assert (result.code, result.out) == (0, "")
    assert "The archivist has not stored everything yet" in result.err


def test_the_log_does_not_wait_where_nothing_runs(run, places):
    spooled(places, asked())
    started = time.monotonic()
    assert "not stored everything yet" in run("log", "list").err
    assert time.monotonic() - started < 15


def test_verify_says_intact_or_names_each_fault(run, places):
    archived(places, asked(), answered())
    intact = run("verify", "--json")
    assert (intact.code, intact.lines[0]["ok"], intact.lines[0]["faults"]) == (0, True, [])
    assert {"entry", "content", "record"} <= set(intact.lines[0]["covers"])
    with sqlite3.connect(places.database) as database:
        database.execute("UPDATE record SET decision = 'deny'")
    database.close()
    altered = run("verify")
    assert (altered.code, "altered: record" in altered.out) == (1, True)


def test_verify_covers_accounts_or_says_that_it_does_not(run, places):
    archived(places, asked(), answered())
    (with_key,) = run("verify", "--json").lines
    for copy in places.keys.glob("*/people.key"):
        copy.unlink()
    without = run("verify", "--json")
    assert (without.code, set(with_key["covers"]) - set(without.lines[0]["covers"])) == (0, {"person"})
    assert "Accounts are not looked at" in without.err


def test_verify_writes_to_no_key_that_its_draft_is_linked_to(run, places):
    archived(places, asked(), answered())
    key = places.keys / "archive" / "store.key"
    before = key.read_bytes()
    put("link", places.ledger / ".verified.json.draft", at=key)
    for options in ([], ["--since-last"]):
        assert run("verify", *options).code == 0
        assert key.read_bytes() == before


@pytest.mark.parametrize("kind", ["pipe", "folder", "link"])
def test_verify_takes_whatever_stands_for_its_last_check_as_none(run, places, kind):
    archived(places, asked(), answered())
    put(kind, places.ledger / "verified.json")
    with within(60):
        first, second = (run("verify", "--since-last", "--json") for _ in range(2))
    assert [(one.code, one.lines[0]["incremental"]) for one in (first, second)] == [(0, False), (0, True)]


@pytest.mark.parametrize("kind", ["pipe", "folder", "link"])
def test_verify_names_a_marker_that_is_no_file_and_does_not_wait_for_it(run, places, kind):
    spooled(places, asked())
    (lane,) = places.spool.iterdir()
    put(kind, lane / "shipped.json")
    with within(60):
        result = run("verify")
    assert (result.code, f"The file {lane / 'shipped.json'} can't be read." in result.err) == (2, True)


@pytest.mark.parametrize("kind", ["pipe", "folder", "link"])
def test_verify_names_a_bundle_that_is_no_file(run, places, kind):
    archived(places, asked(), answered())
    bundle = next(path for path in places.ledger.glob("gate-*/tile/entries/000.p/*"))
    put(kind, bundle)
    with within(60):
        result = run("verify")
    assert (result.code, f"{bundle} is not a plain file" in result.out) == (1, True)
    assert "missing: tree" in result.out


def test_verify_without_its_key_could_not_check(run, places):
    (places.keys / "archive" / "store.key").unlink()
    result = run("verify", "--json")
    assert (result.code, result.out) == (2, "")
    assert "store.key is missing" in result.err


# --- ca, catalogue, wire ---------------------------------------------------------------------------


def test_the_ca_is_printed_as_pem(run, places):
    assert run("ca", "export").out == (places.keys / "gate" / "ca.pem").read_text()


def test_the_catalogue_is_searched_and_shown(run):
    found = run("catalogue", "search", "openai", "--json")
    assert found.code == 0
    assert "openai-api" in {service["id"] for service in found.lines}
    shown = run("catalogue", "show", "API.openai.com", "--json").lines[0]
    assert (shown["id"], shown["rule"]["interception"]) == ("openai-api", "ai")
    assert run("catalogue", "show", "www.example.com").code == 1
    assert run("catalogue", "show", "127.0.0.1").code == 2
    assert run("catalogue", "search", "no-such-word-anywhere").code == 1


RECORDED = {
    "id": "one",
    "request": {
        "method": "POST",
        "url": "https://api.openai.com/v1/chat/completions?x=1",
        "headers": [["content-type", "application/json"]],
        "body_b64": "eyJtb2RlbCI6ImdwdC01IiwibWVzc2FnZXMiOlt7InJvbGUiOiJ1c2VyIiwiY29udGVudCI6IkhpIn1dfQ==",
    },
    "response": {
        "status": 200,
        "headers": [["content-type", "application/json"]],
        "body_b64": "eyJjaG9pY2VzIjpbeyJtZXNzYWdlIjp7InJvbGUiOiJhc3Npc3RhbnQiLCJjb250ZW50IjoiSGVsbG8ifX1dfQ==",
    },
}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        pytest.param("a.json", json.dumps(RECORDED).encode(), id="one object"),
        pytest.param("a.json", json.dumps([RECORDED]).encode(), id="a list"),
        pytest.param("a.jsonl", json.dumps(RECORDED).encode() + b"\n\n", id="lines"),
        pytest.param("a.jsonl.gz", gzip.compress(json.dumps(RECORDED).encode()), id="packed lines"),
        pytest.param("a.json.gz", gzip.compress(json.dumps(RECORDED).encode()), id="a packed object"),
    ],
)
def test_a_recording_is_read(run, tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    found = run("wire", "try", tmp_path / name, "--json").lines
    assert len(found) == 1
    expected = {
        "id": "one",
        "kind": "generate",
        "model": "gpt-5",
        "prompt": "Hi",
        "output": "Hello",
        "stream": False,
    }
    assert {field: found[0][field] for field in expected} == expected
    assert {"dialect", "parse", "messages", "reasoning", "tool_calls", "usage", "skipped"} <= set(found[0])


@pytest.mark.parametrize(
    ("name", "content"),
    [
        pytest.param("a.jsonl", b"{", id="no JSON"),
        pytest.param("a.jsonl", b"{}", id="no request"),
        pytest.param("a.json", b"[1]", id="no object"),
        pytest.param("a.json.gz", b"not gzip", id="not packed"),
        pytest.param("a.json.gz", gzip.compress(b"[]")[:-4], id="cut"),
        pytest.param("a.har", b"{}", id="another format"),
    ],
)
def test_what_is_no_recording_is_a_sentence(run, tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    result = run("wire", "try", tmp_path / name)
    assert (
        result.code,
        result.out in {"", "id\tkind\tdialect\tparse\tmodel\tstream\tprompt\toutput\tskipped\n"},
    ) == (
        2,
        True,
    )
    assert str(tmp_path / name) in result.err


CHUNKS = b"".join(
    b"%x\r\n%s\r\n" % (len(piece), piece)
    for piece in (b'{"model":"llama",', b'"response":"Hi","done":true}', b"")
)


def recording(tmp_path, value):
    file = tmp_path / "made.json"
    file.write_text(json.dumps(value))
    return file


def b64(text):
    return base64.b64encode(text if isinstance(text, bytes) else text.encode()).decode()


def test_a_recorders_chunks_are_no_part_of_a_body(run, tmp_path):
    asked = {
        "method": "POST",
        "url": "http://h/api/generate",
        "body_b64": b64('{"model":"llama","prompt":"Hi"}'),
    }
    file = recording(
        tmp_path, {"id": 1, "request": asked, "response": {"status": 200, "body_b64": b64(CHUNKS)}}
    )
    found = run("wire", "try", file, "--json").lines[0]
    assert (found["prompt"], found["output"], found["parse"]) == ("Hi", "Hi", "parsed")


def test_traffic_without_any_sign_of_ai_is_tried_as_none(run, tmp_path):
    asked = {"method": "POST", "url": "https://h/v1/customers", "body_b64": b64('{"email":"a@b.test"}')}
    answer = {"status": 200, "headers": [["content-type", "application/json"]], "body_b64": b64('{"id":"1"}')}
    found = run("wire", "try", recording(tmp_path, {"request": asked, "response": answer}), "--json").lines[0]
    assert found["kind"] == "not-ai"


def done(text):
    item = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": text}]}
    return {"type": "response.done", "response": {"status": "completed", "output": [item]}}


def test_a_recorded_socket_is_read_as_a_conversation(run, tmp_path):
    said = [
        ("sent", {"type": "session.update", "session": {"type": "realtime", "instructions": "Be brief."}}),
        ("sent", {"type": "conversation.item.create", "item": {
            "type": "message", "role": "user", "content": [{"type": "input_text", "text": "First"}]}}),
        ("sent", {"type": "response.create"}),
        ("received", done("One")),
        ("sent", {"type": "conversation.item.create", "item": {
            "type": "message", "role": "user", "content": [{"type": "input_text", "text": "Second"}]}}),
        ("sent", {"type": "response.create"}),
        ("received", done("Two")),
    ]  # fmt: skip
    frames = [
        {"direction": way, "opcode": "text", "payload_b64": b64(json.dumps(message))} for way, message in said
    ]
    asked = {"method": "GET", "url": "wss://h/v1/realtime?model=gpt-realtime", "headers": []}
    file = recording(tmp_path, {"id": "s", "kind": "websocket", "request": asked, "frames": frames})
    found = run("wire", "try", file, "--json").lines[0]
    assert (found["kind"], found["dialect"]) == ("realtime", "openai-realtime")
    assert (found["prompt"], found["output"]) == ("Second", "Two")
    texts = [(message["role"], message["text"]) for message in found["messages"]]
    assert texts[-4:] == [("user", "First"), ("assistant", "One"), ("user", "Second"), ("assistant", "Two")]


def test_a_record_of_the_log_is_tried_with_a_reason_that_is_recorded(run, places):
    archived(places, asked(dialect="openai-chat"), answered())
    found = run("wire", "try", "R1", "--reason", "a reader is checked", "--json")
    assert found.code == 0
    assert (found.lines[0]["id"], found.lines[0]["prompt"], found.lines[0]["output"]) == (
        "R1",
        PROMPT,
        "はい",
    )
    assert (found.lines[0]["kind"], found.lines[0]["parse"]) == ("generate", "parsed")
    assert run("log", "list", "--json").lines[-1]["path"] == "/log/R1"


def test_a_turn_of_a_socket_is_tried_like_a_session(run, places):
    said = json.dumps({"type": "conversation.item.create", "item": {
        "type": "message", "role": "user", "content": [{"type": "input_text", "text": "こんにちは"}]}}).encode()  # fmt: skip
    prompt, output = (len(text).to_bytes(8) + text for text in (said, json.dumps(done("はい")).encode()))
    archived(
        places,
        asked(mode="turn", path="/v1/realtime", target="/v1/realtime", kind="realtime", body=Body(stored=prompt, size=len(prompt))),
        Outcome(rid="R1", time_us=NOW + 1, state="complete", body=Body(stored=output, size=len(output))),
    )  # fmt: skip
    found = run("wire", "try", "R1", "--reason", "x", "--json").lines[0]
    assert (found["kind"], found["prompt"], found["output"]) == ("realtime", "こんにちは", "はい")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        pytest.param(["R9", "--reason", "x"], "There is no record R9", id="no record"),
        pytest.param(["R1"], "needs a reason", id="no reason"),
    ],
)
def test_a_record_that_may_not_be_tried_is_a_sentence(run, arguments, sentence):
    result = run("wire", "try", *arguments)
    assert (result.code, sentence in result.err) == (2, True)


def test_the_report_counts_what_was_not_read_worst_first(run, places):
    unread = {
        "parse": "unparsed",
        "skipped": ("messages[0].content[1].type=odd", "messages[4].content[1].type=odd"),
    }
    attached = (Attached("image/png", 10, "ab", False), Attached("text/plain", 5, "cd", True))
    archived(
        places,
        asked("R1", dialect="openai-chat"),
        answered("R1"),
        asked("R2", kind="other-ai", attachments=attached, **unread),
        asked("R3", decision="deny", body=Body(), **unread),
    )
    found = run("wire", "report", "--json").lines
    assert [(line["dialect"], line["kind"], line["parse"]) for line in found] == [
        (None, "other-ai", "unparsed"),
        ("openai-chat", "generate", "parsed"),
    ]
    assert found[0]["skipped"] == [{"field": "messages[].content[].type=odd", "exchanges": 1}]
    assert found[0]["attachments"] == {"read": 1, "unread": 1}
    assert (found[0]["examples"], found[1]["examples"]) == (["R2"], [])
    table = run("wire", "report", "--service", "openai-api").out
    assert "50.0%" in table
    assert run("wire", "report", "--service", "another", "--json").out == ""
