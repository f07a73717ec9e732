import os
from base64 import b64encode
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

from app.auth.rsa_keys import (
    create_private_key,
    parse_private_key,
    parse_public_key,
    read_private_key,
)
from tests.users import make_pem, make_public_pem

WEAK_KEY = rsa.generate_private_key(65537, 1024)  # noqa: S505
OTHER_KEY = ec.generate_private_key(ec.SECP256R1())


def to_pem(
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey,
    encryption: KeySerializationEncryption | None = None,
) -> str:
    encryption = encryption or NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption).decode()


def to_public_pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
    public = key.public_key()
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def test_a_pem_fits_in_a_line_as_base64() -> None:
    pem, public_pem = make_pem(), make_public_pem()
    key = parse_private_key(pem)
    assert (key.key_size, key.public_key().public_numbers().e) == (2048, 65537)
    for text in (pem, b64encode(pem.encode()).decode()):
        assert parse_private_key(text).private_numbers() == key.private_numbers()
    for text in (public_pem, b64encode(public_pem.encode()).decode()):
        assert parse_public_key(text).public_numbers() == key.public_key().public_numbers()


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(to_pem(WEAK_KEY), id="1024-bits"),
        pytest.param(to_pem(OTHER_KEY), id="elliptic-curve"),
        pytest.param(to_pem(WEAK_KEY, BestAvailableEncryption(b"x")), id="encrypted"),
        pytest.param(make_public_pem(), id="public"),
        pytest.param(make_pem()[:-100], id="cut"),
        pytest.param("a canary", id="no-base64"),
        pytest.param("é", id="no-ascii"),
        pytest.param("", id="empty"),
    ],
)
def test_no_other_private_key_is_taken(text: str) -> None:
    with pytest.raises(ValueError, match="must be an RSA") as refusal:
        parse_private_key(text)
    assert "canary" not in str(refusal.value)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(to_public_pem(WEAK_KEY), id="1024-bits"),
        pytest.param(to_public_pem(OTHER_KEY), id="elliptic-curve"),
        pytest.param(make_pem(), id="private"),
    ],
)
def test_no_other_public_key_is_taken(text: str) -> None:
    with pytest.raises(ValueError, match="must be an RSA"):
        parse_public_key(text)


@pytest.mark.skipif(os.name != "posix", reason="modes of files are of POSIX")
class TestFile:
    @pytest.mark.parametrize("mode", [0o400, 0o600, 0o640])
    def test_an_owner_and_a_group_may_read_it(self, tmp_path: Path, mode: int) -> None:
        file = tmp_path / "key.pem"
        file.write_text(make_pem())
        file.chmod(mode)
        assert read_private_key(file).key_size == 2048

    @pytest.mark.parametrize("mode", [0o644, 0o604, 0o620, 0o601])
    def test_others_may_not(self, tmp_path: Path, mode: int) -> None:
        file = tmp_path / "key.pem"
        file.write_text(make_pem())
        file.chmod(mode)
        with pytest.raises(ValueError, match="open to others"):
            read_private_key(file)

    def test_one_that_cannot_be_read(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match="cannot be read: No such file"):
            read_private_key(tmp_path / "nowhere")

    def test_many_make_one_key_at_once(self, tmp_path: Path) -> None:
        file = tmp_path / "key.pem"

        def create(_number: int) -> bool:
            try:
                create_private_key(file)
            except FileExistsError:
                read_private_key(file)  # whole already
                return False
            return True

        with ThreadPoolExecutor(8) as threads:
            assert sorted(threads.map(create, range(8))) == [False] * 7 + [True]
        assert file.stat().st_mode & 0o777 == 0o600
        assert list(tmp_path.iterdir()) == [file]

    def test_a_file_is_never_overwritten(self, tmp_path: Path) -> None:
        file = tmp_path / "key.pem"
        file.write_text("precious")
        with pytest.raises(FileExistsError):
            create_private_key(file)
        assert (file.read_text(), list(tmp_path.iterdir())) == ("precious", [file])
