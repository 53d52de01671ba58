"""
Real RSA keys and certificates that are the same on every run.

Keys come from a pool: the n-th key of any tenant is always the same one, found once for a process from
a fixed seed. They protect nothing and are worth nothing outside a drill. Signatures are PKCS #1 v1.5,
which is deterministic, so certificates and thumbprints repeat too.
"""

import base64
import hashlib
import random
from datetime import datetime
from functools import lru_cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

_EXPONENT = 65537
_HALF = 1024  # bits of each prime of a 2048-bit key
# How far the two primes of key n lie from their seeded starts. Beyond this list they are searched for (about 0.3 s).
_OFFSETS: tuple[tuple[int, int], ...] = (
    (1424, 1392),
    (624, 456),
    (168, 136),
    (2314, 1974),
    (724, 742),
    (74, 932),
    (412, 374),
    (476, 310),
    (858, 782),
    (700, 276),
    (182, 2488),
    (142, 1006),
    (1914, 264),
    (738, 960),
    (1084, 660),
    (1236, 1308),
    (1180, 370),
    (1704, 330),
    (572, 376),
    (128, 856),
    (474, 630),
    (234, 534),
    (356, 38),
    (834, 58),
)


@lru_cache(maxsize=256)
def pooled_key(number: int) -> rsa.RSAPrivateKey:
    """The n-th key of the pool, 2048 bits."""
    p, q = (_prime(number, which) for which in (0, 1))
    d = pow(_EXPONENT, -1, (p - 1) * (q - 1))
    numbers = rsa.RSAPrivateNumbers(
        p, q, d, d % (p - 1), d % (q - 1), pow(q, -1, p), rsa.RSAPublicNumbers(_EXPONENT, p * q)
    )
    return numbers.private_key(unsafe_skip_rsa_key_validation=True)


def self_signed(
    key: rsa.RSAPrivateKey, subject: str, starts: datetime, ends: datetime, serial: int
) -> x509.Certificate:
    """A self-signed certificate for `CN=…`; `serial` makes two of the same key different."""
    common_name = subject.removeprefix("CN=") or "practice"
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name[:64])])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(serial)
        .not_valid_before(starts)
        .not_valid_after(ends)
    )
    return builder.sign(key, hashes.SHA256())


def der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.DER)


def thumbprint(certificate_der: bytes) -> str:
    """Hex SHA-1, upper case, as Graph shows customKeyIdentifier in practice (facts: graph 5)."""
    return hashlib.sha1(certificate_der, usedforsecurity=False).hexdigest().upper()


def read_certificate(text: str) -> x509.Certificate | None:
    """A certificate from base64 DER, or None if it is not one."""
    try:
        return x509.load_der_x509_certificate(base64.b64decode(text, validate=True))
    except ValueError:
        return None


def private_bytes(key: rsa.RSAPrivateKey) -> bytes:
    """The secret half of a key, for leak scans: its first prime."""
    return key.private_numbers().p.to_bytes(_HALF // 8, "big")


def _prime(number: int, which: int) -> int:
    start = random.Random(f"practice key {number}.{which}").getrandbits(_HALF) | (3 << (_HALF - 2)) | 1
    if number < len(_OFFSETS):
        return start + _OFFSETS[number][which]
    return start + find_offset(start)


def find_offset(start: int) -> int:
    """The distance from an odd start to the next prime (strong probable prime to 3 bases) that suits e."""
    sieve = [prime for prime in range(3, 8000, 2) if all(prime % each for each in range(3, int(prime**0.5) + 1, 2))]
    remainders = [start % prime for prime in sieve]
    offset = 0
    while True:
        if all((remainder + offset) % prime for remainder, prime in zip(remainders, sieve, strict=True)):
            candidate = start + offset
            if candidate % _EXPONENT != 1 and all(_is_strong_probable_prime(candidate, base) for base in (2, 3, 5)):
                return offset
        offset += 2


def _is_strong_probable_prime(n: int, base: int) -> bool:
    odd, twos = n - 1, 0
    while odd % 2 == 0:
        odd, twos = odd // 2, twos + 1
    x = pow(base, odd, n)
    if x in (1, n - 1):
        return True
    for _ in range(twos - 1):
        x = x * x % n
        if x == n - 1:
            return True
    return False
