//! Real order streams through a real Kafka, with the service killed and the broker restarted on the way, against answers
//! that other programs computed.

#[cfg(test)]
mod testkit;

#[cfg(test)]
mod tests {
    use crate::testkit::cases::{Case, H1_FOLDER, table};
    use crate::testkit::cluster::RealKafka;
    use crate::testkit::program::Program;
    use crate::testkit::skipped::skipped;
    use crate::testkit::wait::poll_until;
    use coverledger::domain::event::ExactTime;
    use coverledger::domain::time::DAY_MS;
    use coverledger::ingest::kafka::{EventProducer, KafkaHealth, Outgoing};
    use coverledger::telemetry::clock::Clock;
    use serde_json::{Value, json};
    use std::collections::{BTreeMap, BTreeSet};
    use std::path::{Path, PathBuf};
    use std::time::{Duration, Instant};
    use tempfile::TempDir;

    /// What may keep an answer open on which the oracle is final.
    const HOLDING: [&str; 3] = ["unreadable_record", "rejected_record", "conflicting_record"];
    const TOPIC: &str = "flights";
    const PARTITIONS: i32 = 8;

    type Row = BTreeMap<String, String>;

    #[test]
    fn flights_march_through_kafka_agrees_with_the_oracle() {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/cases/flights-march");
        agrees(&Case::new(folder));
    }

    #[test]
    fn flights_h1_through_kafka_agrees_with_the_oracle() {
        match std::env::var_os(H1_FOLDER) {
            Some(folder) => {
                agrees(&Case::new(folder));
                println!("flights-h1 through Kafka: run");
            }
            None => skipped("flights-h1 through Kafka", "set COVERLEDGER_CASES_H1 to its folder"),
        }
    }

    /// The case's tariff, with its carriers registered.
    fn config(folder: &TempDir, brokers: &str, carriers: &BTreeSet<String>) -> PathBuf {
        let case = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/flights.toml");
        let mut text = std::fs::read_to_string(case).unwrap();
        text.push_str("\n[http]\nlisten = \"127.0.0.1:0\"\n[ingest]\nbatch_records = 1500\nbatch_ms = 20\n");
        text.push_str(&format!("[kafka]\nbrokers = \"{brokers}\"\n"));
        text.push_str("options = { \"reconnect.backoff.max.ms\" = \"200\" }\n");
        for carrier in carriers {
            text.push_str(&format!("[platform.{carrier}]\ntopics = [\"{TOPIC}\"]\n"));
        }
        let path = folder.path().join("flights.toml");
        std::fs::write(&path, text).unwrap();
        path
    }

    fn producer(kafka: &RealKafka) -> EventProducer {
        let mut settings = kafka.settings("sender");
        settings.options.insert("message.max.bytes".to_owned(), "8000000".to_owned());
        EventProducer::new(&settings, KafkaHealth::new()).unwrap()
    }

    fn send(producer: &EventProducer, lines: &[&[u8]]) {
        for payload in lines {
            let event: Option<Value> = serde_json::from_slice(payload).ok();
            let rider = event.as_ref().and_then(|event| event["rider_id"].as_str());
            let key = rider.map(str::as_bytes);
            // One rider's records stay in one partition, in their order.
            let place = rider
                .map_or(0, |rider| rider.bytes().fold(0_u32, |sum, byte| sum * 31 % 997 + u32::from(byte)));
            let partition = Some(i32::try_from(place).unwrap() % PARTITIONS);
            producer.send(&Outgoing { topic: TOPIC, partition, key, payload, timestamp: None }).unwrap();
        }
        producer.flush(Duration::from_secs(120)).unwrap();
    }

    fn agrees(case: &Case) {
        let started = Instant::now();
        let said = |what: &str| println!("{}: {what} ({:.1} s)", case.name, started.elapsed().as_secs_f64());
        let (kafka, folder) = (RealKafka::start(), TempDir::new().unwrap());
        kafka.create_topic(TOPIC, PARTITIONS);
        let orders = case.bytes("orders.jsonl");
        let orders = orders.strip_suffix(b"\n").unwrap_or(&orders);
        let lines: Vec<&[u8]> = orders.split(|&byte| byte == b'\n').collect();
        let carriers: BTreeSet<String> =
            case.rows("statement.csv").into_iter().map(|row| row["platform"].clone()).collect();
        let config = config(&folder, &kafka.brokers(), &carriers);
        let sender = producer(&kafka);
        let part = lines.len() / 4 + 1;
        let mut sent = 0;
        for (round, part) in lines.chunks(part).enumerate() {
            let mut program = Program::serve(&config, &[]);
            send(&sender, part);
            // In the middle of this part, at any commit.
            let middle = i64::try_from(sent + part.len() / 3).unwrap();
            sent += part.len();
            program.applied(middle);
            if round == 1 {
                kafka.stop();
                kafka.start_again();
                program.applied(i64::try_from(sent).unwrap());
            }
            if round < 3 {
                program.kill();
                said(&format!("killed in part {round} of 4"));
            } else {
                program.applied(i64::try_from(sent).unwrap());
                assert_eq!(program.terminate(), Some(0));
            }
        }
        let mut program = Program::serve(&config, &[]);
        let now = jiff::Timestamp::from_millisecond(Clock::start().now().millis()).unwrap();
        let complete =
            |carrier: &String| format!(r#"{{"kind":"complete","platform":"{carrier}","through":"{now}"}}"#);
        let vouched: Vec<String> = carriers.iter().map(complete).collect();
        let vouched: Vec<&[u8]> = vouched.iter().map(String::as_bytes).collect();
        send(&sender, &vouched);
        poll_until("every carrier is complete", || {
            let progress = program.get("/v1/progress");
            let platforms = progress["platforms"].as_array().unwrap();
            let through = |line: &Value| instant(line["complete_through"].as_str().unwrap_or_default());
            let all = platforms.iter().all(|line| through(line) >= Some(now.as_millisecond()));
            (all && platforms.len() == carriers.len()).then_some(())
        });
        said(&format!("{} lines and {} completeness records applied", lines.len(), carriers.len()));
        statement_agrees(&mut program, case);
        said("the statement agrees");
        let lookups = case.rows("lookups.csv");
        let (held, to_come) = lookups_agree(&mut program, &lookups, now.as_millisecond());
        said(&format!(
            "{} lookups agree; unresolved records keep {held:?} open, {to_come} are about instants to come",
            lookups.len()
        ));
        said(&format!("{} timelines agree", timelines_agree(&mut program, case)));
        assert_eq!(program.terminate(), Some(0));
        // Orders without a rider, and records of whose arrival nothing is known but the day of this test.
        assert!(held["unreadable_record"] > 0 && held["conflicting_record"] > 0);
        resolve_all(&config);
        let mut program = Program::serve(&config, &[]);
        let (held, _) = lookups_agree(&mut program, &lookups, now.as_millisecond());
        assert!(held.is_empty(), "after resolving: {held:?}");
        said("after resolving all of them agree");
        assert_eq!(program.terminate(), Some(0));
        let verified = crate::testkit::program::binary().arg("verify").arg("--config").arg(&config).output();
        let verified = verified.unwrap();
        assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stdout));
        dispositions_agree(&folder, &config, case, carriers.len());
        said("verified, and every disposition is counted as the oracle has it");
    }

    fn resolve_all(config: &Path) {
        let mut command = crate::testkit::program::binary();
        let command = command.args(["rejections", "--resolve", "as the oracle", "--config"]).arg(config);
        assert!(command.output().unwrap().status.success());
    }

    /// The counts of all commits together.
    fn dispositions_agree(folder: &TempDir, config: &Path, case: &Case, controls: usize) {
        use coverledger::config::Config;
        use coverledger::ledger::{Ledger, LedgerOptions};
        let config = Config::load(config, &|_| None).unwrap();
        assert!(config.ledger.data_dir.starts_with(folder.path()));
        let ledger = Ledger::open(LedgerOptions::new(&config)).unwrap();
        let state = ledger.published().current();
        let names = ["accepted", "amended", "duplicate", "stale", "conflict", "rejected", "control"];
        let mut counted: BTreeMap<&str, u64> = BTreeMap::new();
        for facts in state.sources().values() {
            names
                .iter()
                .zip(facts.counts)
                .for_each(|(name, count)| *counted.entry(name).or_default() += count);
        }
        let mut expected: BTreeMap<&str, u64> = names.map(|name| (name, 0)).into();
        let rows = case.rows("dispositions.csv");
        for row in &rows {
            *expected.get_mut(row["disposition"].split(':').next().unwrap()).unwrap() += 1;
        }
        expected.insert("control", u64::try_from(controls).unwrap());
        assert_eq!(counted, expected);
    }

    fn statement_agrees(program: &mut Program, case: &Case) {
        let expected = case.rows("statement.csv");
        let months: BTreeSet<String> = expected.iter().map(|row| row["month"].clone()).collect();
        let mut rows: Vec<Row> = Vec::new();
        for month in &months {
            rows.extend(table(program.text(&format!("/v1/statements?month={month}"), "text/csv").as_bytes()));
        }
        for row in &mut rows {
            for zero in ["uncharged_completed", "uncharged_transferred", "unrated"] {
                assert_eq!(row.remove(zero).as_deref(), Some("0"), "{row:?}");
            }
            // The oracle writes four decimals, the contract six.
            let exact = row.get_mut("premium_exact").unwrap();
            *exact = exact.strip_suffix("00").unwrap().to_owned();
        }
        rows.sort_by_key(|row| ["platform", "region", "category", "month"].map(|name| row[name].clone()));
        assert_eq!(rows, expected, "statement");
    }

    /// Asks everything; how many answers unresolved records keep open, by reason, and how many are about what is still to come.
    fn lookups_agree(
        program: &mut Program,
        lookups: &[Row],
        now: i64,
    ) -> (BTreeMap<&'static str, usize>, usize) {
        let questions: Vec<String> = lookups
            .iter()
            .map(|row| json!({"rider_id": row["rider_id"], "at": row["at"]}).to_string())
            .collect();
        let answers = program.post("/v1/coverage/batch", &questions.join("\n"));
        assert_eq!(answers.len(), lookups.len());
        let (mut held, mut to_come) = (BTreeMap::new(), 0);
        for (row, answer) in lookups.iter().zip(&answers) {
            if instant(&row["at"]) > Some(now - 2 * DAY_MS) {
                // The oracle knows that nothing comes after its data; a service does not.
                assert_eq!(
                    (row["verdict"].as_str(), &answer["verdict"]),
                    ("not_covered", &json!("undetermined"))
                );
                to_come += 1;
            } else if answer["verdict"] == "undetermined" {
                assert_eq!(row["verdict"], "not_covered", "an open answer takes no cover away: {answer}");
                let lines = answer["platforms"].as_array().unwrap();
                let given: Vec<&str> = lines.iter().filter_map(|line| line["reason"].as_str()).collect();
                assert!(given.iter().all(|reason| HOLDING.contains(reason)), "{row:?}: {answer}");
                let first = HOLDING.into_iter().find(|reason| given.contains(reason)).unwrap();
                *held.entry(first).or_default() += 1;
            } else {
                assert_eq!(answer["verdict"], row["verdict"].as_str(), "{row:?}: {answer}");
            }
            let name = |window: &Value| {
                format!("{}/{}", window["platform"].as_str().unwrap(), window["order_id"].as_str().unwrap())
            };
            let orders: Vec<String> = answer["windows"].as_array().unwrap().iter().map(name).collect();
            assert_eq!(orders.join(";"), row["covering_orders"], "{row:?}: {answer}");
            let before = instant(answer["nearest_before"]["ends_at"].as_str().unwrap_or_default());
            assert_eq!(before, instant(&row["nearest_end_before"]), "{row:?}: {answer}");
            let after = instant(answer["nearest_after"]["starts_at"].as_str().unwrap_or_default());
            assert_eq!(after, instant(&row["nearest_start_after"]), "{row:?}: {answer}");
        }
        (held, to_come)
    }

    /// Milliseconds; `None` of an empty text.
    fn instant(text: &str) -> Option<i64> {
        (!text.is_empty()).then(|| ExactTime::parse(text).unwrap().floor().millis())
    }

    /// Asks for every timeline; how many there are.
    fn timelines_agree(program: &mut Program, case: &Case) -> usize {
        type Cover = Vec<(Option<i64>, Option<i64>)>;
        let mut expected: BTreeMap<[String; 3], Cover> = BTreeMap::new();
        for row in case.rows("timelines.csv") {
            let key = ["rider_id", "week_from", "week_to"].map(|name| row[name].clone());
            let cover = expected.entry(key).or_default();
            if !row["covered_from"].is_empty() {
                cover.push((instant(&row["covered_from"]), instant(&row["covered_to"])));
            }
        }
        for ([rider, from, to], expected) in &expected {
            let path = format!("/v1/riders/{rider}/timeline?from={from}&to={to}").replace('+', "%2B");
            let found = program.get(&path);
            assert!(found["next_page_token"].is_null(), "one page is enough: {found}");
            let time = |line: &Value, name: &str| instant(line[name].as_str().unwrap());
            let cover = found["cover"].as_array().unwrap().iter();
            let cover: Cover = cover.map(|line| (time(line, "from"), time(line, "to"))).collect();
            assert_eq!(&cover, expected, "{rider} {from}");
        }
        expected.len()
    }
}
