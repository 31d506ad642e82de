//! Batches whose bytes are no UTF-8, and lines that are no questions.

use super::world::*;

const NDJSON: &str = "application/x-ndjson";
const LINE: &str = "{\"rider_id\":\"3f9c-rider-7e21\",\"at\":\"2026-11-20T12:07:31+08:00\"}\n";

#[tokio::test]
async fn a_body_that_is_not_utf_8_is_refused_with_the_offset_of_the_first_bad_byte() {
    let state = state();
    let named =
        |rider: &[u8]| [b"{\"rider_id\":\"", rider, b"\",\"at\":\"2026-11-20T12:07:31Z\"}\n"].concat();
    for (name, rider) in [
        ("GBK", &b"\xc6\xef\xca\xd6"[..]),
        ("Big5", b"\xc3\x4d\xa4\xe2"),
        ("Latin-1", b"Ren\xe9"),
        ("CESU-8", b"\xed\xa0\xbd\xed\xb8\x80"),
        ("overlong", b"\xc0\xaf"),
    ] {
        for before in [0, 1, 2_000] {
            let body = [LINE.repeat(before).as_bytes(), &named(rider)].concat();
            let offset = std::str::from_utf8(&body).unwrap_err().valid_up_to();
            let reply = post(&state, NDJSON, body).await;
            reply.is_problem(415, "unsupported-encoding");
            let detail = reply.json()["detail"].as_str().unwrap().to_owned();
            assert!(detail.contains(&format!("byte offset {offset}:")), "{name}: {detail}");
            assert!(detail.contains("send the lines in UTF-8"), "{name}: {detail}");
        }
    }
}

#[tokio::test]
async fn compression_is_told_by_its_first_bytes_before_their_zero_bytes_are_looked_at() {
    let state = state();
    for (name, bytes) in [
        ("gzip", &b"\x1f\x8b\x08\0\0\0\0\0\0\x03\xab\x56"[..]),
        ("gzip", b"\x1f\x8b\x08\0\xd4\x7c\x21\x69\0\x03\xab\x56"),
        ("snappy", b"\xff\x06\0\0sNaPpY\x01\x18\0\0"),
        ("lz4", b"\x04\x22\x4d\x18\x64\x40\xa7"),
        ("zlib", b"\x78\x9c\xab\x56\x2a\xca"),
        ("xz", b"\xfd7zXZ\0\0\x04"),
        ("lzma", b"\x5d\0\0\x80\0\xff"),
        ("zstd", b"\x28\xb5\x2f\xfd\0\x58"),
        ("bzip2", b"BZh91AY&SY"),
    ] {
        let reply = post(&state, NDJSON, bytes).await;
        reply.is_problem(415, "unsupported-encoding");
        assert!(reply.body.contains(&format!("compressed with {name}:")), "{name}: {}", reply.body);
    }
    // Raw deflate has no first bytes of its own.
    post(&state, NDJSON, &b"\xab\x56\x2a\xca\x4c\x49\x2d\x8a"[..])
        .await
        .is_problem(415, "unsupported-encoding");
}

#[tokio::test]
async fn a_line_that_is_no_question_is_told_in_plain_words() {
    let state = state();
    let question = "a JSON object with rider_id and at, or from and to";
    for (line, words) in [
        ("{\"rider_id\":7,\"at\":\"x\"}", "rider_id must be a text or a list of texts"),
        ("{\"rider_id\":[\"a\",null],\"at\":\"x\"}", "rider_id must be a text or a list of texts"),
        ("{\"rider_id\":\"a\",\"at\":\"x\",\"platform\":{}}", "platform must be a text or a list of texts"),
        ("{\"rider_id\":\"a\",\"at\":1795147200}", "at must be a text"),
        ("{\"rider_id\":\"a\",\"from\":[],\"to\":\"x\"}", "from must be a text"),
        ("{\"rider_id\":\"a\",\"at\":\"x\",\"reference\":1}", "reference must be a text"),
        (
            "{\"rider\":\"a\"}",
            "there is no member `rider`; the members are: rider_id, platform, at, from, to, reference",
        ),
        ("{\"at\":\"a\",\"at\":\"b\"}", "a member of the object is given more than once"),
        ("7", "the line is not a JSON object"),
        ("null", "the line is not a JSON object"),
        ("\"text\"", "the line is not a JSON object"),
        ("rider_id,at", "the line is not a JSON object"),
        ("[\"a\",\"b\"]", "the line is a JSON array"),
        ("[{\"rider_id\":\"a\",\"at\":\"b\"},", "the line begins a JSON array"),
        ("[", "the line begins a JSON array"),
        ("{", "the line begins a pretty-printed object"),
        ("  \"rider_id\": \"a\",", "a part of a pretty-printed JSON text"),
        ("},", "a part of a pretty-printed JSON text"),
        ("{\"rider_id\":\"a\",", "the object does not end on this line"),
        ("{\"rider_id\":\"\\ud800\",\"at\":\"x\"}", "it cannot be read at byte"),
        ("{\"rider_id\":\"a\",\"at\":\"x\"} {}", "it cannot be read at byte"),
    ] {
        let reply = post(&state, NDJSON, format!("\n{line}\n{LINE}")).await;
        assert_eq!(reply.status, 200, "{line}");
        let lines: Vec<serde_json::Value> =
            reply.body.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let told = lines[0]["error"].as_str().unwrap();
        assert_eq!((&lines[0]["line"], &lines[1]["verdict"]), (&2.into(), &"covered".into()), "{line}");
        assert!(told.contains(words), "{line}: {told}");
        assert!(told.contains("must be") || told.contains("member") || told.contains(question), "{told}");
        for inside in ["untagged", "enum", "struct", "QuestionLine", "line 1", "expected"] {
            assert!(!told.contains(inside), "{line}: {told}");
        }
    }
}
