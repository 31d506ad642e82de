//! Processes of a ledger in a bucket: alarms of those that follow the writer, and of files beside the chain.

use super::dashboards;
use crate::testkit::machine::Machine;
use crate::testkit::prometheus::Prometheus;
use crate::testkit::seaweedfs::SeaweedFs;
use crate::testkit::store_proxy::StoreProxy;
use std::fs;
use std::path::PathBuf;
use tempfile::TempDir;

const QUESTION: &str = "/v1/coverage?rider_id=R1&at=2025-07-10T08:10:00%2B08:00";

fn config(folder: &TempDir) -> PathBuf {
    let path = folder.path().join("coverledger.toml");
    let text = "[http]\nlisten = \"127.0.0.1:0\"\n[[rate]]\ncategory = \"instant_delivery\"\nper_order = \"0.07\"\n\
                [platform.meituan]\nrecords_from = 2025-07-01\n";
    fs::write(&path, text).unwrap();
    path
}

#[test]
fn each_alarm_of_a_ledger_in_a_bucket_fires_while_its_cause_is_there_and_clears_when_it_is_gone() {
    let (seaweed, proxy) = (SeaweedFs::start(), StoreProxy::plain());
    let (one, other) = (Machine::new(&seaweed, config), Machine::new(&seaweed, config));
    let mut writer = one.serve(&[]);
    writer.ready();
    let prometheus = Prometheus::start(&writer.address());
    prometheus.fires("CoverledgerNoStandby");
    let mut standby = other.serve_through(&proxy, &["--standby"]);
    standby.ready();
    prometheus.scrape(&[writer.address().as_str(), standby.address().as_str()]);
    prometheus.clears("CoverledgerNoStandby");
    writer.get(QUESTION);
    dashboards::of_a_bucket(&prometheus);
    // The standby alone has no way to the store.
    proxy.cut(true);
    prometheus.fires("CoverledgerReaderBehind");
    standby.get(QUESTION);
    prometheus.fires("CoverledgerBesideFailing");
    proxy.cut(false);
    prometheus.clears("CoverledgerReaderBehind");
    prometheus.clears("CoverledgerBesideFailing");
    assert_eq!(standby.terminate(), Some(0));
    assert_eq!(writer.terminate(), Some(0));
}
