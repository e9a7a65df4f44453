"""TLS in our own words: a context, a file of authorities, or a certificate of your own."""

from __future__ import annotations

import pickle
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import anyio
import pytest
import trustme

from billingual import AsyncClient, Client, Secret, Tls, errors

UID = "550e8400-e29b-41d4-a716-446655440000"
BODY = b'{"data": {"uid": "%s"}}' % UID.encode()
RESPONSE = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY)


class Authority:
    """An unknown authority, a server that may ask for certificates, and files for clients."""

    def __init__(self, folder: Path) -> None:
        self.ca = trustme.CA()
        self.ca_file = folder / "ca.pem"
        self.ca.cert_pem.write_to_path(str(self.ca_file))
        mine = self.ca.issue_cert("client@example.com")
        self.cert_file, self.key_file = folder / "cert.pem", folder / "key.pem"
        self.cert_file.write_bytes(b"".join(each.bytes() for each in mine.cert_chain_pems))
        mine.private_key_pem.write_to_path(str(self.key_file))
        self.both_file = folder / "both.pem"
        mine.private_key_and_cert_chain_pem.write_to_path(str(self.both_file))

    def serve(self, listener: socket.socket, *, mutual: bool) -> None:
        """Answer one connection after another."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.ca.issue_cert("localhost").configure_cert(context)
        if mutual:
            context.verify_mode = ssl.CERT_REQUIRED
            self.ca.configure_trust(context)
        while True:
            try:
                plain, _ = listener.accept()
            except OSError:
                return
            with plain, plain.dup() as raw, suppress(OSError):
                try:
                    with context.wrap_socket(plain, server_side=True) as connection:
                        connection.recv(65536)
                        connection.sendall(RESPONSE)
                except OSError:
                    # What is left unread would reset the connection before the alert arrives.
                    raw.shutdown(socket.SHUT_WR)
                    while raw.recv(65536):
                        pass


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """Return an authority with its files."""
    return Authority(tmp_path)


@pytest.fixture(params=[False, True], ids=["plain", "mutual"])
def server(request: pytest.FixtureRequest, authority: Authority) -> Iterator[tuple[str, bool]]:
    """Serve TLS, without and with a certificate that clients must show."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        arguments = {"mutual": request.param}
        thread = threading.Thread(
            target=authority.serve, args=(listener,), kwargs=arguments, daemon=True
        )
        thread.start()
        yield f"https://localhost:{listener.getsockname()[1]}", request.param
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(120)


@pytest.mark.parametrize("transport", ["aiohttp", "httpx", "httpx2", "urllib3"])
def test_every_transport_shows_a_client_certificate(
    server: tuple[str, bool], authority: Authority, transport: str
) -> None:
    """The options are the same for each library; without them the server is not trusted."""
    url, _ = server
    tls = Tls(ca_file=authority.ca_file, cert_file=authority.cert_file, key_file=authority.key_file)

    async def get(**options: Any) -> str:
        async with AsyncClient(
            "exante", token="t", base_url=url, transport=transport, retry="none", **options
        ) as client:
            return (await client.get(UID)).id

    assert UID == anyio.run(lambda: get(tls=tls))
    with pytest.raises(errors.NotConnectedError, match="certificate"):
        anyio.run(get)


@pytest.mark.parametrize("server", [True], ids=["mutual"], indirect=True)
@pytest.mark.parametrize("transport", ["h11", "httpx", "httpx2", "urllib3"])
def test_an_error_says_that_the_server_asks_for_a_certificate(
    server: tuple[str, bool], authority: Authority, transport: str
) -> None:
    """Under TLS 1.3 the server says so when the client takes the connection for made."""
    url, _ = server

    async def get() -> None:
        async with AsyncClient(
            "exante", token="t", base_url=url, transport=transport, retry="none",
            tls=authority.ca_file,
        ) as client:  # fmt: skip
            await client.get(UID)

    with pytest.raises(errors.ConnectionLostError, match="asks for a certificate of your own"):
        anyio.run(get)


def test_tls_takes_a_path_of_authorities(server: tuple[str, bool], authority: Authority) -> None:
    """That is enough for a server that wants no client certificate, and not for one that does."""
    url, mutual = server
    with Client(
        "exante", token="t", base_url=url, tls=str(authority.ca_file), retry="none"
    ) as client:
        if not mutual:
            assert UID == client.get(UID).id
            return
        with pytest.raises(errors.TransportError):
            client.get(UID)


def test_key_and_certificate_may_be_in_one_file(authority: Authority) -> None:
    """As many tools write them."""
    context = Tls(cert_file=authority.both_file).context()

    assert ssl.CERT_REQUIRED is context.verify_mode
    assert context.check_hostname


UNUSABLE = {
    "no such file": ({"ca_file": "none.pem"}, "authorities to trust"),
    "no certificates in it": ({"ca_file": "empty.pem"}, "authorities to trust"),
    "no such certificate": ({"cert_file": "none.pem"}, "the certificate or its key"),
    "a key alone": ({"key_file": "key.pem"}, "no certificate"),
    "a certificate without its key": ({"cert_file": "cert.pem"}, "the certificate or its key"),
}


@pytest.mark.parametrize(
    "tls", ["", Tls(ca_file=""), Tls(ca_file="a\0b"), Tls(cert_file="")], ids=repr
)
def test_an_empty_file_name_is_refused(tls: Any) -> None:
    """It must not fall back to the authorities of the system."""
    with pytest.raises(errors.ConfigurationError):
        AsyncClient("exante", transport="memory", tls=tls)


@pytest.mark.parametrize("name", UNUSABLE)
def test_unusable_files_are_refused_when_the_client_is_made(
    authority: Authority, tmp_path: Path, name: str
) -> None:
    """The error names the file and says what it should contain."""
    (tmp_path / "empty.pem").write_text("nothing", encoding="utf-8")
    files, told = UNUSABLE[name]
    tls = Tls(**{key: str(tmp_path / file) for key, file in files.items()})

    with pytest.raises(errors.ConfigurationError, match=told):
        AsyncClient("exante", transport="memory", tls=tls)


def test_a_password_is_never_shown() -> None:
    """Not in repr, and the settings cannot be pickled."""
    tls = Tls(cert_file="cert.pem", key_password="canary-51c0de")

    assert Secret("canary-51c0de") == tls.key_password
    assert "canary" not in repr(tls)
    with pytest.raises(TypeError):
        pickle.dumps(tls)


@pytest.mark.parametrize("kind", [AsyncClient, Client])
def test_a_log_of_keys_that_cannot_be_written_is_named(
    kind: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Not the file of authorities, which is there and is right."""
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "missing" / "keys.log"))
    with pytest.raises(errors.ConfigurationError, match=r"keys.log.* SSLKEYLOGFILE"):
        kind("exante", token="t" * 12, tls=Tls())
