#!/usr/bin/python3
"""Opens the sessions of tests/vectors/handshake.json from what kcpshim-wire(7) says and nothing of the C sources.

Usage: decode.py FILE. Exits 0 when every datagram opened to what is recorded, 77 when python3-cryptography is missing.
"""
import hashlib
import hmac
import json
import struct
import sys

try:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
except ImportError as error:
    print(f"skipped: python3-cryptography is not installed ({error})")
    sys.exit(77)

INIT, ACCEPT, RETRY, DATA = 0xC0, 0xC1, 0xC2, 0xC4
AEAD = {1: AESGCM, 2: ChaCha20Poly1305}


def mac(key, data):
    return hmac.new(key, data, hashlib.sha256).digest()


def hkdf(chaining_key, material, outputs):
    """HKDF as in section 4.3 of the Noise specification."""
    temp = mac(chaining_key, material)
    result, last = [], b""
    for i in range(outputs):
        last = mac(temp, last + bytes([i + 1]))
        result.append(last)
    return result


def expand(secret, label, length):
    """HKDF-Expand of RFC 5869; one block is enough here."""
    assert length <= 32
    return mac(secret, label + b"\x01")[:length]


def public(secret):
    return X25519PrivateKey.from_private_bytes(secret).public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def x25519(secret, point):
    return X25519PrivateKey.from_private_bytes(secret).exchange(X25519PublicKey.from_public_bytes(point))


class Noise:
    NAME = b"Noise_NNpsk0_25519_ChaChaPoly_SHA256"

    def __init__(self, prologue):
        self.h = self.ck = hashlib.sha256(self.NAME).digest()
        self.key, self.nonce = None, 0
        self.mix_hash(prologue)

    def mix_hash(self, data):
        self.h = hashlib.sha256(self.h + data).digest()

    def mix_key(self, material):
        self.ck, self.key = hkdf(self.ck, material, 2)
        self.nonce = 0

    def mix_key_and_hash(self, material):
        self.ck, temp, self.key = hkdf(self.ck, material, 3)
        self.mix_hash(temp)
        self.nonce = 0

    def ephemeral(self, key):
        self.mix_hash(key)
        self.mix_key(key)

    def open(self, sealed):
        nonce = bytes(4) + struct.pack("<Q", self.nonce)
        plain = ChaCha20Poly1305(self.key).decrypt(nonce, sealed, self.h)
        self.mix_hash(sealed)
        self.nonce += 1
        return plain

    def split(self):
        return hkdf(self.ck, b"", 2)


def parameters(data):
    found, at = {}, 0
    while at < len(data) and data[at] != 0:
        kind, length = data[at], data[at + 1]
        found[kind] = data[at + 2:at + 2 + length]
        at += 2 + length
    return found


def frames(data):
    """The frames that the recorded datagrams hold."""
    at = 0
    while at < len(data):
        kind = data[at]
        if kind == 0x01:
            number, length = struct.unpack_from("<IH", data, at + 1)
            at += 7 + length
            yield "DATA", number, data[at - length:at]
        elif kind == 0x03:
            yield "ACK", *struct.unpack_from("<IIIHB", data, at + 1)
            at += 16
        elif kind == 0x0E:
            yield "ECN", *struct.unpack_from("<IIII", data, at + 1)
            at += 17
        else:
            raise AssertionError(f"frame {kind}")
    assert at == len(data)


class Direction:
    """Keys of one direction and the highest packet number seen."""

    def __init__(self, secret, suite):
        self.secret, self.suite, self.phase, self.highest = secret, suite, 0, -1
        self.derive()

    def derive(self):
        suite = bytes([self.suite])
        self.key = expand(self.secret, b"kcpshim key " + suite, 32)
        self.iv = expand(self.secret, b"kcpshim iv " + suite, 12)

    def renew(self):
        self.secret = expand(self.secret, b"kcpshim rekey", 32)
        self.phase += 1
        self.derive()

    def packet_number(self, low):
        """The 64-bit value with these low bits that is nearest to the highest one."""
        base = max(self.highest, 0)
        options = [(base & ~0xFFFFFFFF) + low + step for step in (-1 << 32, 0, 1 << 32)]
        return min((n for n in options if n >= 0), key=lambda n: abs(n - base))

    def open(self, datagram):
        low, = struct.unpack_from("<I", datagram, 5)
        number = self.packet_number(low)
        if (datagram[4] - DATA) % 2 != self.phase % 2:
            self.renew()
        nonce = bytes(a ^ b for a, b in zip(self.iv, struct.pack(">IQ", 0, number)))
        plain = AEAD[self.suite](self.key).decrypt(nonce, datagram[9:], datagram[:9])
        self.highest = max(self.highest, number)
        return number, plain


class Session:
    def __init__(self, vector):
        self.v = vector
        self.psk = bytes.fromhex(vector["psk"])
        self.noise = self.accepted = None
        self.cookie = bytes(16)

    def init(self, d, record):
        cid, kind, version, zero = struct.unpack_from("<IBBH", d)
        assert (kind, version, zero) == (INIT, 1, 0) and cid != 0
        key_id = mac(self.psk, b"kcpshim key id")[:16] if any(self.psk) else bytes(16)
        assert d[8:24] == key_id
        assert d[24:40] == self.cookie
        assert d[40:72] == public(bytes.fromhex(self.v["client_secret"]))
        self.noise = Noise(b"kcpshim 1" + d[:24])
        self.noise.mix_key_and_hash(self.psk)
        self.noise.ephemeral(d[40:72])
        found = parameters(self.noise.open(d[72:]))
        assert found[1] == struct.pack("<Q", 1800000000123456789)
        assert found[8] == b"\x01"
        self.client_cid, self.client_key, self.offered = d[:4], d[40:72], found[4]

    def retry(self, d, record):
        assert d[:8] == self.client_cid + bytes([RETRY, 1, 0, 0])
        key = expand(self.noise.ck, b"kcpshim retry", 32)
        self.cookie = ChaCha20Poly1305(key).decrypt(d[8:20], d[20:], self.noise.h)
        assert self.cookie == bytes.fromhex(record["cookie"])

    def accept(self, d, record):
        assert d[:8] == self.client_cid + bytes([ACCEPT, 1, 0, 0])
        server_secret = bytes.fromhex(self.v["server_secret"])
        assert d[12:44] == public(server_secret)
        shared = x25519(bytes.fromhex(self.v["client_secret"]), d[12:44])
        assert shared == x25519(server_secret, self.client_key)
        self.noise.ephemeral(d[12:44])
        self.noise.mix_key(shared)
        found = parameters(self.noise.open(d[44:]))
        assert found[5] == d[8:12] and found[8] == b"\x01"
        assert len(found[6]) == 20 and found[6][0] == 0xA0 and found[6][19] == 0xAF
        suite, = found[4]
        assert suite in self.offered and suite == self.v["suite"]
        to_server, to_client = self.noise.split()
        self.server_cid = d[8:12]
        self.directions = {"client": Direction(to_server, suite), "server": Direction(to_client, suite)}
        self.check_keys("client_to_server", self.directions["client"])
        self.check_keys("server_to_client", self.directions["server"])

    def check_keys(self, name, direction):
        for field in ("secret", "key", "iv"):
            assert getattr(direction, field) == bytes.fromhex(self.v[name][field]), f"{name} {field}"

    def data(self, d, record):
        sender = record["from"]
        direction = self.directions[sender]
        assert d[:4] == (self.server_cid if sender == "client" else self.client_cid)
        number = record["packet_number"]
        plain = bytes.fromhex(record["plain"])
        assert direction.open(d) == (number, plain)
        clock, = struct.unpack_from("<I", plain)
        assert clock == 1000 + number & 0xFFFFFFFF
        told = list(frames(plain[4:]))
        if record["text"] == "marks":
            assert told == [("ACK", 4, 1024, 1000, 5, 0), ("ECN", 3, 40, 0, 2)], told
        else:
            assert told == [("DATA", number & 0xFFFFFFFF, record["text"].encode())], told
        assert direction.phase == record["phase"]
        if direction.phase == 1:
            self.check_keys("client_to_server_phase_1", direction)
        changed = d[:-1] + bytes([d[-1] ^ 1])
        try:
            direction.open(changed)
        except InvalidTag:
            return
        raise AssertionError("a changed datagram opened")


def check_reset(vector):
    """A server's connection id, reset id and token from its keys and its address."""
    secret = bytes.fromhex(vector["secret"])
    if vector["key_file"]:
        made = bytes(32)
        for line in vector["key_file"]:
            part = mac(bytes.fromhex(line.split()[1]), b"kcpshim reset secret")
            made = bytes(a ^ b for a, b in zip(made, part))
        assert made == secret
    asked, answer = bytes.fromhex(vector["datagram"]), bytes.fromhex(vector["reset"])
    cid, = struct.unpack_from("<I", asked)
    low = cid & 0xFFFFF
    assert low == vector["random"] & 0xFFFFF
    tag = mac(secret, b"kcpshim id" + struct.pack("<I", low)[:3])
    assert cid >> 20 == tag[0] | (tag[1] & 15) << 8
    address = bytes.fromhex(vector["local_ip"])
    family = 4 if len(address) == 4 else 6
    token = mac(secret, b"kcpshim reset" + bytes([family]) + address.ljust(16, b"\0")
                + struct.pack("<H", vector["local_port"]) + asked[:4])
    assert answer[:4] == token[:4] and answer[-16:] == token[4:20]
    assert answer[4:9] == asked[4:9] and 29 <= len(answer) < len(asked)


def main():
    if len(sys.argv) != 2:
        print("usage: decode.py FILE", file=sys.stderr)
        return 2
    with open(sys.argv[1], encoding="ascii") as file:
        vectors = json.load(file)
    sessions = vectors["sessions"]
    opened = 0
    for vector in sessions:
        session = Session(vector)
        for record in vector["datagrams"]:
            getattr(session, record["kind"].lower())(bytes.fromhex(record["hex"]), record)
            opened += 1
        print(f"{vector['name']}: {len(vector['datagrams'])} datagrams")
    assert opened > 20
    for vector in vectors["resets"]:
        check_reset(vector)
    print(f"{len(vectors['resets'])} resets")
    return 0


if __name__ == "__main__":
    sys.exit(main())
