"""Tests of reading and creating RSA keys."""

import os
import tempfile
import time
from base64 import b64encode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from app.auth.keys import (
    create_private_key,
    parse_private_key,
    parse_public_key,
    read_private_key,
)
from app.settings import Settings
from tests.users import make_pem, make_public_pem

WEAK_KEY = rsa.generate_private_key(65537, 1024)  # noqa: S505
OTHER_KEY = ec.generate_private_key(ec.SECP256R1())

needs_file_modes = pytest.mark.skipif(os.name != "posix", reason="Windows has no file modes")


def to_pem(
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey,
    encryption: KeySerializationEncryption | None = None,
) -> str:
    encryption = encryption or NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption).decode()


def to_public_pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
    public = key.public_key()
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


@pytest.fixture
def public_folder() -> Iterator[Path]:
    """A folder that every user of the machine may enter."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


class TestParseKey:
    def test_pem_and_base64_are_accepted(self) -> None:
        pem, public_pem = make_pem(), make_public_pem()
        key = parse_private_key(pem)

        assert (key.key_size, key.public_key().public_numbers().e) == (2048, 65537)
        encoded = parse_private_key(b64encode(pem.encode()).decode())
        assert encoded.private_numbers() == key.private_numbers()
        for text in (public_pem, b64encode(public_pem.encode()).decode()):
            assert parse_public_key(text).public_numbers() == key.public_key().public_numbers()

    def test_other_private_key_raises(self) -> None:
        encrypted = to_pem(WEAK_KEY, BestAvailableEncryption(b"x"))
        for text in (to_pem(WEAK_KEY), encrypted, "a canary"):
            with pytest.raises(ValueError, match="must be an RSA") as error:
                parse_private_key(text)
            assert "canary" not in str(error.value)

    def test_other_public_key_raises(self) -> None:
        for text in (to_public_pem(WEAK_KEY), to_public_pem(OTHER_KEY), make_pem()):
            with pytest.raises(ValueError, match="must be an RSA"):
                parse_public_key(text)


@needs_file_modes
class TestReadPrivateKey:
    def test_file_that_others_can_read_raises(self, public_folder: Path) -> None:
        file = public_folder / "key.pem"
        file.write_text(make_pem())
        file.chmod(0o640)
        assert read_private_key(file).key_size == 2048

        file.chmod(0o644)
        with pytest.raises(ValueError, match="readable by other users"):
            read_private_key(file)

        public_folder.chmod(0o700)
        assert read_private_key(file).key_size == 2048

    def test_secret_of_kubernetes_is_accepted(self, public_folder: Path) -> None:
        file = public_folder / "RSA_PRIVATE_KEY_CONTENT"
        file.write_text(make_pem())
        file.chmod(0o644)

        settings = Settings(_env_file=None, _secrets_dir=public_folder)

        assert settings.private_key

    def test_missing_file_raises(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match="cannot be read: No such file"):
            read_private_key(tmp_path / "missing.pem")


class TestCreatePrivateKey:
    def test_concurrent_calls_create_one_complete_key(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        file = tmp_path / "key.pem"
        write = Path.write_bytes

        def write_slowly(path: Path, content: bytes) -> int:
            time.sleep(0.3)
            return write(path, content)

        monkeypatch.setattr(Path, "write_bytes", write_slowly)

        def create(_number: int) -> bool:
            try:
                create_private_key(file)
            except FileExistsError:
                read_private_key(file)
                return False
            return True

        with ThreadPoolExecutor(4) as threads:
            assert sorted(threads.map(create, range(4))) == [False] * 3 + [True]
        if os.name == "posix":
            assert file.stat().st_mode & 0o777 == 0o600
        assert list(tmp_path.iterdir()) == [file]
