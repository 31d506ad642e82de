//! The dashboard: its metrics exist, its panels lie beside each other, and a real Prometheus understands each query and gives something.

use crate::testkit::prometheus::Prometheus;
use crate::testkit::wait::poll_until;
use crate::{root, text};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;

/// The names that docs/metrics.md lists; a unit test of the registry compares them with it.
fn documented() -> BTreeSet<String> {
    let document = text("docs/metrics.md");
    let rows = document.lines().filter(|line| line.starts_with("| `"));
    let names = rows.flat_map(|row| {
        let names = row.split('|').nth(1).unwrap().split('`').skip(1).step_by(2);
        names.map(str::to_owned).collect::<Vec<_>>()
    });
    names.map(|name| format!("coverledger_{name}")).collect()
}

/// The metrics that a text names, without the endings that histograms get.
fn named(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let metrics = words.filter(|word| word.starts_with("coverledger_"));
    let bare = |word: &str| {
        let ending = ["_bucket", "_sum", "_count"].into_iter().find_map(|ending| word.strip_suffix(ending));
        ending.unwrap_or(word).to_owned()
    };
    metrics.map(bare).collect()
}

#[test]
fn rules_and_dashboards_name_metrics_that_exist() {
    let known = documented();
    for file in ["ops/prometheus/alerts.yml", "ops/grafana/coverledger.json"] {
        let unknown: Vec<String> = named(&text(file)).difference(&known).cloned().collect();
        assert_eq!(unknown, Vec::<String>::new(), "{file}");
    }
    assert!(named(&text("ops/prometheus/alerts.yml")).len() > 20);
}

/// The panels of every dashboard.
fn panels() -> Vec<Value> {
    let mut panels = Vec::new();
    for entry in fs::read_dir(root().join("ops/grafana")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|ending| ending == "json") {
            let dashboard: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
            panels.extend(dashboard["panels"].as_array().unwrap().iter().cloned());
        }
    }
    assert!(panels.len() > 50, "{} panels", panels.len());
    panels
}

#[test]
fn panels_have_numbers_of_their_own_and_overlap_nowhere() {
    let (mut ids, mut cells) = (BTreeSet::new(), BTreeSet::new());
    for panel in panels() {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{panel}");
        let [x, y, w, h] = ["x", "y", "w", "h"].map(|name| panel["gridPos"][name].as_u64().unwrap());
        assert!(x + w <= 24, "{panel}");
        for place in (y..y + h).flat_map(|line| (x..x + w).map(move |column| (line, column))) {
            assert!(cells.insert(place), "another panel lies there, too: {panel}");
        }
    }
}

/// A query of a panel, with its variables filled in.
struct Query {
    row: String,
    panel: String,
    expression: String,
}

fn queries() -> Vec<Query> {
    let (mut queries, mut row) = (Vec::new(), String::new());
    for panel in panels() {
        let title = panel["title"].as_str().unwrap().to_owned();
        if panel["type"] == "row" {
            row = title;
            continue;
        }
        for target in panel["targets"].as_array().unwrap() {
            let expression = target["expr"].as_str().unwrap();
            let expression = expression.replace("$__rate_interval", "5s").replace("$instance", ".*");
            queries.push(Query { row: row.clone(), panel: title.clone(), expression });
        }
    }
    assert!(queries.len() > 50, "{} queries", queries.len());
    queries
}

/// Each query is understood, and gives something where `gives` says so.
fn check(prometheus: &Prometheus, gives: impl Fn(&Query) -> bool) {
    for query in queries() {
        let Query { row, panel, expression } = &query;
        poll_until(&format!("{row}: {panel}: {expression}"), || {
            let found = prometheus.query(expression);
            (!found.is_empty() || !gives(&query)).then_some(())
        });
    }
}

/// Of a service whose ledger lies in a directory.
pub(crate) fn of_a_directory(prometheus: &Prometheus) {
    // No receipt was asked for within the time of a rate, no day is sealed, and there is no certificate.
    let empty = ["Time of a lookup", "Certificate", "Time until an answer is durable", "Premium charged"];
    check(prometheus, |query| query.row != BUCKET && !empty.contains(&query.panel.as_str()));
}

/// Of a service whose ledger lies in a bucket: its own row.
pub(crate) fn of_a_bucket(prometheus: &Prometheus) {
    check(prometheus, |query| query.row == BUCKET);
}

/// The row of what only a ledger in a bucket has.
const BUCKET: &str = "Bucket";
