# SPDX-License-Identifier: Apache-2.0
"""The artifact's signature: Ed25519 over ``artifact.json``, which in turn seals every other file by its digest."""

from pathlib import Path
from typing import Final

from predictors.errors import ArtifactError, SettingsError

#: Holds the 64 raw bytes of the signature. It cannot be listed in the manifest that it signs.
SIGNATURE: Final = "artifact.sig"


def sign(folder: Path, manifest: bytes, key: Path) -> None:
    """Write the signature of a manifest's bytes into its folder.

    Args:
        folder: The artifact's folder.
        manifest: The bytes of its ``artifact.json``.
        key: A PEM file with an unencrypted Ed25519 private key.

    Raises:
        SettingsError: The key cannot be read, or is of another kind.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        private = load_pem_private_key(key.read_bytes(), password=None)
    except (OSError, TypeError, ValueError) as err:
        raise SettingsError(f"{key}: not a readable, unencrypted PEM private key") from err
    if not isinstance(private, Ed25519PrivateKey):
        raise SettingsError(f"{key}: not an Ed25519 key; make one with: openssl genpkey -algorithm ed25519")
    (folder / SIGNATURE).write_bytes(private.sign(manifest))


def verify(folder: Path, manifest: bytes, key: Path) -> None:
    """Check that the owner of a key signed these bytes.

    Args:
        folder: The artifact's folder.
        manifest: The bytes of its ``artifact.json``.
        key: A PEM file with an Ed25519 public key.

    Raises:
        ArtifactError: There is no signature, or it is not of this key over these bytes.
        SettingsError: The key cannot be read, or is of another kind.
    """
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        public = load_pem_public_key(key.read_bytes())
    except (OSError, ValueError) as err:
        raise SettingsError(f"{key}: not a readable PEM public key") from err
    if not isinstance(public, Ed25519PublicKey):
        raise SettingsError(f"{key}: not an Ed25519 public key")
    path = folder / SIGNATURE
    if not path.is_file():
        raise ArtifactError(f"{path}: missing, though a key is configured; sign the artifact when you pack it")
    try:
        public.verify(path.read_bytes(), manifest)
    except InvalidSignature as err:
        raise ArtifactError(f"{path}: not a signature of artifact.json by the configured key") from err
