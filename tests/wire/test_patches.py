import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sekimori.wire.patches import CarryOver, Patched, Text, split_path


def built(*patches: tuple[str, str, object], root: object = None) -> Patched:
    tree = Patched()
    tree.apply("add", (), root)
    for operation, path, value in patches:
        tree.apply(operation, split_path(path), value)
    return tree


@pytest.mark.parametrize(
    ("root", "patches", "value"),
    [
        pytest.param({"a": "x"}, [("append", "/a", "y"), ("append", "/a", "z")], {"a": "xyz"}, id="append text"),
        pytest.param({"a": ["x"]}, [("append", "a", ["y"])], {"a": ["x", "y"]}, id="append elements"),
        pytest.param({"a": ["x"]}, [("append", "a", "y")], {"a": ["x", "y"]}, id="append an element"),
        pytest.param({}, [("append", "/a", "y")], {"a": "y"}, id="append to nothing"),
        pytest.param({"a": {}}, [("append", "/a", {"b": 1})], {"a": {"b": 1}}, id="append members"),
        pytest.param({"a": [1, 3]}, [("add", "/a/1", 2)], {"a": [1, 2, 3]}, id="add inserts"),
        pytest.param({"a": [1]}, [("add", "/a/-", 2)], {"a": [1, 2]}, id="add at the end"),
        pytest.param({"a": [1, 3]}, [("replace", "/a/-1", 2)], {"a": [1, 2]}, id="from the end"),
        pytest.param({"a": [1, 2]}, [("remove", "/a/0", None)], {"a": [2]}, id="remove an element"),
        pytest.param({"a": 1, "b": 2}, [("remove", "/a", None)], {"b": 2}, id="remove a member"),
        pytest.param({"a": "hello"}, [("truncate", "/a", 2)], {"a": "he"}, id="truncate"),
        pytest.param({"a": ""}, [("SET", "a", 1)], {"a": 1}, id="set, in capitals"),
        pytest.param({"a/b": 1, "c~": 2}, [("replace", "/a~1b", 3), ("replace", "/c~0", 4)], {"a/b": 3, "c~": 4}, id="escapes"),
        pytest.param(
            {"r": {"a": "x", "b": 0}},
            [("BATCH", "r", [{"p": "a", "o": "APPEND", "v": "y"}, {"p": "b", "v": 1}])],
            {"r": {"a": "xy", "b": 1}},
            id="a batch below a place",
        ),
    ],
)  # fmt: skip
def test_patches_build_up_a_value(root, patches, value):
    tree = built(*patches, root=root)
    assert tree.plain() == value
    assert (tree.missed, tree.fault) == (False, "")


@pytest.mark.parametrize(
    ("operation", "path"),
    [
        ("append", "/no/where"),
        ("replace", "/a/9"),
        ("move", "/a"),
        ("replace", "/a/x"),
        ("replace", "/" + "x/" * 40),
    ],
)
def test_a_patch_without_a_place_is_left_out_and_told(operation, path):
    tree = built((operation, path, "words"), root={"a": [1]})
    assert tree.missed
    assert tree.plain() == {"a": [1]}


def test_a_text_is_cut_across_its_pieces():
    text = Text("abc")
    text.append("def")
    text.append("ghi")
    text.truncate(4)
    assert (str(text), text.length) == ("abcd", 4)


def test_what_is_left_out_of_a_delta_is_as_before():
    carry = CarryOver("add")
    for delta, expected in (
        ({"v": 1}, ("add", (), 0)),
        ({"p": "/a/0", "o": "append", "c": 2}, ("append", ("a", "0"), 2)),
        ({"v": "more"}, ("append", ("a", "0"), 2)),
        ({"o": "replace"}, ("replace", ("a", "0"), 2)),
        ({"p": ""}, ("replace", (), 2)),
    ):
        carry.take(delta)
        assert (carry.operation, carry.path, carry.channel) == expected


@pytest.mark.parametrize(
    "patches",
    [
        pytest.param([("append", ("a",), "x" * 600)] * 3, id="too much text"),
        pytest.param([("append", ("l",), [0] * 40)] * 3, id="too many members"),
        pytest.param([("append", ("a",), "x" * 90), *[("truncate", ("a",), 80)] * 40, *[("append", ("a",), "yy"), ("truncate", ("a",), 81)] * 900], id="too much work"),
        pytest.param([("add", ("l", "0"), 0)] * 200, id="too much moving"),
    ],
)  # fmt: skip
def test_what_patches_build_and_cost_is_bounded(patches):
    tree = Patched(size=1600, work=800)
    tree.apply("add", (), {"a": "", "l": []})
    for patch in patches:
        tree.apply(*patch)
    assert tree.fault


def test_a_value_that_is_too_deep_is_refused():
    deep: object = "x"
    for _ in range(200):
        deep = [deep]
    assert built(root=deep).fault


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abpov01"), inner, max_size=3)
    ),
    max_leaves=8,
)
OPERATIONS = st.sampled_from(["add", "replace", "append", "remove", "truncate", "patch", "SET", "BATCH", "?"])
PATHS = st.lists(st.sampled_from(["a", "b", "0", "1", "-1", "-", "~"]), max_size=3).map(tuple)


@settings(max_examples=150)
@given(JSON, st.lists(st.tuples(OPERATIONS, PATHS, JSON), max_size=12))
def test_no_patch_makes_a_value_stumble(root, patches):
    tree = Patched(size=5000, work=5000)
    tree.apply("add", (), root)
    for patch in patches:
        tree.apply(*patch)
    tree.plain()


@settings(max_examples=60)
@given(st.lists(st.text(max_size=5), max_size=12))
def test_pieces_of_text_join_to_the_whole(pieces):
    tree = Patched()
    tree.apply("add", (), {"a": ""})
    for piece in pieces:
        tree.apply("append", ("a",), piece)
    assert tree.plain() == {"a": "".join(pieces)}
