"""A private key is opened only when that costs little, whatever its text hides, and only when it is the only one."""

import base64
import contextlib
import re
import subprocess
import time

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given, settings
from hypothesis import strategies as st

from services.fetcher.sftp.failure import LookFailed
from services.fetcher.sftp.key_text import MOST_ITERATIONS, MOST_ROUNDS, Refused, parse
from services.fetcher.sftp.private_key import read_key
from tests.integration.fetcher.keys import Form, der, integer, openssh_of, pbes2, pem, private_key

ENDLESS = 2**31 - 1


def refusal(text: str, passphrase: str | None = "right") -> str:
    """Why the key is not read; that it is told costs nearly nothing."""
    begun = time.thread_time()
    with pytest.raises(LookFailed) as caught:
        read_key(text, passphrase)
    assert caught.value.code == "key_unreadable"
    assert time.thread_time() - begun < 0.5
    return caught.value.detail


@pytest.mark.parametrize("text", [openssh_of(MOST_ROUNDS), pbes2(MOST_ITERATIONS), pbes2(1, salt=bytes(200))])
def test_a_key_that_costs_little_to_open_is_taken(text: str) -> None:
    assert parse(text).encrypted


@pytest.mark.parametrize(
    "text",
    [
        openssh_of(MOST_ROUNDS + 1),
        openssh_of(0),
        pbes2(MOST_ITERATIONS + 1),
        pbes2(ENDLESS),
        *(pbes2(ENDLESS, salt=(b"\x02\x01\x01" * 90)[shift : shift + 178]) for shift in range(3)),
        *(pbes2(ENDLESS, salt=(b"\x02\x01\x01" * 90)[shift : shift + 260]) for shift in range(3)),
    ],
)
def test_a_key_that_costs_much_to_open_is_refused(text: str) -> None:
    assert "too long" in refusal(text)


@pytest.mark.parametrize("odd", [" ", "\t", "*", "é", "="])
def test_what_is_no_base64_does_not_hide_the_cost(odd: str) -> None:
    lines = openssh_of(ENDLESS).splitlines()
    lines[1] = f"{lines[1][:10]}{odd}{lines[1][10:]}"

    assert "damaged" in refusal("\n".join(lines))


@pytest.mark.parametrize(
    "around",
    [
        f"{pem('NOTHING', bytes(1))}{{}}",
        f"{{}}{pem('NOTHING', bytes(1))}",
        f"{private_key('ed25519')}{{}}",
        "my key\n{}",
        "{}\nmy key",
        "# {}",
    ],
)
@pytest.mark.parametrize("key", [pbes2(ENDLESS), openssh_of(ENDLESS), private_key("ed25519")])
def test_a_key_among_other_things_is_refused(around: str, key: str) -> None:
    assert "only thing" in refusal(around.format(key))


def test_an_encryption_whose_cost_is_not_known_is_refused() -> None:
    for options in (["-v1", "PBE-SHA1-3DES", "-iter", "1000"], ["-scrypt"]):
        command = ["openssl", "pkcs8", "-topk8", "-passout", "pass:right", *options]
        plain = private_key("ecdsa-256", "pkcs8")
        made = subprocess.run(command, input=plain, capture_output=True, text=True, check=True).stdout

        assert "encryption is not supported" in refusal(made)


def test_a_key_that_openssl_encrypts_is_read() -> None:
    command = ["openssl", "pkcs8", "-topk8", "-passout", "pass:right", "-v2", "aes-256-cbc"]
    plain = private_key("ecdsa-256", "pkcs8")
    made = subprocess.run(command, input=plain, capture_output=True, text=True, check=True).stdout

    assert read_key(made, "right").get_name() == "ecdsa-sha2-nistp256"


@pytest.mark.parametrize("length", [2, 16, 30, 34])
def test_an_initial_value_of_another_length_is_damage(length: int) -> None:
    text = private_key("rsa-2048", "pem", "right")
    assert re.search(r"DEK-Info: AES-[0-9]+-CBC,[0-9A-F]{32}\n", text)
    assert "damaged" in refusal(re.sub(r"CBC,[0-9A-F]{32}", "CBC," + "A" * length, text))


def test_only_what_was_measured_is_opened() -> None:
    text = private_key("rsa-2048", "pem", "right")
    assert "damaged" in refusal(text.replace("DEK-Info", "X-Other: 1\nDEK-Info"))
    assert "damaged" in refusal(pbes2(1).replace("-----\n", "-----\nProc-Type: 4,ENCRYPTED\n\n", 1))


@pytest.mark.parametrize(
    ("p", "q", "why"),
    [(4423, 2203, "different sizes"), (4423, 4253, "RSA key of 8676 bits"), (9689, 9941, "too large")],
)
def test_an_rsa_key_that_takes_long_to_check_is_refused(p: int, q: int, why: str) -> None:
    # Given two of Mersenne's primes, which pass every quick check
    first, second = 2**p - 1, 2**q - 1
    public, private = 65_537, pow(65_537, -1, (first - 1) * (second - 1))
    rest = (private % (first - 1), private % (second - 1), rsa.rsa_crt_iqmp(first, second))
    numbers = (0, first * second, public, private, first, second, *rest)

    # When
    detail = refusal(pem("RSA PRIVATE KEY", der(0x30, b"".join(map(integer, numbers)))))

    # Then
    assert why in detail


@pytest.mark.parametrize(
    ("kind", "form"), [("ed25519", "openssh"), ("ed25519", "pkcs8"), ("rsa-1024", "pkcs8"), ("rsa-1024", "pem")]
)
@settings(max_examples=50)
@given(data=st.data())
def test_a_key_with_a_slip_is_read_or_refused_in_time(kind: str, form: Form, data: st.DataObject) -> None:
    text = private_key(kind, form, "right")
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(start, min(start + 3, len(text))))
        slip = data.draw(st.text("AQgw/+= \n-:", max_size=3) | st.text(max_size=3))
        text = text[:start] + slip + text[end:]
    begun = time.thread_time()

    with contextlib.suppress(LookFailed):
        read_key(text, "right")

    assert time.thread_time() - begun < 1


@given(body=st.binary(max_size=200), label=st.sampled_from(["ENCRYPTED PRIVATE KEY", "OPENSSH PRIVATE KEY"]))
def test_a_body_of_any_bytes_is_taken_or_refused(body: bytes, label: str) -> None:
    magic = b"openssh-key-v1\0" if label.startswith("OPENSSH") else b""
    try:
        key = parse(pem(label, magic + body))
    except Refused:
        return
    assert base64.b64encode(magic + body)[:60] in key.pem
