"""Files that must be there: certificates, keys, authorities, included files, and Python names."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from tests.config.sites import SMALL, loaded
from twistedproxy.config.effective import effective
from twistedproxy.config.load import load
from twistedproxy.config.problems import ConfigError
from twistedproxy.settings.tls import CertificateFiles

TLS = SMALL + "[listen https]\non = tcp:8443\ntls = t\n[tls t]\ncertificates =\n    {}\n"


def write_pair(chain: Path, key: Path, *, days: int = 90, password: bytes | None = None) -> None:
    """A certificate that ends in *days*, and its key; both may go to one file."""
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "example.com")])
    now = datetime.datetime.now(datetime.UTC)
    end = now + datetime.timedelta(days=days)
    certificate = (x509.CertificateBuilder(name, name, private.public_key(), 1, now - datetime.timedelta(days=365), end)).sign(
        private, SHA256()
    )
    encryption = BestAvailableEncryption(password) if password else NoEncryption()
    written = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)
    chain.write_bytes(certificate.public_bytes(Encoding.PEM))
    key.write_bytes(key.read_bytes() + written if key == chain else written)
    key.chmod(0o600)


def errors_of(path: Path) -> list[str]:
    """The errors of a site in a file, without the directory."""
    try:
        load(str(path), {})
    except ConfigError as error:
        return [str(each).replace(f"{path.parent}/", "") for each in error.errors]
    return []


def site(directory: Path, text: str) -> Path:
    """A site file in *directory*."""
    path = directory / "site.ini"
    path.write_text(text)
    return path


def test_a_pair_may_be_two_files_one_file_or_a_directory(tmp_path: Path) -> None:
    write_pair(tmp_path / "a.pem", tmp_path / "a.key")
    write_pair(tmp_path / "b.pem", tmp_path / "b.pem")
    (tmp_path / "live").mkdir()
    write_pair(tmp_path / "live/fullchain.pem", tmp_path / "live/privkey.pem")
    found = load(str(site(tmp_path, TLS.format("a.pem a.key\n    b.pem\n    live"))), {})
    assert found.settings.tls["t"].certificates == (
        CertificateFiles(f"{tmp_path}/a.pem", f"{tmp_path}/a.key"),
        CertificateFiles(f"{tmp_path}/b.pem", f"{tmp_path}/b.pem"),
        CertificateFiles(f"{tmp_path}/live/fullchain.pem", f"{tmp_path}/live/privkey.pem"),
    )
    assert found.warnings == ()


def test_each_way_in_which_a_pair_is_wrong_is_told_in_its_line(tmp_path: Path) -> None:
    write_pair(tmp_path / "a.pem", tmp_path / "a.key")
    write_pair(tmp_path / "b.pem", tmp_path / "b.key")
    write_pair(tmp_path / "c.pem", tmp_path / "c.key", password=b"secret")
    pairs = ("a.pem b.key", "a.pem", "a.key b.key", "c.pem c.key", "none.pem", "a b c")
    assert errors_of(site(tmp_path, TLS.format("\n    ".join(pairs)))) == [
        "site.ini:13 [tls t] certificates: the key in b.key does not belong to the first certificate in a.pem; "
        "the server's own certificate comes first, then its issuers",
        "site.ini:14 [tls t] certificates: a.pem holds no private key that can be read; name the key's file after the chain's",
        "site.ini:15 [tls t] certificates: a.key holds no certificate that can be read; "
        "it must be PEM (-----BEGIN CERTIFICATE-----)",
        "site.ini:16 [tls t] certificates: the key in c.key is encrypted; "
        "store it without a passphrase, readable by the proxy only",
        "site.ini:17 [tls t] certificates: none.pem cannot be read: No such file or directory; "
        "check the path and its permissions",
        "site.ini:18 [tls t] certificates: 'a b c' are more than two files; write CHAIN.pem KEY.pem, one pair a line",
    ]


@pytest.mark.parametrize(("days", "said"), [(-1, "expired on"), (5, "expires on")])
def test_the_end_of_a_certificate_is_told(tmp_path: Path, days: int, said: str) -> None:
    write_pair(tmp_path / "a.pem", tmp_path / "a.key", days=days)
    (warning,) = load(str(site(tmp_path, TLS.format("a.pem a.key"))), {}).warnings
    assert said in warning.reason
    assert warning.line == 13


def test_the_certificate_that_peers_see_is_looked_at_likewise(tmp_path: Path) -> None:
    write_pair(tmp_path / "a.pem", tmp_path / "a.key", days=-1)
    text = SMALL + "[route /p]\npool = b\n[pool b]\nservers = https://a\nclient_certificate = a.pem a.key\n"
    (warning,) = load(str(site(tmp_path, text)), {}).warnings
    assert (warning.key, warning.line) == ("client_certificate", 12)
    assert "expired on" in warning.reason
    (tmp_path / "a.key").unlink()
    assert errors_of(site(tmp_path, text)) == [
        "site.ini:12 [pool b] client_certificate: a.key cannot be read: No such file or directory; "
        "check the path and its permissions"
    ]


def test_the_effective_configuration_names_it_as_well(tmp_path: Path) -> None:
    for name in ("one.pem", "a.key"):
        write_pair(tmp_path / "one.pem", tmp_path / name)
        text = SMALL + f"[route /p]\npool = b\n[pool b]\nservers = https://a\nclient_certificate = one.pem {name}\n"
        settings = load(str(site(tmp_path, text)), {}).settings
        assert load(str(site(tmp_path, effective(settings))), {}).settings == settings


def test_a_key_that_everyone_can_read_is_told(tmp_path: Path) -> None:
    write_pair(tmp_path / "a.pem", tmp_path / "a.key")
    (tmp_path / "a.key").chmod(0o644)
    (warning,) = load(str(site(tmp_path, TLS.format("a.pem a.key"))), {}).warnings
    assert "every user of this machine can read the key" in warning.reason


def test_authorities_and_authorized_keys_must_be_readable(tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("")
    text = SMALL + "[pool b]\nservers = https://a\nca = empty.pem\n[shell]\non = tcp:127.0.0.1:6022\nauthorized_keys = keys\n"
    assert errors_of(site(tmp_path, text)) == [
        "site.ini:10 [pool b] ca: empty.pem holds no certificate that can be read; it must be PEM (-----BEGIN CERTIFICATE-----)",
        "site.ini:13 [shell] authorized_keys: there is no file keys; put a public key there (ssh-keygen makes one)",
    ]


def test_keys_in_the_state_directory_may_be_made_at_the_first_start(tmp_path: Path) -> None:
    text = "[site]\nstate_dir = state\n" + SMALL + "[shell]\non = tcp:127.0.0.1:6022\nauthorized_keys = state/keys\n"
    assert load(str(site(tmp_path, text)), {}).warnings == ()


def test_a_shell_that_nobody_can_enter_is_told(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("# nobody yet\n\n")
    (warning,) = load(str(site(tmp_path, SMALL + "[shell]\non = tcp:127.0.0.1:6022\nauthorized_keys = keys\n")), {}).warnings
    assert "has no key: nobody can log in" in warning.reason


def test_paths_start_in_the_directory_of_the_file_that_says_them(tmp_path: Path) -> None:
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d/log.ini").write_text("[log a]\nfile = a.log\n[log b]\nfile = -\n")
    (tmp_path / "conf.d/cache.ini").write_text("[cache c]\ndirectory = ../store\n[route /c]\npool = app\ncache = c\n")
    found = load(str(site(tmp_path, "[site]\ninclude = conf.d/*.ini\n" + SMALL)), {})
    assert found.files == tuple(f"{tmp_path}/{name}" for name in ("site.ini", "conf.d/cache.ini", "conf.d/log.ini"))
    assert [log.file for log in found.settings.logs] == [f"{tmp_path}/conf.d/a.log", "-"]
    assert found.settings.caches["c"].directory == f"{tmp_path}/store"
    assert found.settings.site.state_dir == f"{tmp_path}/var"


def test_errors_of_included_files_name_that_file(tmp_path: Path) -> None:
    (tmp_path / "a.ini").write_text("[pool app]\nservers = a:1\n")
    (tmp_path / "b.ini").write_bytes(b"[pool b]\nservers = a:\xff\n")
    assert errors_of(site(tmp_path, SMALL + "[site]\ninclude =\n  *.ini\n  gone.ini\n  none/*.ini\n")) == [
        "site.ini:11 [site] include: there is no file gone.ini; correct the path",
        "a.ini:1 [pool app]: stands twice; first at site.ini:3; put both into one section",
        "b.ini:2: byte 0xff is not UTF-8; save the file as UTF-8",
    ]


def test_a_site_file_that_is_not_there_is_one_error(tmp_path: Path) -> None:
    assert errors_of(tmp_path / "none.ini") == [
        "none.ini: cannot be read: No such file or directory; check the path and its permissions"
    ]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("os.path", "write package.module:callable"),
        ("no_such_module_here:f", "no_such_module_here cannot be imported: ModuleNotFoundError"),
        ("os:no_such_name", "os has no no_such_name; correct the name"),
        ("os:sep", "os:sep cannot be called; name a function or a class"),
    ],
)
def test_an_app_must_be_something_that_can_be_called(tmp_path: Path, name: str, said: str) -> None:
    (line,) = errors_of(site(tmp_path, SMALL + f"[app a]\nrun = {name}\n"))
    assert line.startswith("site.ini:9 [app a] run: ")
    assert said in line


def test_an_app_that_can_be_called_is_taken() -> None:
    assert loaded(SMALL + "[app a]\nrun = twisted.application.service:MultiService\n").settings.apps[0].name == "a"
