"""The configuration file: every key, every way to say it, every fault named where it stands."""

import tomllib

import pytest

from sekimori.cli.config import Config
from sekimori.cli.config_file import load
from sekimori.cli.units import Address
from sekimori.errors import ConfigError
from sekimori.ledger.tlog.checkpoint import log_verifier
from sekimori.ledger.tlog.keys import PublicKey
from sekimori.ledger.tlog.note import COSIGNATURE, Verifier
from support.tlog import LOG, witness_verifier

CONTRACT = """
profile = "enterprise"       # gov | local_gov | enterprise
[gate]
listen = "127.0.0.1:8080"
workers = 1
uncatalogued = "tunnel"
connect_ports = [443]
max_upload = "64MiB"
snapshot_max_age = "15min"
drain = "30s"
[upstream]
ca_file = ""
proxy = ""
[upstream.resolve]
"api.openai.com" = "127.0.0.1:9443"
[identity]
sources = ["basic", "apikey"]
required = "all"
[feedback]
after_exchanges = 20
after_days = 7
[notices]
required = true
[storage]
url = ""
"""


WITNESS = witness_verifier().vkey
LOG_KEY = log_verifier(LOG.public).vkey
W1 = f'[[ledger.witnesses]]\nname = "w1"\nurl = "https://w.example"\nvkey = "{WITNESS}"\n'
OTHER_KEY = Verifier("witness.example/w2", COSIGNATURE, PublicKey(LOG.public)).vkey
W2 = f'\n[[ledger.witnesses]]\nname = "w2"\nurl = "https://w.example"\nvkey = "{OTHER_KEY}"\n'


@pytest.fixture
def written(tmp_path):
    def write(text):
        file = tmp_path / "sekimori.toml"
        file.write_text(text, encoding="utf-8")
        return file

    return write


def fault_of(file, environment=None, options=None):
    with pytest.raises(ConfigError) as caught:
        load(file, environment or {}, options)
    return str(caught.value)


def test_the_file_of_the_contract_says_the_defaults(written):
    config = load(written(CONTRACT), {})
    assert config.upstream.resolve == {"api.openai.com": Address("127.0.0.1", 9443)}
    assert config.model_copy(update={"upstream": Config().upstream}) == Config()


def test_every_key_of_the_file_can_be_said_by_the_environment(written):
    document = tomllib.loads(CONTRACT)
    environment = {"SEKIMORI_PROFILE": document.pop("profile")}
    for section, keys in document.items():
        for key, value in keys.items():
            text = (
                ",".join(str(item) for item in value)
                if isinstance(value, list)
                else ",".join(f"{name}={to}" for name, to in value.items())
                if isinstance(value, dict)
                else str(value)
            )
            environment[f"SEKIMORI_{section}_{key}".upper()] = text
    assert load(None, environment) == load(written(CONTRACT), {})


def test_the_environment_outweighs_the_file_and_an_option_outweighs_both(written):
    file = written('[gate]\nlisten = "127.0.0.1:1"\nworkers = 2\n')
    config = load(
        file,
        {"SEKIMORI_GATE_LISTEN": "127.0.0.1:2", "SEKIMORI_GATE_WORKERS": "3"},
        {("gate", "listen"): "[::1]:3"},
    )
    assert (config.gate.listen, config.gate.workers) == (Address("::1", 3), 3)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        pytest.param(
            "[gate]\nmax_uplaod = 1", ":2: unknown key gate.max_uplaod; did you mean max_upload?", id="key"
        ),
        pytest.param("[gaet]\nlisten = 1", ":1: unknown key gaet; did you mean gate?", id="section"),
        pytest.param(
            "\n[gate]\n\nmax_upload = 64", ':4: gate.max_upload: 64 has no unit; write "64MiB"', id="no unit"
        ),
        pytest.param(
            '[gate]\nmax_upload = "64 apples"', ':2: gate.max_upload: "64 apples" is not a size', id="size"
        ),
        pytest.param('[gate]\ndrain = "soon"', ':2: gate.drain: "soon" is not a duration', id="duration"),
        pytest.param('[gate]\nlisten = "8080"', ':2: gate.listen: "8080" is not an address', id="address"),
        pytest.param('[gate]\nlisten = "127.0.0.1:99999"', "is not an address", id="port"),
        pytest.param("[gate]\nworkers = 0", ":2: gate.workers: ", id="no workers"),
        pytest.param('profile = "goverment"', ":1: profile: ", id="profile"),
        pytest.param('[gate]\nuncatalogued = "inspect"', "needs inspect_hosts", id="inspect nothing"),
        pytest.param('[gate]\nlisten = "0.0.0.0:8080"', "beyond loopback", id="plain listener"),
        pytest.param('[gate]\nlisten = "gate.example:8080"', "beyond loopback", id="plain listener by name"),
        pytest.param('[console]\nlisten = "[::]:8081"', "beyond loopback", id="plain console"),
        pytest.param(
            '[identity]\nsources = ["ldpa"]', ":2: identity.sources", id="a source that is not there"
        ),
        pytest.param(
            '[upstream.resolve]\n"a.example" = "nowhere"', ":2: upstream.resolve.a.example", id="pin"
        ),
        pytest.param(
            W1 + W2.replace("url", "uri"), ":8: ledger.witnesses.1.uri: ", id="a second table's key"
        ),
        pytest.param(W1.replace("https", "ftp"), ":3: ledger.witnesses.0.url: ", id="no web address"),
        pytest.param(W1.replace("+BC", "+BD"), ":4: ledger.witnesses.0.vkey: ", id="a damaged key"),
        pytest.param(W1.replace(WITNESS, LOG_KEY), "is the key of a log", id="a log's key"),
        pytest.param(W1 + W1, "two witnesses have the same name", id="a name twice"),
        pytest.param(W1 + W1.replace('"w1"', '"w2"'), "two witnesses have the same key", id="a key twice"),
        pytest.param(
            "[ledger]\nquorum = 2\n" + W1,
            ":2: ledger.quorum: 2 witnesses are to answer, but 1 are named",
            id="too large a quorum",
        ),
        pytest.param('[ledger]\nunwitnessed_limit = "1s"', ":2: ledger.unwitnessed_limit", id="no limit"),
        pytest.param("gate = 1", ":1: gate: ", id="a section that is a number"),
        pytest.param("[gate\n", ":1: ", id="not TOML"),
    ],
)
def test_a_fault_is_named_with_its_file_line_and_key(written, text, sentence):
    file = written(text)
    fault = fault_of(file)
    assert fault.startswith(str(file))
    assert sentence in fault


@pytest.mark.parametrize(
    ("quorum", "needed"), [('"all"', 2), ('"any"', 1), ("1", 1), ("2", 2)], ids=lambda value: str(value)
)
def test_a_quorum_says_how_many_witnesses_a_checkpoint_needs(written, quorum, needed):
    config = load(written(f"[ledger]\nquorum = {quorum}\n{W1}{W2}"), {})
    assert (config.ledger.needed, [one.name for one in config.ledger.witnesses]) == (needed, ["w1", "w2"])
    assert Config.model_validate(config.model_dump(mode="json")) == config
    assert Config().ledger.needed == 0


def test_every_unknown_key_is_named_at_once(written):
    assert fault_of(written("a = 1\n[gate]\nb = 2\n[metrics]\nc = 3")).count("unknown key") == 3


def test_a_misspelt_variable_is_named_with_what_was_meant():
    fault = fault_of(None, {"SEKIMORI_GATE_LISTN": "127.0.0.1:1"})
    assert fault == "SEKIMORI_GATE_LISTN: unknown variable; did you mean SEKIMORI_GATE_LISTEN?"


def test_the_variables_of_the_folders_are_no_keys():
    assert load(None, {"SEKIMORI_DATA": "a", "SEKIMORI_KEYS": "b", "PATH": "c"}) == Config()


def test_a_fault_in_a_variable_or_an_option_names_it():
    assert "SEKIMORI_GATE_WORKERS: gate.workers: " in fault_of(None, {"SEKIMORI_GATE_WORKERS": "many"})
    assert "--listen: gate.listen: " in fault_of(None, options={("gate", "listen"): "x"})


def test_a_file_that_cannot_be_read_is_one_sentence(tmp_path):
    assert "cannot be read (No such file or directory)" in fault_of(tmp_path / "nowhere.toml")


def test_a_plain_listener_beyond_loopback_can_be_asked_for(written):
    config = load(written('[gate]\nlisten = "0.0.0.0:8080"\nallow_plain_listener = true'), {})
    assert not config.gate.listen.loopback


def test_a_configuration_survives_its_way_to_a_child(written):
    config = load(written(CONTRACT), {"SEKIMORI_GATE_RECORD_TIMEOUT": "500ms"})
    assert Config.model_validate(config.model_dump(mode="json")) == config
