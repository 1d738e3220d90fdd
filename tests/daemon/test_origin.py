"""HTTP origins: real servers on loopback that are dead, slow, endless, moved, wrong or well."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from tests.daemon.fakes import free_port, http_server
from zoned.core.events import FetchOutcome
from zoned.daemon.clock import Clock
from zoned.daemon.copies import own_version
from zoned.daemon.origins import HttpOrigin, OriginSettings, freshness, origin_session
from zoned.daemon.origins.http import RefusedKey

Handle = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def origin_at(url: str, **changes: Any) -> AsyncIterator[HttpOrigin]:
    settings: dict[str, Any] = {"dependency": "d", "template": url + "/{key}", "timeout_s": 5.0} | changes
    async with origin_session() as session:
        yield HttpOrigin(OriginSettings(**settings), session, Clock())


async def answer(**kwargs: Any) -> Any:
    """What the fetch of ``k`` comes to when the server answers like that."""

    async def handler(request: web.Request) -> web.Response:
        return web.Response(**kwargs)

    async with http_server(handler) as url, origin_at(url, max_object_bytes=100) as origin:
        return await origin.fetch(b"k", 5.0, "", False)


@pytest.mark.asyncio
async def test_a_good_answer_with_all_it_says() -> None:
    seen: list[web.Request] = []

    async def handler(request: web.Request) -> web.Response:
        seen.append(request)
        headers = {
            "ETag": '"7"',
            "Cache-Control": "public, max-age=60",
            "Age": "20",
            "Content-Type": "text/x",
        }
        return web.Response(body=b"hello", headers=headers)

    async with http_server(handler) as url, origin_at(url, headers=(("X-Token", "s3"),)) as origin:
        fetched = await origin.fetch(b"a/b c?d\xff", 5.0, "", True)
    assert fetched.outcome is FetchOutcome.OK
    assert fetched.copy is not None
    assert (fetched.copy.body, fetched.copy.version, fetched.copy.content_type) == (b"hello", '"7"', "text/x")
    assert fetched.ttl_s == 40.0
    assert Clock().now().mono_s - fetched.copy.born_s == pytest.approx(20.0, abs=1.0)
    assert seen[0].raw_path == "/a/b%20c%3Fd%FF"
    assert seen[0].headers["X-Token"] == "s3"
    assert seen[0].headers["Sec-Purpose"] == "prefetch"
    assert seen[0].headers["Accept-Encoding"] == "identity"


@pytest.mark.asyncio
async def test_only_a_prefetch_says_that_it_is_one() -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(text=request.headers.get("Sec-Purpose", "none"))

    async with http_server(handler) as url, origin_at(url) as origin:
        fetched = await origin.fetch(b"k", 5.0, "", False)
    assert fetched.copy is not None and fetched.copy.body == b"none"
    assert fetched.copy.version == own_version(b"none")


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (404, FetchOutcome.NOT_FOUND),
        (410, FetchOutcome.NOT_FOUND),
        (401, FetchOutcome.FAILED),
        (429, FetchOutcome.FAILED),
        (500, FetchOutcome.FAILED),
        (503, FetchOutcome.FAILED),
        (206, FetchOutcome.FAILED),
        (204, FetchOutcome.OK),
        (203, FetchOutcome.OK),
    ],
)
async def test_what_statuses_mean(status: int, outcome: FetchOutcome) -> None:
    fetched = await answer(status=status)
    assert fetched.outcome is outcome
    assert (fetched.copy is not None) == (outcome is FetchOutcome.OK)


@pytest.mark.asyncio
async def test_a_dead_origin_fails_at_once_and_is_named() -> None:
    async with origin_at(f"http://127.0.0.1:{free_port()}") as origin:
        fetched = await origin.fetch(b"k", 5.0, "", False)
    assert fetched.outcome is FetchOutcome.FAILED
    assert "cannot connect to origin" in fetched.detail


@pytest.mark.asyncio
async def test_a_slow_origin_times_out_by_the_shorter_deadline() -> None:
    release = asyncio.Event()

    async def handler(request: web.Request) -> web.Response:
        await release.wait()
        return web.Response()

    async with http_server(handler) as url, origin_at(url) as origin:
        fetched = await origin.fetch(b"k", 0.05, "", False)
        assert fetched.outcome is FetchOutcome.TIMEOUT
        release.set()
    release.clear()
    async with http_server(handler) as url, origin_at(url, timeout_s=0.05) as origin:
        fetched = await origin.fetch(b"k", 9.0, "", False)
        assert fetched.outcome is FetchOutcome.TIMEOUT
        release.set()


@pytest.mark.asyncio
async def test_a_body_that_never_ends_costs_its_limit() -> None:
    sent = 0

    async def handler(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(b"x" * 1000)
                sent += 1000
        except ConnectionError:
            return response

    async with http_server(handler) as url, origin_at(url, max_object_bytes=50_000) as origin:
        fetched = await origin.fetch(b"k", 5.0, "", False)
    assert fetched.outcome is FetchOutcome.TOO_LARGE
    assert fetched.copy is None


@pytest.mark.asyncio
async def test_a_body_that_is_declared_too_large_is_not_read_and_one_of_the_limit_is_kept() -> None:
    assert (await answer(body=b"x" * 101)).outcome is FetchOutcome.TOO_LARGE
    assert (await answer(body=b"x" * 100)).outcome is FetchOutcome.OK


@pytest.mark.asyncio
async def test_a_body_that_breaks_off_is_a_failure() -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhalf")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(handler, "127.0.0.1", 0)
    async with server, origin_at(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}") as origin:
        fetched = await origin.fetch(b"k", 5.0, "", False)
    assert fetched.outcome is FetchOutcome.FAILED


@pytest.mark.asyncio
async def test_what_is_not_http_is_a_failure() -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-OpenSSH_9.2\r\n\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(handler, "127.0.0.1", 0)
    async with server, origin_at(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}") as origin:
        fetched = await origin.fetch(b"k", 5.0, "", False)
    assert fetched.outcome is FetchOutcome.FAILED


@pytest.mark.asyncio
async def test_an_unchanged_version_is_not_sent_again() -> None:
    asked: list[str | None] = []

    async def handler(request: web.Request) -> web.Response:
        asked.append(request.headers.get("If-None-Match"))
        if request.headers.get("If-None-Match") == '"7"':
            return web.Response(status=304, headers={"Cache-Control": "max-age=9"})
        return web.Response(body=b"new", headers={"ETag": '"8"'})

    async with http_server(handler) as url, origin_at(url) as origin:
        fetched = await origin.fetch(b"k", 5.0, '"7"', False)
        assert (fetched.outcome, fetched.unchanged, fetched.ttl_s) == (FetchOutcome.OK, True, 9.0)
        fetched = await origin.fetch(b"k", 5.0, own_version(b"x"), False)
        assert fetched.copy is not None and fetched.copy.version == '"8"'
    assert asked == ['"7"', None]  # a version of our own making means nothing to an origin


@pytest.mark.asyncio
async def test_redirects_are_followed_on_the_same_host_only() -> None:
    elsewhere_asked = 0

    async def elsewhere(request: web.Request) -> web.Response:
        nonlocal elsewhere_asked
        elsewhere_asked += 1
        return web.Response(body=b"stolen")

    async with http_server(elsewhere) as other:

        async def handler(request: web.Request) -> web.Response:
            match request.path:
                case "/moved":
                    return web.Response(status=302, headers={"Location": "/there"})
                case "/there":
                    return web.Response(body=b"there")
                case "/loop":
                    return web.Response(status=301, headers={"Location": "/loop"})
            return web.Response(status=307, headers={"Location": other + "/x"})

        async with http_server(handler) as url, origin_at(url) as origin:
            moved = await origin.fetch(b"moved", 5.0, "", False)
            assert moved.copy is not None and moved.copy.body == b"there"
            away = await origin.fetch(b"away", 5.0, "", False)
            assert (away.outcome, away.detail) == (
                FetchOutcome.FAILED,
                "origin redirects to another host: refused",
            )
            assert "redirects" in (await origin.fetch(b"loop", 5.0, "", False)).detail
    assert elsewhere_asked == 0


@pytest.mark.asyncio
async def test_prefetches_leave_connections_to_reads() -> None:
    release, running = asyncio.Event(), 0

    async def handler(request: web.Request) -> web.Response:
        nonlocal running
        running += 1
        if "Sec-Purpose" in request.headers:
            await release.wait()
        return web.Response(body=b"x")

    async with http_server(handler) as url, origin_at(url) as origin:
        prefetches = [asyncio.create_task(origin.fetch(b"p%d" % n, 9.0, "", True)) for n in range(100)]
        read = await origin.fetch(b"read", 5.0, "", False)
        assert read.outcome is FetchOutcome.OK
        assert running <= 33
        release.set()
        assert all(done.outcome is FetchOutcome.OK for done in await asyncio.gather(*prefetches))


@pytest.mark.asyncio
@pytest.mark.parametrize("key", [b"..", b"a/../b", b"a/..", b".", b"../../etc/passwd"])
async def test_dots_that_climb_are_refused(key: bytes) -> None:
    async with origin_at("http://127.0.0.1:1/base") as origin:
        with pytest.raises(RefusedKey):
            origin.url(key)
        assert (await origin.fetch(key, 5.0, "", False)).outcome is FetchOutcome.NOT_FOUND


@pytest.mark.asyncio
async def test_no_key_leads_to_another_place() -> None:
    async with origin_session() as session:
        settings = OriginSettings(dependency="d", template="https://example.test:8443/p/{key}?v=1")
        origin = HttpOrigin(settings, session, Clock())

        @given(st.binary(min_size=1, max_size=60) | st.text(min_size=1, max_size=30).map(str.encode))
        def check(key: bytes) -> None:
            try:
                url = origin.url(key)
            except RefusedKey:
                assert any(part in (b".", b"..") for part in key.split(b"/"))
                return
            assert (url.scheme, url.host, url.port) == ("https", "example.test", 8443)
            assert url.raw_path.startswith("/p/")
            assert url.raw_query_string == "v=1"
            assert url.raw_fragment == ""

        check()


@pytest.mark.parametrize(
    ("headers", "ttl_s"),
    [
        ({}, None),
        ({"Cache-Control": "max-age=60"}, 60.0),
        ({"Cache-Control": "max-age=60", "Age": "50"}, 10.0),
        ({"Cache-Control": "max-age=60", "Age": "70"}, 0.0),
        ({"Cache-Control": 'Max-Age="60"'}, 60.0),
        ({"Cache-Control": "max-age=60, s-maxage=5"}, 5.0),
        ({"Cache-Control": "max-age=60, no-store"}, 0.0),
        ({"Cache-Control": "no-cache"}, 0.0),
        ({"Cache-Control": "private, max-age=60"}, 0.0),
        ({"Cache-Control": "max-age=soon"}, 0.0),
        ({"Cache-Control": "max-age=-1"}, 0.0),
        ({"Cache-Control": "max-age=99999999999999"}, freshness.MAX_TTL_S),
        ({"Cache-Control": "public"}, None),
        ({"Vary": "*", "Cache-Control": "max-age=60"}, 0.0),
        ({"Expires": "Thu, 01 Jan 2026 00:01:00 GMT", "Date": "Thu, 01 Jan 2026 00:00:00 GMT"}, 60.0),
        ({"Expires": "0", "Date": "Thu, 01 Jan 2026 00:00:00 GMT"}, 0.0),
        ({"Expires": "Thu, 01 Jan 2026 00:01:00 GMT"}, 0.0),
    ],
)
def test_freshness(headers: dict[str, str], ttl_s: float | None) -> None:
    assert freshness.ttl_s(headers) == ttl_s
