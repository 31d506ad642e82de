use super::*;
use crate::domain::posting::Disposition;
use crate::domain::verdict::Verdict;
use std::collections::BTreeSet;

fn text(metrics: &Metrics) -> String {
    String::from_utf8(metrics.encode().unwrap()).unwrap()
}

#[track_caller]
fn has(text: &str, line: &str) {
    assert!(text.lines().any(|l| l == line), "`{line}` is not in:\n{text}");
}

/// Metrics after one commit from Kafka.
fn committed() -> Metrics {
    let metrics = Metrics::new().unwrap();
    metrics.received(RecordSource::Kafka, 3, 700);
    metrics.committed(&CommitFacts {
        records: 3,
        bytes: 90,
        took: Duration::from_millis(20),
        fsyncs: &[Duration::from_millis(4), Duration::from_millis(5)],
        events: &[
            EventCount { platform: "dada", disposition: Disposition::Accepted, count: 2 },
            EventCount { platform: "", disposition: Disposition::Rejected(Reason::BadTime), count: 1 },
        ],
        rejections: &[(Reason::BadTime, 1)],
        premiums: &[PremiumMoved {
            platform: "dada",
            category: "instant_delivery",
            charged: Micros::new(500_000),
            reversed: Micros::new(250_000),
        }],
    });
    metrics
}

#[test]
fn every_event_is_counted_where_it_belongs() {
    let metrics = committed();
    metrics.partition(&PartitionFacts { topic: "orders", partition: 7, position: 40, end: Some(45) });
    metrics.completed_through("dada", UtcMillis::new(1_795_147_620_500));
    metrics.late("dada", 4);
    metrics.looked_up(Lookup::Answered(Verdict::Covered), Duration::from_micros(80));
    metrics.compaction_began();
    metrics.compaction_ended(CompactionFacts { done: true, bytes: 12 });
    metrics.sampled(&Sample { runs: 9, unrated: 2, ..Sample::default() });
    assert_eq!(metrics.figures().disk_free_bytes, None);
    metrics.disks(Some(77), Some(78));
    metrics.ingest_paused(true);
    metrics.poisoned();
    metrics.fenced();
    metrics.answer_log_stopped(true);
    metrics.certificate_expires("service.crt", UtcMillis::new(1_795_147_620_000));
    metrics.ready(true);
    metrics.clock_jumped(-6_000);
    metrics.pending("dada", "unreadable_record", 2, None);
    metrics.pending("dada", "rejected_record", 5, None);
    let figures = metrics.figures();
    assert_eq!((figures.records, figures.lookups, figures.unreadable, figures.unrated), (3, 1, 1, 2));
    assert_eq!((figures.is_ready, figures.is_fenced, figures.clock_jumps), (true, true, 1));
    let text = text(&metrics);
    for line in [
        "coverledger_records_in_total{source=\"kafka\"} 3",
        "coverledger_bytes_in_total{source=\"kafka\"} 700",
        "coverledger_events_total{disposition=\"accepted\",platform=\"dada\"} 2",
        "coverledger_events_total{disposition=\"rejected\",platform=\"\"} 1",
        "coverledger_rejections_total{reason=\"bad_time\"} 1",
        "coverledger_rejections_total{reason=\"bad_region\"} 0",
        "coverledger_premium_charged_yuan_total{category=\"instant_delivery\",platform=\"dada\"} 0.5",
        "coverledger_premium_reversed_yuan_total{category=\"instant_delivery\",platform=\"dada\"} 0.25",
        "coverledger_commit_records_sum 3",
        "coverledger_fsync_duration_seconds_count 2",
        "coverledger_partition_lag{partition=\"7\",topic=\"orders\"} 5",
        "coverledger_partition_position{partition=\"7\",topic=\"orders\"} 40",
        "coverledger_complete_through_seconds{platform=\"dada\"} 1795147620.5",
        "coverledger_late_events{platform=\"dada\"} 4",
        "coverledger_ledger_disk_free_bytes 77",
        "coverledger_answer_log_disk_free_bytes 78",
        "coverledger_ingest_paused 1",
        "coverledger_lookups_total{verdict=\"covered\"} 1",
        "coverledger_lookups_total{verdict=\"undetermined\"} 0",
        "coverledger_lookup_duration_seconds_count 1",
        "coverledger_compactions_total 1",
        "coverledger_compactions_running 0",
        "coverledger_compaction_bytes_total 12",
        "coverledger_ledger_runs 9",
        "coverledger_unrated_orders 2",
        "coverledger_poisoned 1",
        "coverledger_fenced 1",
        "coverledger_answer_log_stopped 1",
        "coverledger_tls_certificate_expires_seconds{file=\"service.crt\"} 1795147620",
        "coverledger_ready 1",
        "coverledger_clock_jumps_total 1",
        "coverledger_clock_jump_seconds_total 6",
    ] {
        has(&text, line);
    }
}

#[test]
fn sealed_days_and_receipts_are_counted() {
    let metrics = Metrics::new().unwrap();
    metrics.sealed(Duration::from_secs(3));
    metrics.seal_failed();
    metrics.seals_due(2);
    let through = Some(UtcMillis::new(1_795_147_620_500));
    metrics.seal_log(&SealFacts { days: 5, entries: 6, through });
    metrics.receipt(ReceiptOutcome::Refused);
    metrics.checkpoint_published();
    metrics.checkpoint_failed();
    let text = text(&metrics);
    for line in [
        "coverledger_seals 5",
        "coverledger_seal_log_entries 6",
        "coverledger_sealed_through_seconds 1795147620",
        "coverledger_seals_due 2",
        "coverledger_seal_duration_seconds_sum 3",
        "coverledger_seal_failures_total 1",
        "coverledger_receipts_total{outcome=\"refused\"} 1",
        "coverledger_receipts_total{outcome=\"made\"} 0",
        "coverledger_checkpoints_published_total 1",
        "coverledger_checkpoint_failures_total 1",
    ] {
        has(&text, line);
    }
}

#[test]
fn requests_to_a_store_are_counted_where_there_is_a_store() {
    let metrics = Metrics::new().unwrap();
    assert!(!text(&metrics).contains("store_"), "{}", text(&metrics));
    let ms = Duration::from_millis;
    metrics.watch_store(move || StoreFacts {
        kinds: vec![StoreKind {
            kind: "put",
            results: vec![("ok", 5), ("exists", 1)],
            classes: vec![(ms(1), 2), (ms(25), 3)],
            longer: 1,
            took: ms(1_250),
        }],
        sent_bytes: 70,
        received_bytes: 80,
        deleted_objects: 9,
        cache_hits: 3,
        cache_misses: 4,
    });
    let text = text(&metrics);
    for line in [
        "coverledger_store_requests_total{kind=\"put\",result=\"ok\"} 5",
        "coverledger_store_requests_total{kind=\"put\",result=\"exists\"} 1",
        "coverledger_store_request_seconds_bucket{kind=\"put\",le=\"0.001\"} 2",
        "coverledger_store_request_seconds_bucket{kind=\"put\",le=\"0.025\"} 5",
        "coverledger_store_request_seconds_bucket{kind=\"put\",le=\"+Inf\"} 6",
        "coverledger_store_request_seconds_sum{kind=\"put\"} 1.25",
        "coverledger_store_request_seconds_count{kind=\"put\"} 6",
        "coverledger_store_sent_bytes_total 70",
        "coverledger_store_received_bytes_total 80",
        "coverledger_store_deleted_objects_total 9",
        "coverledger_store_cache_reads_total{result=\"hit\"} 3",
        "coverledger_store_cache_reads_total{result=\"miss\"} 4",
    ] {
        has(&text, line);
    }
}

#[test]
fn platforms_beyond_the_bound_share_a_label() {
    let metrics = Metrics::new().unwrap();
    for number in 0..PLATFORMS_MAX + 10 {
        metrics.late(&format!("p{number}"), 1);
    }
    let text = text(&metrics);
    let series = text.lines().filter(|line| line.starts_with("coverledger_late_events{")).count();
    assert_eq!(series, PLATFORMS_MAX + 1);
    has(&text, "coverledger_late_events{platform=\"other\"} 1");
}

/// Names and labels in the first two columns of the document's table.
fn documented() -> BTreeSet<(String, Vec<String>)> {
    let document = include_str!("../../../docs/metrics.md");
    let rows = document.lines().filter(|line| line.starts_with("| `"));
    rows.flat_map(|row| {
        let mut cells = row.split('|').skip(1);
        let names = cells.next().unwrap();
        // Values of labels follow in parentheses.
        let labels = cells.next().unwrap().split('(').next().unwrap().split(',').map(str::trim);
        let labels: Vec<String> = labels.filter(|label| !label.is_empty()).map(str::to_owned).collect();
        names.split('`').skip(1).step_by(2).map(|name| (name.to_owned(), labels.clone())).collect::<Vec<_>>()
    })
    .collect()
}

#[test]
fn the_document_lists_every_metric_with_its_labels_and_no_other() {
    let owned = |labels: &[&str]| labels.iter().map(|label| (*label).to_owned()).collect();
    let table = table::NAMES.iter().copied().chain(store::STORE.map(|(name, labels, _)| (name, labels)));
    assert_eq!(documented(), table.map(|(name, labels)| (name.to_owned(), owned(labels))).collect());
}
