from hubline.connection import ConnectionScope, Identity


def test_a_scope_shows_the_request() -> None:
    scope = ConnectionScope(
        {
            "path": "/chat",
            "query_string": b"a=1&b=&a=2&c=%C3%BC",
            "headers": [(b"X-One", b"1"), (b"x-one", b"2"), (b"Host", b"h")],
            "client": ["10.0.0.1", 4711],
        }
    )
    assert scope.path == "/chat"
    assert scope.query == {"a": "2", "b": "", "c": "ü"}
    assert scope.headers == {"x-one": "1, 2", "host": "h"}
    assert scope.client == ("10.0.0.1", 4711)
    assert scope.identity is None


def test_a_scope_without_client_query_and_headers() -> None:
    scope = ConnectionScope({"path": "/"}, Identity("ada"))
    assert scope.client is None
    assert scope.query == {}
    assert scope.headers == {}
    assert scope.identity == Identity(user_id="ada", claims={}, expires_at=None)
