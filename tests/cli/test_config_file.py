"""The configuration file: every key, every way to say it, every fault named where it stands."""

import tomllib

import pytest

from sekimori.cli.config import Config
from sekimori.cli.config_file import load
from sekimori.cli.units import Address
from sekimori.errors import ConfigError

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
sources = ["basic"]
required = "all"
[feedback]
after_exchanges = 20
after_days = 7
[notices]
required = true
[storage]
url = ""
"""


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
            '[identity]\nsources = ["ldap"]', ":2: identity.sources", id="a source that is not there"
        ),
        pytest.param(
            '[upstream.resolve]\n"a.example" = "nowhere"', ":2: upstream.resolve.a.example", id="pin"
        ),
        pytest.param("gate = 1", ":1: gate: ", id="a section that is a number"),
        pytest.param("[gate\n", ":1: ", id="not TOML"),
    ],
)
def test_a_fault_is_named_with_its_file_line_and_key(written, text, sentence):
    file = written(text)
    fault = fault_of(file)
    assert fault.startswith(str(file))
    assert sentence in fault


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
