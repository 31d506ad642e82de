#!/usr/bin/env python3
"""Checks receipts of coverledger. Written from docs/receipts.md alone, with the standard library only.

    verify_receipt.py --key PUBLIC_KEY [--key ...] FILE     prints the verdict, or where the receipt is invalid (exit code 1)
    verify_receipt.py --key PUBLIC_KEY [--key ...] --lines  reads receipts in base64 from standard input, one a line, and prints
                                                            "ok VERDICT" or "refused WHERE: WHY" for each
"""

import argparse
import base64
import binascii
import datetime
import hashlib
import json
import re
import sys

# --- edwards25519 -----------------------------------------------------------------------------------------------------

P = 2**255 - 19
Q = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
SQRT_M1 = pow(2, (P - 1) // 4, P)
IDENTITY = (0, 1, 1, 0)


def add(a, b):
    """The sum of two points in extended coordinates."""
    x1, y1, z1, t1 = a
    x2, y2, z2, t2 = b
    e_ = (y1 - x1) * (y2 - x2) % P
    f_ = (y1 + x1) * (y2 + x2) % P
    g_ = 2 * t1 * t2 * D % P
    h_ = 2 * z1 * z2 % P
    e, f, g, h = f_ - e_, h_ - g_, h_ + g_, f_ + e_
    return (e * f % P, g * h % P, f * g % P, e * h % P)


def negated(a):
    x, y, z, t = a
    return (-x % P, y, z, -t % P)


def times(scalar, point):
    result = IDENTITY
    while scalar:
        if scalar & 1:
            result = add(result, point)
        point = add(point, point)
        scalar >>= 1
    return result


def encoded(point):
    x, y, z, _ = point
    inverse = pow(z, P - 2, P)
    x, y = x * inverse % P, y * inverse % P
    return (y | (x & 1) << 255).to_bytes(32, "little")


def decoded(data):
    """The point of its one encoding, or None."""
    number = int.from_bytes(data, "little")
    sign, y = number >> 255, number & (2**255 - 1)
    if y >= P:
        return None
    u, v = (y * y - 1) % P, (D * y * y + 1) % P
    x = u * pow(v, 3, P) * pow(u * pow(v, 7, P), (P - 5) // 8, P) % P
    if v * x * x % P == -u % P:
        x = x * SQRT_M1 % P
    if v * x * x % P != u:
        return None
    if x == 0 and sign:
        return None
    if x & 1 != sign:
        x = P - x
    return (x, y, 1, x * y % P)


def is_small_order(point):
    return encoded(times(8, point)) == encoded(IDENTITY)


BASE = decoded(bytes.fromhex("58" + "66" * 31))


def ed25519_holds(key, message, signature):
    """RFC 8032, with one signature for each key and message."""
    if len(signature) != 64:
        return False
    r, s = signature[:32], int.from_bytes(signature[32:], "little")
    point = decoded(key)
    if s >= Q or point is None:
        return False
    k = int.from_bytes(hashlib.sha512(r + key + message).digest(), "little") % Q
    return encoded(add(times(s, BASE), negated(times(k, point)))) == r


def vrf_output(key, alpha, proof):
    """ECVRF-EDWARDS25519-SHA512-TAI: the output that the proof proves, or None."""
    y = decoded(key)
    if y is None or is_small_order(y):
        return None
    gamma, c, s = decoded(proof[:32]), int.from_bytes(proof[32:48], "little"), int.from_bytes(proof[48:], "little")
    if gamma is None or s >= Q:
        return None
    h = None
    for counter in range(256):
        candidate = decoded(hashlib.sha512(b"\x03\x01" + key + alpha + bytes([counter]) + b"\x00").digest()[:32])
        if candidate is not None:
            candidate = times(8, candidate)
            if encoded(candidate) != encoded(IDENTITY):
                h = candidate
                break
    if h is None:
        return None
    u = add(times(s, BASE), negated(times(c, y)))
    v = add(times(s, h), negated(times(c, gamma)))
    points = b"".join(encoded(point) for point in (y, h, gamma, u, v))
    if hashlib.sha512(b"\x03\x02" + points + b"\x00").digest()[:16] != proof[32:48]:
        return None
    return hashlib.sha512(b"\x03\x03" + encoded(times(8, gamma)) + b"\x00").digest()


# --- what is hashed ---------------------------------------------------------------------------------------------------


class Refused(Exception):
    """Where a receipt is invalid, and why."""

    def __init__(self, where, why):
        super().__init__(f"{where}: {why}")


def need(holds, where, why):
    if not holds:
        raise Refused(where, why)


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def frames(*fields):
    out = []
    for field in fields:
        if isinstance(field, int):
            field = str(field)
        if isinstance(field, str):
            field = field.encode()
        out += [len(field).to_bytes(4, "big"), field]
    return b"".join(out)


def from_base64(text, length, where):
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Refused(where, "not base64") from None
    need(base64.b64encode(data).decode() == text, where, "another form of base64")
    need(length is None or len(data) == length, where, f"not {length} bytes")
    return data


def is_instant(text):
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z", text, re.ASCII):
        return False
    return is_date(text[:10]) and text[11:13] < "24" and text[14:16] < "60" and text[17:19] < "60"


def is_date(text):
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text, re.ASCII):
        return False
    # Python has no year 0; 2000 is as long.
    try:
        datetime.date(int(text[:4]) or 2000, int(text[5:7]), int(text[8:]))
    except ValueError:
        return False
    return True


def is_number(text):
    return re.fullmatch(r"0|[1-9][0-9]{0,19}", text, re.ASCII) is not None and int(text) < 2**64


def stretch(pair, where):
    start, end = pair["from"], pair["until"]
    need(is_instant(start), where + ".from", "not an instant")
    need(is_instant(end), where + ".until", "not an instant")
    need(start < end, where, "it ends before it starts")
    return start, end


def inclusion_holds(leaf, index, size, path, root):
    """RFC 9162, 2.1.3.2."""
    if index >= size or size > 2**48:
        return False
    fn, sn, r = index, size - 1, leaf
    for p in path:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            r = sha256(b"\x01", p, r)
            while fn & 1 == 0 and fn != 0:
                fn, sn = fn >> 1, sn >> 1
        else:
            r = sha256(b"\x01", r, p)
        fn, sn = fn >> 1, sn >> 1
    return sn == 0 and r == root


def path_of(texts, where):
    return [from_base64(text, 32, f"{where}[{place}]") for place, text in enumerate(texts)]


# --- the form ---------------------------------------------------------------------------------------------------------

STRETCH = {"from": str, "until": str}
LIST = {"count": int, "digest": str}
LEAF = {"index": int, "nonce": str, "cover": [STRETCH], "undetermined": [STRETCH], "orders": LIST, "refused": LIST, "path": [str]}
CLOSED = {"index": int, "tag": str, "commitment": str, "path": [str]}
ORDER_MEMBERS = (
    "accepted_at platform order_id leg phase revision category region ended_at outcome fare starts_at ends_at".split()
)
ORDER = {name: int if name in ("leg", "revision") else str for name in ORDER_MEMBERS}
REFUSED_MEMBERS = "reason platform order_id record_sha256 record_bytes origin resolved_by".split()
REFUSED = {name: int if name == "record_bytes" else str for name in REFUSED_MEMBERS}
RECEIPT = {
    "format": str,
    "question": {"rider_id": str, "from": str, "until": str},
    "answer": {"verdict": str, "parts": [{"from": str, "until": str, "verdict": str}]},
    "entry": str,
    "rider_proof": str,
    "leaf": LEAF,
    "neighbours": {"before": CLOSED, "after": CLOSED},
    "rider_day": {"orders_nonce": str, "orders": [ORDER], "refused_nonce": str, "refused": [REFUSED]},
    "log": {"index": int, "path": [str]},
    "checkpoint": str,
    "digest": str,
}
OPTIONAL = ("leaf", "neighbours", "rider_day")


def check_form(value, form, where):
    if form is int:
        need(type(value) is int and 0 <= value < 2**64, where, "not a number")
        need(not where.endswith(".leg") or value < 256, where, "not a leg")
    elif form is str:
        need(type(value) is str, where, "not a text")
    elif isinstance(form, list):
        need(type(value) is list, where, "not a list")
        for place, member in enumerate(value):
            check_form(member, form[0], f"{where}[{place}]")
    else:
        need(type(value) is dict, where, "not an object")
        names = [name for name in form if where or name not in OPTIONAL or name in value]
        need(list(value) == names, where or "the file", f"its members are not {', '.join(names)}")
        for name, member in value.items():
            if where == "neighbours" and member is None:
                continue
            check_form(member, form[name], f"{where}.{name}" if where else name)


def canonical(receipt):
    return json.dumps(receipt, ensure_ascii=False, separators=(",", ":")).encode()


def read(data):
    need(len(data) <= 2**20, "the file", "it is too long")
    try:
        receipt = json.loads(data.decode())
    except (ValueError, RecursionError) as error:
        raise Refused("the file", f"not JSON: {error}") from None
    check_form(receipt, RECEIPT, "")
    try:
        own = canonical(receipt)
    except UnicodeEncodeError as error:
        raise Refused("the file", f"not text: {error}") from None
    if own != data:
        at = next((at for at, (a, b) in enumerate(zip(own, data)) if a != b), min(len(own), len(data)))
        raise Refused(f"byte {at}", "another form of JSON")
    need(receipt["format"] == "coverledger/receipt/1", "format", "another format")
    return receipt


# --- the checks -------------------------------------------------------------------------------------------------------


def key_of(text):
    name, identifier, data = text.split("+", 2)
    data = from_base64(data, 33, "the key")
    need(data[0] in (1, 4), "the key", "an unknown algorithm")
    need(sha256(name.encode(), b"\n", data)[:4].hex() == identifier, "the key", "its identifier is wrong")
    point = decoded(data[1:])
    need(point is not None and not is_small_order(point), "the key", "not a public key")
    return name, bytes.fromhex(identifier), data[0], data[1:]


def check_checkpoint(note, keys):
    where = "checkpoint"
    need(len(note.encode()) <= 16384 and note.endswith("\n"), where, "not a note")
    need(not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", note), where, "control characters")
    text, found, below = note.rpartition("\n\n")
    need(found, where, "no empty line")
    text += "\n"
    lines = below.split("\n")[:-1]
    need(1 <= len(lines) <= 32, where, "not 1 to 32 signatures")
    by_log = False
    origin = text.split("\n")[0]
    for line in lines:
        parts = line.split(" ")
        need(len(parts) == 3 and parts[0] == "\u2014", where, "not a signature line")
        name, data = parts[1], from_base64(parts[2], None, where)
        need(0 < len(name.encode()) <= 128 and "+" not in name and not re.search(r"\s", name), where, "not a key name")
        need(len(data) > 4, where, "no signature")
        for known_name, identifier, algorithm, key in keys:
            if (known_name, identifier) != (name, data[:4]):
                continue
            signature, message = data[4:], text.encode()
            if algorithm == 4:
                need(len(signature) == 72, where, "not a cosignature")
                seconds = int.from_bytes(signature[:8], "big")
                signature, message = signature[8:], f"cosignature/v1\ntime {seconds}\n".encode() + message
            need(ed25519_holds(key, message, signature), where, f"the signature of {name} is wrong")
            by_log = by_log or (algorithm == 1 and name == origin)
    need(by_log, where, "no given key of the log signed")
    parts = text.split("\n")
    need(len(parts) == 4 and parts[0] and is_number(parts[1]), where, "not the three lines of a checkpoint")
    return int(parts[1]), from_base64(parts[2], 32, where)


def check_entry(text):
    where = "entry"
    lines = text.split("\n")
    need(len(lines) == 11 and lines[10] == "" and lines[0] == "coverledger/day/1", where, "not ten lines")
    names = ["zone", "day", "span", "generation", "previous", "leaves", "root", "vrf", "platforms"]
    entry = {}
    for name, line in zip(names, lines[1:]):
        need(line.startswith(name + " "), where, f"no line {name}")
        entry[name] = line[len(name) + 1 :]
    need(is_date(entry["day"]), where, "line day")
    span = entry["span"].split(" ")
    need(len(span) == 2 and is_instant(span[0]) and is_instant(span[1]) and span[0] < span[1], where, "line span")
    entry["span"] = span
    need(is_number(entry["generation"]) and entry["generation"] != "0", where, "line generation")
    first = entry["generation"] == "1"
    need(entry["previous"] == "-" if first else is_number(entry["previous"]), where, "line previous")
    need(is_number(entry["leaves"]), where, "line leaves")
    entry["leaves"] = int(entry["leaves"])
    entry["root"] = from_base64(entry["root"], 32, where)
    entry["vrf"] = from_base64(entry["vrf"], 32, where)
    platforms = [name.encode() for name in entry["platforms"].split(" ")]
    need(all(platforms) and all(a < b for a, b in zip(platforms, platforms[1:])), where, "line platforms")
    return entry


def stretches(pairs, where, span):
    found = []
    for place, pair in enumerate(pairs):
        at = f"{where}[{place}]"
        start, end = stretch(pair, at)
        need(span[0] <= start and end <= span[1], at, "not within the day")
        need(not found or found[-1][1] < start, at, "not behind the one before")
        found.append((start, end))
    return found


def check_leaf(leaf, tag, rider_id, entry):
    cover = stretches(leaf["cover"], "leaf.cover", entry["span"])
    undetermined = stretches(leaf["undetermined"], "leaf.undetermined", entry["span"])
    fields = ["coverledger/rider-day/1", rider_id, entry["day"]]
    for windows in (cover, undetermined):
        fields.append(len(windows))
        for window in windows:
            fields += window
    for name in ("orders", "refused"):
        fields += [leaf[name]["count"], from_base64(leaf[name]["digest"], 32, f"leaf.{name}.digest")]
    commitment = sha256(from_base64(leaf["nonce"], 32, "leaf.nonce"), frames(*fields))
    path = path_of(leaf["path"], "leaf.path")
    hashed = sha256(b"\x00", tag, commitment)
    need(inclusion_holds(hashed, leaf["index"], entry["leaves"], path, entry["root"]), "leaf", "not in the day's tree")
    return cover, undetermined


def check_absence(neighbours, tag, entry):
    def placed(name):
        leaf, where = neighbours[name], f"neighbours.{name}"
        need(re.fullmatch("[0-9a-f]{16}", leaf["tag"], re.ASCII), where + ".tag", "not a tag")
        own = bytes.fromhex(leaf["tag"])
        hashed = sha256(b"\x00", own, from_base64(leaf["commitment"], 32, where + ".commitment"))
        path = path_of(leaf["path"], where + ".path")
        need(inclusion_holds(hashed, leaf["index"], entry["leaves"], path, entry["root"]), where, "not in the day's tree")
        return leaf["index"], own

    following = 0
    if neighbours["before"] is not None:
        index, own = placed("before")
        need(own < tag, "neighbours.before", "its tag is not lower")
        following = index + 1
    if neighbours["after"] is not None:
        index, own = placed("after")
        need(own > tag, "neighbours.after", "its tag is not higher")
        need(index == following, "neighbours", "leaves between them")
    else:
        need(following == entry["leaves"], "neighbours", "leaves between them and the end")


def union(windows):
    merged = []
    for start, end in sorted(windows):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def cut(windows, span):
    pairs = ((max(start, span[0]), min(end, span[1])) for start, end in windows)
    return [(start, end) for start, end in pairs if start < end]


def check_whole_day(whole, leaf, cover, span):
    for name, label, members in (
        ("orders", "coverledger/orders/1", ORDER_MEMBERS),
        ("refused", "coverledger/refused/1", REFUSED_MEMBERS),
    ):
        where, rows = f"rider_day.{name}", [[row[member] for member in members] for row in whole[name]]
        nonce = from_base64(whole[f"{name}_nonce"], 32, where + "_nonce")
        digest = sha256(nonce, frames(label, len(rows), *[field for row in rows for field in row]))
        need(len(rows) == leaf[name]["count"], where, "not as many as the leaf says")
        need(digest == from_base64(leaf[name]["digest"], 32, where), where, "not those of the leaf")
        keys = [[field.encode() if isinstance(field, str) else field for field in row] for row in rows]
        need(all(a < b for a, b in zip(keys, keys[1:])), where, "not ascending")
    windows = [(order["starts_at"], order["ends_at"]) for order in whole["orders"]]
    windows = [pair for pair in windows if is_instant(pair[0]) and is_instant(pair[1]) and pair[0] < pair[1]]
    need(union(cut(windows, span)) == cover, "rider_day.orders", "the cover does not follow")


def answer_of(asked, cover, undetermined):
    cover, undetermined = union(cut(cover, asked)), union(cut(undetermined, asked))
    ends = sorted({asked[0], asked[1], *[end for window in cover + undetermined for end in window]})
    parts = []
    for start, end in zip(ends, ends[1:]):
        holds = lambda windows: any(a <= start and end <= b for a, b in windows)  # noqa: E731
        verdict = "covered" if holds(cover) else "undetermined" if holds(undetermined) else "not_covered"
        if parts and parts[-1]["verdict"] == verdict:
            parts[-1]["until"] = end
        else:
            parts.append({"from": start, "until": end, "verdict": verdict})
    verdicts = {part["verdict"] for part in parts}
    if len(verdicts) == 1:
        verdict = verdicts.pop()
    else:
        verdict = "undetermined" if "undetermined" in verdicts else "partly_covered"
    return {"verdict": verdict, "parts": parts}


def verify(data, keys):
    """The receipt, or Refused."""
    receipt = read(data)
    size, root = check_checkpoint(receipt["checkpoint"], keys)
    entry, log = check_entry(receipt["entry"]), receipt["log"]
    hashed = sha256(b"\x00", receipt["entry"].encode())
    need(inclusion_holds(hashed, log["index"], size, path_of(log["path"], "log.path"), root), "log", "not in the log")
    question, day = receipt["question"], entry["day"]
    proof = from_base64(receipt["rider_proof"], 80, "rider_proof")
    output = vrf_output(entry["vrf"], frames("coverledger/rider/1", day[:7], question["rider_id"]), proof)
    need(output is not None, "rider_proof", "it proves nothing")
    tag = sha256(frames("coverledger/tag/1", day, output))[:8]
    asked, span = stretch(question, "question"), entry["span"]
    need(span[0] <= asked[0] and asked[1] <= span[1], "question", "not within the day")
    need(("leaf" in receipt) != ("neighbours" in receipt), "leaf", "not one of leaf and neighbours")
    cover, undetermined = [], []
    if "leaf" in receipt:
        cover, undetermined = check_leaf(receipt["leaf"], tag, question["rider_id"], entry)
        if "rider_day" in receipt:
            check_whole_day(receipt["rider_day"], receipt["leaf"], cover, span)
    else:
        need("rider_day" not in receipt, "rider_day", "without a leaf")
        check_absence(receipt["neighbours"], tag, entry)
    need(receipt["answer"] == answer_of(asked, cover, undetermined), "answer", "it does not follow")
    digest = hashlib.sha256(canonical({**receipt, "digest": ""})).hexdigest()
    need(receipt["digest"] == digest, "digest", "not that of the file")
    return receipt


def main():
    parser = argparse.ArgumentParser(description="Checks receipts of coverledger.")
    parser.add_argument("--key", action="append", required=True, help="NAME+IDENTIFIER+BASE64")
    parser.add_argument("--lines", action="store_true", help="receipts in base64 from standard input, one a line")
    parser.add_argument("file", nargs="?")
    arguments = parser.parse_args()
    keys = [key_of(text) for text in arguments.key]
    if arguments.lines:
        for line in sys.stdin:
            try:
                print("ok", verify(base64.b64decode(line.strip()), keys)["answer"]["verdict"])
            except Refused as refused:
                print("refused", refused)
        return
    with open(arguments.file, "rb") as file:
        data = file.read()
    try:
        receipt = verify(data, keys)
    except Refused as refused:
        sys.exit(f"Failed to verify the receipt at {refused}")
    print(receipt["answer"]["verdict"])


if __name__ == "__main__":
    main()
