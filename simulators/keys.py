"""The key pairs of the rehearsal: SSH for the file server and its client, ECDSA for e-mail events."""

from __future__ import annotations

import asyncssh
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from simulators.config_file import write_private
from simulators.settings import Config


def make_missing_keys(config: Config) -> list[str]:
    """Make each key file that is not there yet; returns the names of the files made."""
    made: list[str] = []
    sftp, sendgrid = config.sftp, config.sendgrid
    for private, comment in (
        (sftp.host_key_file, "rehearsal file server"),
        (sftp.client_key_file, sftp.user),
    ):
        if not private.exists():
            key = asyncssh.generate_private_key("ssh-ed25519", comment=comment)
            write_private(private, key.export_private_key("openssh").decode())
            write_private(
                private.with_name(f"{private.name}.pub"), key.export_public_key("openssh").decode()
            )
            made += [private.name, f"{private.name}.pub"]
    if not sendgrid.event_private_key_file.exists():
        signing_key = ec.generate_private_key(ec.SECP256R1())
        pem = signing_key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        write_private(sendgrid.event_private_key_file, pem.decode())
        write_private(sendgrid.event_public_key_file, _public_text(signing_key) + "\n")
        made += [sendgrid.event_private_key_file.name, sendgrid.event_public_key_file.name]
    return made


def _public_text(signing_key: ec.EllipticCurvePrivateKey) -> str:
    """The public key as the provider's page shows it: base64 of DER on one line."""
    pem = signing_key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return "".join(pem.decode().splitlines()[1:-1])
