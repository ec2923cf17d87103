"""The network between a user and a publisher: proxies, certificates of one's own, private addresses, and keys."""

import logging
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import pytest

from pipelines.core import snapshots
from pipelines.declarations.endpoint import NOMIS_KEY
from pipelines.fetch import http
from tests.fetch.test_discover import get as get_road
from tests.fetch.test_discover import nomis_of, nomis_page
from tests.fetch.test_refresh import CSV, get
from tests.publisher import Publisher, by_query, publishing, says


@pytest.fixture
def office() -> Iterator[Publisher]:
    with publishing() as server:
        yield server


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    http._tls_context.cache_clear()


def test_request_goes_through_the_declared_proxy(
    tmp_path: Path, office: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", office.url(""))
    office.at("http://files.example.org/a.csv", says(200, CSV))
    assert get(tmp_path, "http://files.example.org/a.csv").result == "new"
    assert office.asked[0].headers["host"] == "files.example.org"


@pytest.mark.parametrize("host", ["127.0.0.1", "10.0.0.7", "169.254.169.254", "[::1]", "intranet.internal"])
def test_redirect_to_a_private_address_is_refused(
    tmp_path: Path, office: Publisher, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    monkeypatch.setenv("HTTP_PROXY", office.url(""))
    office.at("http://files.example.org/a.csv", says(302, Location=f"http://{host}/a.csv"))
    outcome = get(tmp_path, "http://files.example.org/a.csv", fetch=None)
    assert outcome.result == "failed" and len(office.asked) == 1
    hosts = {"link": {"page": "http://files.example.org/a.csv", "pattern": "x", "hosts": [host.strip("[]")]}}
    outcome = get_road(tmp_path, fetch=hosts)
    assert outcome.result == "failed" and "found a redirect to" in outcome.detail


def test_private_address_among_declared_hosts_is_refused(
    tmp_path: Path, office: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", office.url(""))
    office.at("http://files.example.org/page", says(200, b'<a href="/a.csv">a</a>', Content_Type="text/html"))
    office.at("http://files.example.org/a.csv", says(302, Location="http://10.0.0.7/a.csv"))
    link = {"page": "http://files.example.org/page", "pattern": "a.csv", "hosts": "10.0.0.7"}
    outcome = get_road(tmp_path, fetch={"link": link})
    assert outcome.result == "failed" and "found a redirect to the private address 10.0.0.7" in outcome.detail


@contextmanager
def tunnelling(to: int) -> Iterator[tuple[str, list[bytes]]]:
    """Run a proxy that joins each CONNECT to a port of this machine, and record its first line."""
    asked: list[bytes] = []

    def copy(one: socket.socket, other: socket.socket) -> None:
        try:
            while data := one.recv(65536):
                other.sendall(data)
        except OSError:
            pass
        other.close()

    def serve() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            asked.append(client.recv(65536).partition(b"\r\n")[0])
            there = socket.create_connection(("127.0.0.1", to))
            client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            Thread(target=copy, args=(client, there), daemon=True).start()
            Thread(target=copy, args=(there, client), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", asked


def make_certificate(folder: Path) -> tuple[Path, Path]:
    program = shutil.which("openssl")
    if not program:
        pytest.skip("needs openssl to make a certificate")
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    command = [program, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days",
               "2", "-subj", "/CN=files.example.org", "-addext", "subjectAltName=DNS:files.example.org",
               "-keyout", str(key), "-out", str(certificate)]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True)
    return key, certificate


def test_certificate_of_a_company_is_accepted_through_a_proxy(
    tmp_path: Path, office: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, certificate = make_certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    office.socket = context.wrap_socket(office.socket, server_side=True, do_handshake_on_connect=False)
    office.at("/a.csv", says(200, CSV))
    with tunnelling(office.server_port) as (proxy, asked):
        monkeypatch.setenv("HTTPS_PROXY", proxy)
        refused = get(tmp_path / "one", "https://files.example.org/a.csv")
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        http._tls_context.cache_clear()
        accepted = get(tmp_path / "two", "https://files.example.org/a.csv")
    http._tls_context.cache_clear()
    assert refused.result == "failed" and "certificate" in refused.detail
    assert accepted.result == "new"
    assert asked[-1] == b"CONNECT files.example.org:443 HTTP/1.1"


def test_nomis_uid_is_sent_but_never_stored(
    tmp_path: Path, office: Publisher, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setenv(NOMIS_KEY, "0xhushhush1234")
    office.at("/api/v01/dataset/NM_162_1.data.csv", by_query({"recordoffset=0": nomis_page(0, 2, 2)}))
    outcome = get_road(tmp_path, fetch=nomis_of(office))
    assert outcome.result == "new"
    assert "uid=0xhushhush1234" in office.asked[1].path and "recordlimit=1000000" in office.asked[1].path
    assert "uid" not in office.asked[0].path
    kept = b"".join(path.read_bytes() for path in snapshots.snapshots_dir(tmp_path).iterdir())
    assert b"hush" not in kept and "hush" not in caplog.text and "hush" not in str(outcome)


def test_nomis_uid_is_in_no_message_of_a_failure(
    tmp_path: Path, office: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(NOMIS_KEY, "0xhushhush1234")
    for reply in (says(403), says(200, b"<html>"), says(302, Location="http://localhost:1/?uid=x")):
        office.at("/api/v01/dataset/NM_162_1.data.csv", reply)
        outcome = get_road(tmp_path, fetch=nomis_of(office))
        assert outcome.result == "failed" and "hush" not in outcome.detail
    assert b"hush" not in b"".join(path.read_bytes() for path in snapshots.snapshots_dir(tmp_path).iterdir())
