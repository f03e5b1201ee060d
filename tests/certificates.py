"""Certificates for tests of TLS, made anew each time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

if TYPE_CHECKING:
    from pathlib import Path


class Certificates:
    """An authority, what it signed for `localhost` and for a client, and another authority."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        authority = self._make("ca", None)
        self._make("server", authority)
        self._make("client", authority)
        self._make("other-ca", None)

    def path(self, name: str) -> str:
        """Return the path of a certificate, or of its key as `<name>.key`."""
        return str(self.folder / name)

    @property
    def of_server(self) -> tuple[str, ...]:
        """The options of a redis-server that has the certificate of `localhost`."""
        return (
            *("--tls-ca-cert-file", self.path("ca")),
            *("--tls-cert-file", self.path("server")),
            *("--tls-key-file", self.path("server.key")),
        )

    def _make(
        self, name: str, signer: tuple[x509.Name, ec.EllipticCurvePrivateKey] | None
    ) -> tuple[x509.Name, ec.EllipticCurvePrivateKey]:
        key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        issuer, signing = signer or (subject, key)
        made = x509.CertificateBuilder(
            issuer, subject, key.public_key(), x509.random_serial_number(), now, now + timedelta(1)
        ).add_extension(x509.BasicConstraints(ca=signer is None, path_length=None), critical=True)
        if signer is not None:
            names = x509.SubjectAlternativeName([x509.DNSName("localhost")])
            made = made.add_extension(names, critical=False)
        form = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        pem = made.sign(signing, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        (self.folder / name).write_bytes(pem)
        private = key.private_bytes(serialization.Encoding.PEM, *form)
        (self.folder / f"{name}.key").write_bytes(private)
        return subject, key
