#!/usr/bin/env python3
"""Verifies coverledger receipts (format coverledger/receipt/1). Written from docs/receipts.md alone, with the standard library only.

    verify_receipt.py FILE... --key NAME+IDENTIFIER+BASE64 [--key ...]   prints one line for each file
    verify_receipt.py --lines --key ...                                  reads receipts in base64 from standard input, one a
                                                                         line; prints "ok VERDICT" or "refused WHERE: WHY"

Exit code: 0 all are valid (with --lines always), 1 at least one was refused, 2 wrong usage (keys).
"""
import base64
import hashlib
import hmac
import json
import re
import sys

MAX_FILE = 1 << 20
MAX_NOTE = 16384
MAX_SIGNATURES = 32
MAX_SIZE = 1 << 48
MAX_NUMBER = (1 << 64) - 1


class Refused(Exception):
    def __init__(self, where, why):
        super().__init__(where, why)
        self.where, self.why = where, why


class BadKey(Exception):
    pass


def same(a, b):
    return hmac.compare_digest(a, b)


# ---------------------------------------------------------------- edwards25519 (RFC 8032, section 5.1)

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
SQRT_M1 = pow(2, (P - 1) // 4, P)
IDENTITY = (0, 1, 1, 0)


def point_add(p, q):
    a = (p[1] - p[0]) * (q[1] - q[0]) % P
    b = (p[1] + p[0]) * (q[1] + q[0]) % P
    c = 2 * p[3] * q[3] * D % P
    d = 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def point_double(p):
    x, y, z, _ = p
    a = x * x % P
    b = y * y % P
    c = 2 * z * z % P
    h = a + b
    e = h - (x + y) * (x + y) % P
    g = a - b
    f = c + g
    return e * f % P, g * h % P, f * g % P, e * h % P


def point_negate(p):
    return -p[0] % P, p[1], p[2], -p[3] % P


def point_mul(s, p):
    result = IDENTITY
    for bit in bin(s)[2:]:
        result = point_double(result)
        if bit == "1":
            result = point_add(result, p)
    return result


def point_mul2(s, p, t, q):
    """sP + tQ"""
    both = point_add(p, q)
    result = IDENTITY
    for i in range(max(s.bit_length(), t.bit_length()) - 1, -1, -1):
        result = point_double(result)
        which = (s >> i & 1) | (t >> i & 1) << 1
        if which:
            result = point_add(result, (None, p, q, both)[which])
    return result


def is_identity(p):
    return p[0] % P == 0 and (p[1] - p[2]) % P == 0


def point_encode(p):
    inverse = pow(p[2], P - 2, P)
    x, y = p[0] * inverse % P, p[1] * inverse % P
    return (y | (x & 1) << 255).to_bytes(32, "little")


def point_decode(data):
    """RFC 8032, 5.1.3. None if the bytes are not the one encoding of a point."""
    if len(data) != 32:
        return None
    y = int.from_bytes(data, "little")
    sign = y >> 255
    y &= (1 << 255) - 1
    if y >= P:
        return None
    u = (y * y - 1) % P
    v = (D * y * y + 1) % P
    x = u * pow(v, 3, P) * pow(u * pow(v, 7, P), (P - 5) // 8, P) % P
    vxx = v * x * x % P
    if vxx != u:
        if vxx != -u % P:
            return None
        x = x * SQRT_M1 % P
    if x == 0 and sign:
        return None
    if x & 1 != sign:
        x = P - x
    return x, y, 1, x * y % P


BASE = point_decode((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))


def ed25519_verify(key, message, signature):
    """S below the order, and R exactly the encoding of SB - kA (no cofactor)."""
    a = point_decode(key)
    if a is None or len(signature) != 64:
        return False
    r, s = signature[:32], int.from_bytes(signature[32:], "little")
    if s >= L:
        return False
    k = int.from_bytes(hashlib.sha512(r + key + message).digest(), "little") % L
    return same(point_encode(point_mul2(s, BASE, k, point_negate(a))), r)


# ---------------------------------------------------------------- ECVRF-EDWARDS25519-SHA512-TAI (RFC 9381)

SUITE = b"\x03"


def vrf_hash_to_curve(key, alpha):
    """ECVRF_encode_to_curve_try_and_increment (5.4.1.1), the salt is the public key."""
    for counter in range(256):
        digest = hashlib.sha512(SUITE + b"\x01" + key + alpha + bytes([counter]) + b"\x00").digest()
        h = point_decode(digest[:32])
        if h is not None:
            h = point_mul(8, h)
            if not is_identity(h):
                return h
    return None


def vrf_challenge(points):
    data = SUITE + b"\x02" + b"".join(points) + b"\x00"
    return hashlib.sha512(data).digest()[:16]


def vrf_output(gamma):
    return hashlib.sha512(SUITE + b"\x03" + point_encode(point_mul(8, gamma)) + b"\x00").digest()


def vrf_verify(key, alpha, proof):
    """The output of 64 bytes. Raises ValueError with what is wrong (5.3, with validate_key)."""
    y = point_decode(key)
    if y is None:
        raise ValueError("the key of the line vrf is not the encoding of a point")
    if is_identity(point_mul(8, y)):
        raise ValueError("the key of the line vrf is of small order")
    if len(proof) != 80:
        raise ValueError("not 80 bytes")
    gamma = point_decode(proof[:32])
    if gamma is None:
        raise ValueError("gamma is not the encoding of a point")
    c = int.from_bytes(proof[32:48], "little")
    s = int.from_bytes(proof[48:], "little")
    if s >= L:
        raise ValueError("s is not below the order of the group")
    h = vrf_hash_to_curve(key, alpha)
    if h is None:
        raise ValueError("the input has no point")
    u = point_mul2(s, BASE, c, point_negate(y))
    v = point_mul2(s, h, c, point_negate(gamma))
    points = [key, point_encode(h), proof[:32], point_encode(u), point_encode(v)]
    if not same(vrf_challenge(points), proof[32:48]):
        raise ValueError("the proof is wrong for this rider, month and key")
    return vrf_output(gamma)


# ---------------------------------------------------------------- notation

def sha256(data):
    return hashlib.sha256(data).digest()


def utf8(text):
    return text.encode("utf-8")


def field(value):
    if type(value) is bytes:
        return value
    return utf8(str(value) if type(value) is int else value)


def frames(*values):
    out = []
    for value in values:
        data = field(value)
        out.append(len(data).to_bytes(4, "big"))
        out.append(data)
    return b"".join(out)


BASE64_TEXT = re.compile(r"[A-Za-z0-9+/]*={0,2}")


def base64_decode(text):
    """None unless it is the one text of some bytes."""
    if len(text) % 4 or not BASE64_TEXT.fullmatch(text):
        return None
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError:
        return None
    return data if base64.b64encode(data).decode() == text else None


def base64_of(where, text, size):
    data = base64_decode(text)
    if data is None:
        raise Refused(where, "not canonical base64")
    if len(data) != size:
        raise Refused(where, f"{len(data)} bytes instead of {size}")
    return data


def path_of(where, texts):
    return [base64_of(f"{where}[{i}]", text, 32) for i, text in enumerate(texts)]


DAY = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")
TIME = re.compile(r"([0-9]{2}):([0-9]{2}):([0-9]{2})\.[0-9]{3}Z")
DECIMAL = re.compile(r"0|[1-9][0-9]{0,19}")


def is_day(text):
    match = DAY.fullmatch(text)
    if not match:
        return False
    year, month, day = map(int, match.groups())  # year 0000 exists, as in ISO 8601:
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    days = (31, 29 if leap else 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
    return 1 <= month <= 12 and 1 <= day <= days[month - 1]


def is_instant(text):
    if len(text) != 24 or text[10] != "T" or not is_day(text[:10]):
        return False
    match = TIME.fullmatch(text[11:])
    return bool(match) and int(match[1]) < 24 and int(match[2]) < 60 and int(match[3]) < 60


def check_stretch(where, since, until):
    for name, text in (("from", since), ("until", until)):
        if not is_instant(text):
            raise Refused(where, f"{name} is not an instant")
    if not since < until:
        raise Refused(where, "from is not before until")


def decimal(text, most):
    if not DECIMAL.fullmatch(text):
        return None
    value = int(text)
    return value if value <= most else None


def leaf_hash(content):
    return sha256(b"\x00" + content)


def check_inclusion(where, digest, index, size, path, root):
    """RFC 9162, section 2.1.3.2"""
    if index >= size:
        raise Refused(where, f"the index {index} is not below the size {size}")
    fn, sn, r = index, size - 1, digest
    for p in path:
        if sn == 0:
            raise Refused(where, "the inclusion proof is too long")
        if fn & 1 or fn == sn:
            r = sha256(b"\x01" + p + r)
            while not fn & 1 and fn != 0:
                fn >>= 1
                sn >>= 1
        else:
            r = sha256(b"\x01" + r + p)
        fn >>= 1
        sn >>= 1
    if sn != 0:
        raise Refused(where, "the inclusion proof is too short")
    if not same(r, root):
        raise Refused(where, "the inclusion proof leads to another root")


# ---------------------------------------------------------------- the form of the file

class Optional:
    def __init__(self, form):
        self.form = form


class OrNull:
    def __init__(self, form):
        self.form = form


STRETCH = {"from": str, "until": str}
DIGEST = {"count": int, "digest": str}
NEIGHBOUR = {"index": int, "tag": str, "commitment": str, "path": [str]}
ORDER = {name: str for name in (
    "accepted_at", "platform", "order_id", "leg", "phase", "revision", "category", "region", "ended_at", "outcome", "fare",
    "starts_at", "ends_at")}
ORDER["leg"] = ORDER["revision"] = int
REFUSED = {name: str for name in (
    "reason", "platform", "order_id", "record_sha256", "record_bytes", "origin", "resolved_by")}
REFUSED["record_bytes"] = int
RECEIPT = {
    "format": str,
    "question": {"rider_id": str, "from": str, "until": str},
    "answer": {"verdict": str, "parts": [{"from": str, "until": str, "verdict": str}]},
    "entry": str,
    "rider_proof": str,
    "leaf": Optional({"index": int, "nonce": str, "cover": [STRETCH], "undetermined": [STRETCH], "orders": DIGEST,
                      "refused": DIGEST, "path": [str]}),
    "neighbours": Optional({"before": OrNull(NEIGHBOUR), "after": OrNull(NEIGHBOUR)}),
    "rider_day": Optional({"orders_nonce": str, "orders": [ORDER], "refused_nonce": str, "refused": [REFUSED]}),
    "log": {"index": int, "path": [str]},
    "checkpoint": str,
    "digest": str,
}
SHORT = {8: "\\b", 9: "\\t", 10: "\\n", 12: "\\f", 13: "\\r", 34: '\\"', 92: "\\\\"}
ESCAPES = {c: SHORT.get(c, f"\\u{c:04x}") for c in (*range(32), 34, 92)}


def form_error(where, why):
    return Refused("form", f"{where}: {why}" if where else why)


def check_form(where, value, form):
    if form is str:
        if type(value) is not str:
            raise form_error(where, "not a text")
    elif form is int:
        if type(value) is not int:
            raise form_error(where, "not a number")
        if not 0 <= value <= MAX_NUMBER:
            raise form_error(where, "number out of range")
    elif type(form) is OrNull:
        if value is not None:
            check_form(where, value, form.form)
    elif type(form) is list:
        if type(value) is not list:
            raise form_error(where, "not an array")
        for i, element in enumerate(value):
            check_form(f"{where}[{i}]", element, form[0])
    else:
        if type(value) is not dict:
            raise form_error(where, "not an object")
        for name in value:
            if name not in form:
                raise form_error(where, f"unknown member {name!a}")
        for name, inner in form.items():
            if name not in value:
                if type(inner) is Optional:
                    continue
                raise form_error(where, f"no member {name}")
            check_form(f"{where}.{name}" if where else name, value[name], inner.form if type(inner) is Optional else inner)
        if list(value) != [name for name in form if name in value]:
            raise form_error(where, "members in another order")


def write(value):
    if value is None:
        return "null"
    if type(value) is str:
        return '"' + value.translate(ESCAPES) + '"'
    if type(value) is int:
        return str(value)
    if type(value) is list:
        return "[" + ",".join(map(write, value)) + "]"
    return "{" + ",".join(write(name) + ":" + write(inner) for name, inner in value.items()) + "}"


def read(data):
    """The receipt of a file, after check 1."""
    if len(data) > MAX_FILE:
        raise form_error("", "more than 1 MiB")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise form_error("", "not UTF-8") from None

    def pairs(members):
        value = {}
        for name, inner in members:
            if name in value:
                raise form_error("", f"member {name!a} twice")
            value[name] = inner
        return value

    def no_number(text):
        raise form_error("", f"{text[:40]!a} is not an integer")

    try:
        receipt = json.loads(text, object_pairs_hook=pairs, parse_float=no_number, parse_constant=no_number)
    except (ValueError, RecursionError):
        raise form_error("", "not JSON") from None
    if type(receipt) is dict and type(receipt.get("format")) is str and receipt["format"] != "coverledger/receipt/1":
        raise Refused("format", f"{receipt['format'][:60]!a} is not coverledger/receipt/1")
    check_form("", receipt, RECEIPT)
    try:
        again = utf8(write(receipt))
    except UnicodeEncodeError:
        raise form_error("", "a text has half of a surrogate pair") from None
    if again != data:
        at = next((i for i, (a, b) in enumerate(zip(again, data)) if a != b), min(len(again), len(data)))
        raise form_error("", f"not the one form of this receipt, from byte {at} on")
    return receipt


# ---------------------------------------------------------------- keys and the checkpoint

SPACES = frozenset("\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000") | {chr(c) for c in range(0x2000, 0x200B)}


def is_name(name):
    return 1 <= len(utf8(name)) <= 128 and "+" not in name and not any(c in SPACES or c < " " for c in name)


class Key:
    def __init__(self, text):
        parts = text.split("+", 2)
        if len(parts) != 3:
            raise BadKey("not NAME+IDENTIFIER+BASE64")
        name, identifier, key = parts
        try:
            if not is_name(name):
                raise BadKey("wrong name")
        except UnicodeEncodeError:
            raise BadKey("wrong name") from None
        if not re.fullmatch(r"[0-9A-Fa-f]{8}", identifier):
            raise BadKey("the identifier has not eight hexadecimal digits")
        data = base64_decode(key)
        if data is None:
            raise BadKey("not canonical base64")
        if len(data) != 33 or data[0] not in (1, 4):
            raise BadKey("not a key of algorithm 0x01 or 0x04 with 32 bytes")
        self.name, self.identifier, self.algorithm, self.key = name, bytes.fromhex(identifier), data[0], data[1:]
        if sha256(utf8(name) + b"\n" + data)[:4] != self.identifier:
            raise BadKey("the identifier is not that of the name and the key")
        if point_decode(self.key) is None:
            raise BadKey("the key is not the encoding of a point")

    def verify(self, text, signature):
        if self.algorithm == 1:
            return ed25519_verify(self.key, text, signature)
        if len(signature) != 72:
            return False
        seconds = int.from_bytes(signature[:8], "big")
        return ed25519_verify(self.key, b"cosignature/v1\ntime %d\n" % seconds + text, signature[8:])


def read_keys(texts):
    keys = {}
    for text in texts:
        try:
            key = Key(text)
        except BadKey as error:
            raise BadKey(f"{text!a}: {error}") from None
        other = keys.setdefault((key.name, key.identifier), key)
        if (other.algorithm, other.key) != (key.algorithm, key.key):
            raise BadKey(f"{text!a}: another key has the same name and identifier")
    return keys


def check_checkpoint(note, keys):
    """Size and root of the log."""
    where = "checkpoint"
    if len(utf8(note)) > MAX_NOTE:
        raise Refused(where, "more than 16384 bytes")
    if any(c < " " and c != "\n" for c in note):
        raise Refused(where, "a control character")
    if not note.endswith("\n"):
        raise Refused(where, "the last line does not end")
    lines = note[:-1].split("\n")
    if len(lines) < 5 or lines[3] != "" or "" in lines[:3]:
        raise Refused(where, "not three lines, an empty line and signatures")
    if len(lines) - 4 > MAX_SIGNATURES:
        raise Refused(where, "more than 32 signatures")
    origin = lines[0]
    if not is_name(origin):
        raise Refused(where, "the origin is not a name")
    size = decimal(lines[1], MAX_SIZE)
    if size is None:
        raise Refused(where, "the size is not a number up to 2^48")
    root = base64_of(where, lines[2], 32)
    text = utf8("".join(line + "\n" for line in lines[:3]))
    signatures = []
    for number, line in enumerate(lines[4:], 1):
        words = line.split(" ")
        if len(words) != 3 or words[0] != "\u2014" or not is_name(words[1]):
            raise Refused(where, f"signature {number}: not a signature line")
        data = base64_decode(words[2])
        if data is None or len(data) < 5:
            raise Refused(where, f"signature {number}: not base64 of an identifier and a signature")
        signatures.append((number, words[1], data[:4], data[4:]))
    signed = False
    for number, name, identifier, signature in signatures:
        key = keys.get((name, identifier))
        if key is None:
            continue
        if not key.verify(text, signature):
            raise Refused(where, f"signature {number}: wrong signature of {name!a}")
        signed = signed or key.algorithm == 1 and name == origin
    if not signed:
        raise Refused(where, f"no given key of the log {origin!a} signed")
    if size == 0 and not same(root, sha256(b"")):
        raise Refused(where, "the root of a log without entries is another")
    return size, root


# ---------------------------------------------------------------- the entry

class Entry:
    def __init__(self, text):
        where = "entry"
        if not text.endswith("\n"):
            raise Refused(where, "the last line does not end")
        lines = text[:-1].split("\n")
        if len(lines) != 10:
            raise Refused(where, f"{len(lines)} lines instead of ten")
        if lines[0] != "coverledger/day/1":
            raise Refused(where, "not coverledger/day/1")
        names = ("zone", "day", "span", "generation", "previous", "leaves", "root", "vrf", "platforms")
        values = {}
        for name, line in zip(names, lines[1:]):
            words = line.split(" ")
            if words[0] != name:
                raise Refused(where, f"no line {name} in its place")
            words = words[1:]
            if any(not word or any(c < "!" or c == "\x7f" for c in word) for word in words):
                raise Refused(where, f"{name}: words are not apart by one space")
            if name == "platforms":
                if not words:
                    raise Refused(where, "platforms: none")
            elif len(words) != (2 if name == "span" else 1):
                raise Refused(where, f"{name}: wrong number of words")
            values[name] = words
        self.zone = values["zone"][0]
        self.day = values["day"][0]
        if not is_day(self.day):
            raise Refused(where, "day: no such day")
        self.month = self.day[:7]
        self.since, self.until = values["span"]
        check_stretch("entry: span", self.since, self.until)
        self.generation = decimal(values["generation"][0], MAX_NUMBER)
        if not self.generation:
            raise Refused(where, "generation: not a number from 1 on")
        previous = values["previous"][0]
        if (previous == "-") != (self.generation == 1):
            raise Refused(where, "previous: - exactly for generation 1")
        self.previous = None
        if previous != "-":
            self.previous = decimal(previous, MAX_SIZE)
            if self.previous is None:
                raise Refused(where, "previous: not a number")
        self.leaves = decimal(values["leaves"][0], MAX_SIZE)
        if self.leaves is None:
            raise Refused(where, "leaves: not a number up to 2^48")
        self.root = base64_of("entry: root", values["root"][0], 32)
        self.vrf = base64_of("entry: vrf", values["vrf"][0], 32)
        platforms = [utf8(word) for word in values["platforms"]]
        if any(not a < b for a, b in zip(platforms, platforms[1:])):
            raise Refused(where, "platforms: not each once, sorted by bytes")
        if self.leaves == 0 and not same(self.root, sha256(b"")):
            raise Refused(where, "root: that of a tree without leaves is another")


# ---------------------------------------------------------------- leaf, neighbours, rider-day

def check_stretches(where, stretches, entry):
    """[(from, until)] of an array that is within the span, ascending, with time between."""
    out = []
    for i, stretch in enumerate(stretches):
        since, until = stretch["from"], stretch["until"]
        check_stretch(f"{where}[{i}]", since, until)
        if since < entry.since or entry.until < until:
            raise Refused(f"{where}[{i}]", "not within the span")
        if out and not out[-1][1] < since:
            raise Refused(f"{where}[{i}]", "not ascending with time between")
        out.append((since, until))
    return out


def check_leaf(leaf, entry, tag, rider):
    nonce = base64_of("leaf.nonce", leaf["nonce"], 32)
    cover = check_stretches("leaf.cover", leaf["cover"], entry)
    undetermined = check_stretches("leaf.undetermined", leaf["undetermined"], entry)
    orders = base64_of("leaf.orders.digest", leaf["orders"]["digest"], 32)
    refused = base64_of("leaf.refused.digest", leaf["refused"]["digest"], 32)
    path = path_of("leaf.path", leaf["path"])
    content = frames(
        "coverledger/rider-day/1", rider, entry.day,
        len(cover), *(text for stretch in cover for text in stretch),
        len(undetermined), *(text for stretch in undetermined for text in stretch),
        leaf["orders"]["count"], orders, leaf["refused"]["count"], refused)
    commitment = sha256(nonce + content)
    check_inclusion("leaf", leaf_hash(tag + commitment), leaf["index"], entry.leaves, path, entry.root)
    return cover, undetermined, orders, refused


def check_neighbours(neighbours, entry, tag):
    found = {}
    for name in ("before", "after"):
        neighbour = neighbours[name]
        if neighbour is None:
            continue
        where = f"neighbours.{name}"
        if not re.fullmatch(r"[0-9a-f]{16}", neighbour["tag"]):
            raise Refused(f"{where}.tag", "not 16 hexadecimal digits in lower case")
        its_tag = bytes.fromhex(neighbour["tag"])
        commitment = base64_of(f"{where}.commitment", neighbour["commitment"], 32)
        path = path_of(f"{where}.path", neighbour["path"])
        if name == "before" and not its_tag < tag:
            raise Refused(f"{where}.tag", "not below the rider's")
        if name == "after" and not its_tag > tag:
            raise Refused(f"{where}.tag", "not above the rider's")
        check_inclusion(where, leaf_hash(its_tag + commitment), neighbour["index"], entry.leaves, path, entry.root)
        found[name] = neighbour["index"]
    following = found["before"] + 1 if "before" in found else 0
    if "after" in found:
        if found["after"] != following:
            raise Refused("neighbours.after", "not the leaf behind before")
    elif following != entry.leaves:
        raise Refused("neighbours.after", "null, but there is a leaf behind before")


def check_ascending(where, rows):
    keys = [tuple(utf8(v) if type(v) is str else v for v in row.values()) for row in rows]
    for i in range(1, len(keys)):
        if not keys[i - 1] < keys[i]:
            raise Refused(f"{where}[{i}]", "not strictly ascending")


ORIGIN = re.compile(r"kafka [^ ]+ (0|[1-9][0-9]{0,19}) (0|[1-9][0-9]{0,19})|file|redrive")


def union(stretches):
    """Ascending, those that touch or overlap are one."""
    out = []
    for since, until in sorted(stretches):
        if out and since <= out[-1][1]:
            out[-1] = (out[-1][0], max(out[-1][1], until))
        else:
            out.append((since, until))
    return out


def check_rider_day(rider_day, leaf, entry, cover, orders_digest, refused_digest):
    nonces = {name: base64_of(f"rider_day.{name}_nonce", rider_day[f"{name}_nonce"], 32) for name in ("orders", "refused")}
    for name, digest in (("orders", orders_digest), ("refused", refused_digest)):
        rows, where = rider_day[name], f"rider_day.{name}"
        if len(rows) != leaf[name]["count"]:
            raise Refused(where, "the count of the leaf is another")
        content = frames(f"coverledger/{name}/1", len(rows), *(value for row in rows for value in row.values()))
        if not same(sha256(nonces[name] + content), digest):
            raise Refused(where, "the digest of the leaf is another")
        check_ascending(where, rows)
    windows = []
    for i, order in enumerate(rider_day["orders"]):
        where = f"rider_day.orders[{i}]"
        if not is_instant(order["accepted_at"]):
            raise Refused(f"{where}.accepted_at", "not an instant")
        if order["ended_at"] and not is_instant(order["ended_at"]):
            raise Refused(f"{where}.ended_at", "not an instant")
        since, until = order["starts_at"], order["ends_at"]
        if since == until == "":
            continue
        for name in ("starts_at", "ends_at"):
            if not is_instant(order[name]):
                raise Refused(f"{where}.{name}", "not an instant")
        if since > until:  # equal: a window without time
            raise Refused(where, "the window ends before it starts")
        since, until = max(since, entry.since), min(until, entry.until)
        if since < until:
            windows.append((since, until))
    for i, record in enumerate(rider_day["refused"]):
        where = f"rider_day.refused[{i}]"
        if not ORIGIN.fullmatch(record["origin"]):
            raise Refused(f"{where}.origin", "not kafka TOPIC PARTITION OFFSET, file or redrive")
        if record["resolved_by"] != "unresolved":
            raise Refused(f"{where}.resolved_by", "not unresolved")
    if union(windows) != cover:
        raise Refused("rider_day", "the union of the windows is not the cover of the leaf")


# ---------------------------------------------------------------- the answer

def answer_of(since, until, cover, undetermined):
    cuts = {since, until}
    for stretch in cover + undetermined:
        cuts.update(text for text in stretch if since < text < until)
    cuts = sorted(cuts)
    parts, c, u = [], 0, 0
    for a, b in zip(cuts, cuts[1:]):  # no boundary is inside of [a, b)
        while c < len(cover) and cover[c][1] <= a:
            c += 1
        while u < len(undetermined) and undetermined[u][1] <= a:
            u += 1
        if c < len(cover) and cover[c][0] <= a:
            verdict = "covered"
        elif u < len(undetermined) and undetermined[u][0] <= a:
            verdict = "undetermined"
        else:
            verdict = "not_covered"
        if parts and parts[-1]["verdict"] == verdict:
            parts[-1]["until"] = b
        else:
            parts.append({"from": a, "until": b, "verdict": verdict})
    verdicts = {part["verdict"] for part in parts}
    if len(verdicts) == 1:
        verdict = parts[0]["verdict"]
    else:
        verdict = "undetermined" if "undetermined" in verdicts else "partly_covered"
    return {"verdict": verdict, "parts": parts}


# ---------------------------------------------------------------- all checks

def verify(data, keys):
    """The receipt and its entry; raises Refused with the first member that fails."""
    # 1
    receipt = read(data)
    # 2
    size, root = check_checkpoint(receipt["checkpoint"], keys)
    entry = Entry(receipt["entry"])
    log = receipt["log"]
    path = path_of("log.path", log["path"])
    check_inclusion("log", leaf_hash(utf8(receipt["entry"])), log["index"], size, path, root)
    if entry.previous is not None and entry.previous >= log["index"]:
        raise Refused("entry", "previous: not before this entry in the log")
    # 3
    question = receipt["question"]
    rider = question["rider_id"]
    proof = base64_of("rider_proof", receipt["rider_proof"], 80)
    try:
        output = vrf_verify(entry.vrf, frames("coverledger/rider/1", entry.month, rider), proof)
    except ValueError as error:
        raise Refused("rider_proof", str(error)) from None
    tag = sha256(frames("coverledger/tag/1", entry.day, output))[:8]
    # 4
    since, until = question["from"], question["until"]
    check_stretch("question", since, until)
    if since < entry.since or entry.until < until:
        raise Refused("question", "not within the span of the entry")
    # 5
    cover, undetermined = [], []
    if "leaf" in receipt:
        if "neighbours" in receipt:
            raise Refused("neighbours", "beside a leaf")
        leaf = receipt["leaf"]
        cover, undetermined, orders, refused = check_leaf(leaf, entry, tag, rider)
        if "rider_day" in receipt:
            check_rider_day(receipt["rider_day"], leaf, entry, cover, orders, refused)
    else:
        if "neighbours" not in receipt:
            raise Refused("leaf", "neither leaf nor neighbours")
        if "rider_day" in receipt:
            raise Refused("rider_day", "without a leaf")
        check_neighbours(receipt["neighbours"], entry, tag)
    # 6
    expected = answer_of(since, until, cover, undetermined)
    if receipt["answer"] != expected:
        raise Refused("answer", f"the leaf says {expected['verdict']} in {len(expected['parts'])} parts"
                      if receipt["answer"]["verdict"] != expected["verdict"] else "other parts than the leaf says")
    # 7
    digest = hashlib.sha256(utf8(write({**receipt, "digest": ""}))).hexdigest()
    if not same(utf8(receipt["digest"]), utf8(digest)):
        raise Refused("digest", "the file has another")
    return receipt, entry


def main(arguments):
    files, key_texts, reads_lines = [], [], False
    rest = iter(arguments)
    for argument in rest:
        if argument == "--key":
            key = next(rest, None)
            if key is None:
                print("--key needs a key", file=sys.stderr)
                return 2
            key_texts.append(key)
        elif argument.startswith("--key="):
            key_texts.append(argument[len("--key="):])
        elif argument == "--lines":
            reads_lines = True
        elif argument == "--":
            files.extend(rest)
        elif argument.startswith("-"):
            print(f"unknown option {argument!a}", file=sys.stderr)
            return 2
        else:
            files.append(argument)
    if bool(files) == reads_lines or not key_texts:
        print("usage: verify_receipt.py FILE...|--lines --key NAME+IDENTIFIER+BASE64 [--key ...]", file=sys.stderr)
        return 2
    try:
        keys = read_keys(key_texts)
    except BadKey as error:
        print(f"key {error}", file=sys.stderr)
        return 2
    if reads_lines:
        for line in sys.stdin:
            try:
                receipt, _ = verify(base64.b64decode(line), keys)
                print(f"ok {receipt['answer']['verdict']}")
            except Refused as error:
                print(ascii(f"refused {error.where}: {error.why}")[1:-1])
        return 0
    code = 0
    for name in files:
        shown = ascii(name)[1:-1]
        try:
            with open(name, "rb") as file:
                data = file.read(MAX_FILE + 1)
            receipt, entry = verify(data, keys)
        except OSError as error:
            print(f"{shown}: refused: file: cannot be read: {error.strerror}")
            code = 1
        except Refused as error:
            print(f"{shown}: refused: {error.where}: {error.why}")
            code = 1
        else:
            question = receipt["question"]
            print(f"{shown}: ok {receipt['answer']['verdict']} rider {json.dumps(question['rider_id'])} "
                  f"from {question['from']} until {question['until']}; day {entry.day} {ascii(entry.zone)[1:-1]}, "
                  f"generation {entry.generation}, log index {receipt['log']['index']}"
                  + (", whole rider-day" if "rider_day" in receipt else ""))
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
