"""A small OpenID Connect issuer over HTTPS: discovery, keys, and tokens for a refresh token."""

import base64
import json
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

CLIENT, REFRESH_TOKEN = "auditor", "refresh-me"


class Issuer:
    """Signs RS256 tokens for `CLIENT`; `refreshed` counts the tokens that were asked for."""

    def __init__(self) -> None:
        self._key = rsa.generate_private_key(65537, 2048)
        self.url = ""
        self.refreshed = 0

    @contextmanager
    def serving(self, certificate: tuple[Path, Path]) -> Iterator["Issuer"]:
        """The issuer on a free port of 127.0.0.1."""
        http = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (_Handler,), {"issuer": self}))
        http.daemon_threads = True
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*certificate)
        http.socket = context.wrap_socket(http.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        self.url = f"https://127.0.0.1:{http.server_address[1]}"
        try:
            yield self
        finally:
            http.shutdown()
            http.server_close()

    def token(self, subject: str, seconds: float) -> str:
        """An id token that is good for so long."""
        now = int(time.time())
        claims = {"iss": self.url, "aud": CLIENT, "sub": subject, "iat": now, "exp": int(now + seconds)}
        head = {"alg": "RS256", "typ": "JWT", "kid": "one"}
        signed = f"{_encoded(json.dumps(head).encode())}.{_encoded(json.dumps(claims).encode())}"
        return f"{signed}.{_encoded(self._key.sign(signed.encode(), padding.PKCS1v15(), SHA256()))}"

    def answer(self, path: str) -> dict[str, Any]:
        """Discovery and the public key."""
        if path.endswith("/openid-configuration"):
            paths = {"jwks_uri": "/keys", "token_endpoint": "/token", "authorization_endpoint": "/login"}
            found: dict[str, Any] = {name: self.url + place for name, place in paths.items()}
            lists = {
                "response_types_supported": ["id_token"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["RS256"],
            }
            return {"issuer": self.url, **found, **lists}
        numbers = self._key.public_key().public_numbers()
        modulus = _encoded(numbers.n.to_bytes(256, "big"))
        key = {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": "one", "n": modulus, "e": "AQAB"}
        return {"keys": [key]}


class _Handler(BaseHTTPRequestHandler):
    issuer: Issuer
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        return

    def do_GET(self) -> None:
        self._json(200, self.issuer.answer(self.path))

    def do_POST(self) -> None:
        asked = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        if asked.get("grant_type") != ["refresh_token"] or asked.get("refresh_token") != [REFRESH_TOKEN]:
            self._json(400, {"error": "invalid_grant"})
            return
        self.issuer.refreshed += 1
        token = self.issuer.token("jo", 3600)
        rest = {"access_token": "a", "token_type": "Bearer", "refresh_token": REFRESH_TOKEN}
        self._json(200, {"id_token": token, **rest})

    def _json(self, status: int, value: dict[str, Any]) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _encoded(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()
