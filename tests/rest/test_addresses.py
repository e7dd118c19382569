import pytest

from hubline.rest.addresses import Path, address, path_of


@pytest.mark.parametrize(
    ("scope", "mount", "segments"),
    [
        ({"path": "/hubs/chat", "raw_path": b"/hubs/chat"}, (), ("hubs", "chat")),
        ({"path": "/api/hubs/a/b", "raw_path": b"/api/hubs/a%2Fb", "root_path": "/api"}, ("api",), ("hubs", "a/b")),
        ({"path": "/x/api/hubs", "raw_path": b"/x/api/hubs?y=1", "root_path": "/x/api"}, ("x", "api"), ("hubs",)),
        ({"path": "/api/hubs/a b", "root_path": "/api"}, ("api",), ("hubs", "a b")),
        ({"path": "/api", "raw_path": b"/api", "root_path": "/api"}, ("api",), ()),
        ({"path": "/api/", "raw_path": b"/api/", "root_path": "/api"}, ("api",), ("",)),
    ],
)
def test_paths_are_cut_behind_the_mount(
    scope: dict[str, object], mount: tuple[str, ...], segments: tuple[str, ...]
) -> None:
    found = path_of(scope)
    assert (found.mount, found.segments) == (mount, segments)


def test_a_path_that_is_not_utf_8() -> None:
    with pytest.raises(ValueError, match="utf-8"):
        path_of({"path": "/a", "raw_path": b"/%FF"})
    assert Path("/a", (), ("a",)).segments == ("a",)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("http://a/x", "HTTP://A:80/x/", True),
        ("https://a/x?y=1#z", "https://a:443/x", True),
        ("http://a/%3Asend", "http://a/:send", True),
        ("http://a/x%2fy", "http://a/x%2Fy", True),
        ("http://a/x%2Fy", "http://a/x/y", False),
        ("http://a/x", "https://a/x", False),
        ("http://a/x", "http://a:81/x", False),
        ("http://a/x", "http://a/X", False),
        ("http://[::1]:8000/x", "http://[::1]:8000/x", True),
    ],
)
def test_two_spellings_of_one_address(one: str, other: str, same: bool) -> None:
    assert (address(one) == address(other)) is same


@pytest.mark.parametrize("url", ["http://a:x/", "http://[a/", "http://a/%FF", "http://a:99999/"])
def test_what_is_no_address(url: str) -> None:
    assert address(url) is None
