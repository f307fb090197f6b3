import pytest

from sekimori.wire.model import Head
from sekimori.wire.shape import error_shape


@pytest.mark.parametrize(
    ("method", "path", "headers", "style", "shape"),
    [
        pytest.param("POST", "/v1/chat/completions", (), "", "openai", id="chat"),
        pytest.param("POST", "/v1/responses", (), "", "openai", id="responses"),
        pytest.param("POST", "/v1/messages", (), "", "anthropic", id="messages"),
        pytest.param("POST", "/v1/messages", (), "openai", "anthropic", id="the path beats the catalogue"),
        pytest.param("POST", "/v1beta/models/g:generateContent", (), "", "gemini", id="gemini"),
        pytest.param(
            "POST",
            "/v1/projects/p/locations/l/publishers/anthropic/models/c:rawPredict",
            (),
            "",
            "gemini",
            id="Vertex",
        ),
        pytest.param("POST", "/model/anthropic.claude%3A0/converse-stream", (), "", "bedrock", id="bedrock"),
        pytest.param(
            "GET",
            "/v1/models",
            (("Anthropic-Version", "2023-06-01"),),
            "",
            "anthropic",
            id="its SDK's header",
        ),
        pytest.param("GET", "/v1/models", (), "openai", "openai", id="the catalogue"),
        pytest.param("GET", "/v1/models", (), "", "problem", id="nothing known"),
        pytest.param("GET", "/", (), "something", "problem", id="an unknown style"),
    ],
)
def test_an_error_takes_the_shape_that_the_client_expects(method, path, headers, style, shape):
    assert error_shape(Head(method, "host.example", path, headers), style) == shape
