//! The service on librdkafka's mock cluster: from a topic to an answer.

#[cfg(test)]
mod testkit;

#[cfg(test)]
#[path = "service/ahead.rs"]
mod ahead;
#[cfg(test)]
#[path = "service/clock.rs"]
mod clock;
#[cfg(test)]
#[path = "service/overload.rs"]
mod overload;
#[cfg(test)]
#[path = "service/skips.rs"]
mod skips;

#[cfg(test)]
mod tests {
    use crate::testkit::mock;
    use crate::testkit::orders::{TOPIC, config_of, send_to, text};
    use crate::testkit::program::Program;
    use crate::testkit::wait::poll_until;
    use coverledger::telemetry::clock::Clock;
    use std::path::PathBuf;
    use tempfile::TempDir;

    pub(crate) fn config(folder: &TempDir, brokers: &str) -> PathBuf {
        config_of(folder.path(), "coverledger", &(text(brokers, "") + "complete_start = true\n"))
    }

    pub(crate) fn order(id: &str, from: &str, to: &str) -> String {
        format!(
            r#"{{"platform":"meituan","order_id":"{id}","rider_id":"R1","category":"instant_delivery","region":"310115","accepted_at":"{from}","ended_at":"{to}"}}"#
        )
    }

    fn charged(program: &mut Program) -> (i64, String) {
        let statement = program.get("/v1/statements?month=2025-07");
        let line = &statement["lines"][0];
        let premium = line["premium_exact"].as_str().unwrap_or_default().to_owned();
        (line["orders_charged"].as_i64().unwrap_or(0), premium)
    }

    #[test]
    fn an_order_becomes_a_charge_and_an_answer_once() {
        let cluster = mock::cluster(&[(TOPIC, 2)]);
        let (brokers, folder) = (cluster.bootstrap_servers(), TempDir::new().unwrap());
        let config = config(&folder, &brokers);
        let first = order("o1", "2025-07-10T12:00:00+08:00", "2025-07-10T12:30:00+08:00");
        send_to(&brokers, 0, &[first.as_bytes()]);
        let mut program = Program::serve(&config, &[]);
        program.applied(1);
        let path = "/v1/coverage?rider_id=R1&at=2025-07-10T12:07:31%2B08:00";
        let answer = program.get(path);
        assert_eq!(answer["verdict"], "covered", "{answer}");
        assert_eq!(answer["windows"][0]["premium"], "0.25", "{answer}");
        let later = program.get("/v1/coverage?rider_id=R1&at=2025-07-10T12:30:00%2B08:00");
        assert_eq!(later["verdict"], "undetermined", "{later}");
        // The platform vouches for the past: then what is not covered is so for good.
        let now = jiff::Timestamp::from_millisecond(Clock::start().now().millis()).unwrap();
        let complete = format!(r#"{{"kind":"complete","platform":"meituan","through":"{now}"}}"#);
        send_to(&brokers, 1, &[complete.as_bytes()]);
        let verdict = poll_until("it is settled", || {
            let answer = program.get("/v1/coverage?rider_id=R1&at=2025-07-10T12:30:00%2B08:00");
            answer["settled"].as_bool().unwrap().then(|| answer["verdict"].clone())
        });
        assert_eq!(verdict, "not_covered");
        // The same again, and a second order, while it runs and after it was killed.
        let second = order("o2", "2025-07-10T13:00:00+08:00", "2025-07-10T13:30:00+08:00");
        send_to(&brokers, 0, &[first.as_bytes(), second.as_bytes()]);
        program.applied(4);
        assert_eq!(charged(&mut program), (2, "0.500000".to_owned()));
        program.kill();
        let mut program = Program::serve(&config, &[]);
        send_to(&brokers, 1, &[second.as_bytes()]);
        program.applied(5);
        assert_eq!(charged(&mut program), (2, "0.500000".to_owned()));
        let said = program.said();
        assert_eq!(program.terminate(), Some(0), "{said}");
    }

    #[test]
    fn a_second_process_and_an_offset_that_is_gone_are_told() {
        let cluster = mock::cluster(&[(TOPIC, 1)]);
        let (brokers, folder) = (cluster.bootstrap_servers(), TempDir::new().unwrap());
        let config = config(&folder, &brokers);
        let line = order("o1", "2025-07-10T12:00:00+08:00", "2025-07-10T12:30:00+08:00");
        send_to(&brokers, 0, &[line.as_bytes(), line.as_bytes(), line.as_bytes()]);
        let mut program = Program::serve(&config, &[]);
        program.applied(3);
        let second = config.with_file_name("second.toml");
        std::fs::copy(&config, &second).unwrap();
        let (code, said) = Program::serve(&second, &[]).end();
        assert_eq!(code, Some(75), "{said}");
        assert_eq!(program.terminate(), Some(0));
        drop(cluster);
        // Another cluster under the same name, where the offset does not exist.
        let other = mock::cluster(&[(TOPIC, 1)]);
        let config = {
            let text = std::fs::read_to_string(&config).unwrap();
            let text = text.replace(&brokers, &other.bootstrap_servers());
            std::fs::write(&config, text).unwrap();
            config
        };
        let (code, said) = Program::serve(&config, &[]).end();
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains("--skip") && said.contains(TOPIC), "{said}");
    }

    #[test]
    fn poison_is_counted_and_listed_and_a_broker_that_was_away_is_read_on() {
        let cluster = mock::cluster(&[(TOPIC, 1)]);
        let (brokers, folder) = (cluster.bootstrap_servers(), TempDir::new().unwrap());
        let config = config(&folder, &brokers);
        let long = order(&"x".repeat(5_000), "2025-07-10T12:00:00+08:00", "2025-07-10T12:30:00+08:00");
        let good = order("o1", "2025-07-10T12:00:00+08:00", "2025-07-10T12:30:00+08:00");
        let records: [&[u8]; 6] = [b"", b"{", b"\xff\xfe\x00", long.as_bytes(), b"[1, 2]", good.as_bytes()];
        send_to(&brokers, 0, &records);
        let mut program = Program::serve(&config, &[]);
        program.applied(6);
        let page = program.get("/v1/rejections");
        let reasons: Vec<&str> = page["rejections"]
            .as_array()
            .unwrap()
            .iter()
            .map(|line| line["reason"].as_str().unwrap())
            .collect();
        let malformed = "malformed_json";
        assert_eq!(reasons, [malformed, malformed, malformed, "field_too_long", malformed]);
        let metrics = program.text("/metrics", "*/*");
        assert!(metrics.contains("malformed_json"), "{metrics}");
        let bytes = records.iter().map(|record| record.len()).sum::<usize>();
        let taken = format!("coverledger_bytes_in_total{{source=\"kafka\"}} {bytes}\n");
        assert!(metrics.contains(&taken), "{taken}: {metrics}");
        assert!(metrics.contains("coverledger_records_in_total{source=\"kafka\"} 6\n"), "{metrics}");
        cluster.broker_down(1).unwrap();
        let answer = program.get("/v1/coverage?rider_id=R1&at=2025-07-10T12:07:31%2B08:00");
        assert_eq!(answer["verdict"], "covered");
        cluster.broker_up(1).unwrap();
        let more = order("o2", "2025-07-10T13:00:00+08:00", "2025-07-10T13:30:00+08:00");
        send_to(&brokers, 0, &[more.as_bytes(), b"nothing"]);
        program.applied(8);
        assert_eq!(charged(&mut program), (2, "0.500000".to_owned()));
        let applied = program.get("/v1/progress")["partitions"][0]["position"].as_i64();
        assert_eq!(applied, Some(8));
        assert_eq!(program.terminate(), Some(0));
    }
}
