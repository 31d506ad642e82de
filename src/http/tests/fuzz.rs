//! Query strings of any kind: an answer or a refusal, never a failure of the service.

use super::world::*;
use axum::body::Body;
use axum::http::Request;
use std::collections::BTreeMap;

const SEEDS: [&str; 14] = [
    "/v1/coverage?rider_id=3f9c-rider-7e21&at=2026-11-20T12:07:31%2B08:00&platform=dada&reference=c",
    "/v1/coverage?rider_id=3f9c-rider-7e21&rider_id=b&from=2026-11-20T12:00:00Z&to=2026-11-20T13:00:00Z",
    "/v1/riders/3f9c-rider-7e21/timeline?from=2026-11-20T00:00:00Z&to=2026-11-21T00:00:00Z&limit=10",
    "/v1/orders/dada/DD-20261120-0093",
    "/v1/statements?month=2026-11&platform=dada",
    "/v1/rejections?platform=dada&reason=bad_time&from=2026-11-20T00:00:00Z&unresolved=true&limit=5",
    "/v1/progress",
    "/?rider_id=3f9c-rider-7e21&at=2026-11-20+12:07:31&lang=en&platform=dada,meituan",
    "/?rider_id=3f9c-rider-7e21&from=2026-11-20+11:20&to=2026-11-20+13:10&lang=zh",
    "/?rider_id=3f9c-rider-7e21&at=2026-11-20+12:07:31&known_at=2&zoom=1d&view=print",
    "/rider?rider_id=3f9c-rider-7e21&day=2026-11-20&span=week&reference=c&lang=en",
    "/order?platform=dada&order_id=DD-20261120-0093&reference=c",
    "/access-log?before=7",
    "/operations?lang=zh",
];

const PIECES: [&str; 24] = [
    "%",
    "%00",
    "%FF",
    "%E6%B2%AA",
    "%25",
    "+",
    "&",
    "&&",
    "=",
    "?",
    "/",
    "-",
    ":",
    "at=",
    "from=",
    "to=",
    "limit=0",
    "limit=99999999999999999999",
    "rider_id=",
    "9999-12-31T23:59:59Z",
    "-9999-01-01T00:00:00Z",
    "T24:00:00Z",
    "23:59:60Z",
    "month=0000-00",
];

/// A seeded sequence of choices.
struct Dice(fastrand::Rng);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0.usize(..bound)
    }

    fn mutant(&mut self) -> String {
        let mut uri = SEEDS[self.below(SEEDS.len())].to_owned();
        for _ in 0..self.below(4) {
            // All of it is ASCII: every place is the border of a character.
            let at = 1 + self.below(uri.len());
            let until = (at + self.below(12)).min(uri.len());
            match self.below(4) {
                0 => uri.truncate(at),
                1 => uri.replace_range(at..until, ""),
                2 => {
                    let again = uri[at..until].to_owned();
                    uri.insert_str(at, &again);
                }
                _ => uri.insert_str(at, PIECES[self.below(PIECES.len())]),
            }
        }
        uri
    }
}

#[tokio::test]
async fn any_query_is_answered_or_refused() {
    let rounds = std::env::var("COVERLEDGER_FUZZ_ROUNDS").map_or(600, |text| text.parse().unwrap());
    let (state, mut dice) = (state(), Dice(fastrand::Rng::with_seed(7)));
    let mut seen: BTreeMap<u16, u32> = BTreeMap::new();
    for _ in 0..rounds {
        let uri = dice.mutant();
        let Ok(request) = Request::get(&uri).body(Body::empty()) else { continue };
        let reply = send(&state, request).await;
        let status = u16::from(reply.status);
        assert!(matches!(status, 200 | 400 | 404), "{status} of {uri}: {}", reply.body);
        *seen.entry(status).or_default() += 1;
    }
    println!("{seen:?}");
    assert!(seen.contains_key(&200) && seen.contains_key(&400), "{seen:?}");
}
