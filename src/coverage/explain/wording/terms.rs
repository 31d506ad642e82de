//! Times, durations and places in words.

use super::{Language, say};
use crate::coverage::explain::{Reach, RecordLine, Records, Span};
use crate::coverage::rejection::OriginLine;

const HOUR_MS: i64 = 3_600_000;
const MINUTE_MS: i64 = 60_000;
const SECOND_MS: i64 = 1_000;

/// `2026-11-20T12:07:31.000+08:00` as `2026-11-20 12:07:31+08:00`.
pub(super) fn time(rfc3339: &str) -> String {
    rfc3339.replacen('T', " ", 1).replacen(".000", "", 1)
}

/// A time that may not be known.
pub(super) fn time_or(rfc3339: Option<&String>, language: Language) -> String {
    match rfc3339 {
        Some(at) => time(at),
        None => say!(language, "（尚无）", "(none yet)"),
    }
}

pub(super) fn range(span: &Span, language: Language) -> String {
    let (from, to) = (time(&span.from), time(&span.to));
    say!(language, "{from} 至 {to}（不含）", "{from} up to {to}")
}

pub(super) fn ranges(spans: &[Span], language: Language) -> String {
    let ranges: Vec<String> = spans.iter().map(|span| range(span, language)).collect();
    ranges.join(if language == Language::Chinese { "，以及 " } else { " and " })
}

/// A stretch of time that may have no bounds.
pub(super) fn reach(reach: &Reach, language: Language) -> String {
    match (reach.from.as_deref().map(time), reach.to.as_deref().map(time)) {
        (Some(from), Some(to)) => say!(language, "{from} 至 {to}（不含）", "{from} up to {to}"),
        (Some(from), None) => say!(language, "{from} 起的任何时间", "any time from {from} on"),
        (None, Some(to)) => say!(language, "{to} 之前的任何时间", "any time before {to}"),
        (None, None) => say!(language, "任何时间", "any time"),
    }
}

pub(super) fn duration(ms: i64, language: Language) -> String {
    let (number, zh, en) = match ms {
        0 => (0, "秒", "s"),
        ms if ms % HOUR_MS == 0 => (ms / HOUR_MS, "小时", "h"),
        ms if ms % MINUTE_MS == 0 => (ms / MINUTE_MS, "分钟", "min"),
        ms if ms % SECOND_MS == 0 => (ms / SECOND_MS, "秒", "s"),
        ms => (ms, "毫秒", "ms"),
    };
    say!(language, "{number} {zh}", "{number} {en}")
}

/// The records that a commit took in, as alternatives.
pub(super) fn records(records: &[Records], language: Language) -> String {
    if records.is_empty() {
        return say!(language, "此视图不显示的记录", "records that this view does not show");
    }
    let places: Vec<String> = records.iter().map(|records| place_of(records, language)).collect();
    places.join(if language == Language::Chinese { "，或" } else { ", or " })
}

fn place_of(records: &Records, language: Language) -> String {
    match records {
        Records::Kafka { topic, partition, first_offset, last_offset } if first_offset == last_offset => {
            kafka(topic, *partition, *first_offset, language)
        }
        Records::Kafka { topic, partition, first_offset, last_offset } => say!(
            language,
            "主题 {topic} 分区 {partition} 偏移量 {first_offset} 至 {last_offset} 之一",
            "topic {topic}, partition {partition}, one of the offsets {first_offset} to {last_offset}"
        ),
        Records::Files { first_line, last_line } if first_line == last_line => {
            say!(language, "导入文件的第 {first_line} 行", "line {first_line} of an ingested file")
        }
        Records::Files { first_line, last_line } => say!(
            language,
            "导入文件中的一行（该提交读入的首行为第 {first_line} 行，末行为第 {last_line} 行）",
            "a line of ingested files, of which the commit read line {first_line} first and line {last_line} last"
        ),
        Records::Redrive { first_rejection, last_rejection } if first_rejection == last_rejection => say!(
            language,
            "重新送入的被拒收记录 {first_rejection}",
            "rejection {first_rejection}, which was sent again"
        ),
        Records::Redrive { first_rejection, last_rejection } => say!(
            language,
            "重新送入的被拒收记录 {first_rejection} 至 {last_rejection} 之一",
            "one of the rejections {first_rejection} to {last_rejection}, which were sent again"
        ),
    }
}

pub(super) fn kafka(topic: &str, partition: i32, offset: i64, language: Language) -> String {
    say!(
        language,
        "主题 {topic} 分区 {partition} 偏移量 {offset}",
        "topic {topic}, partition {partition}, offset {offset}"
    )
}

/// Where one record lies, and which commit took it in.
pub(super) fn record(record: &RecordLine, language: Language) -> String {
    let place = kafka(&record.topic, record.partition, record.offset, language);
    let (commit, at) = (record.commit, time(&record.recorded_at));
    say!(language, "{place}（提交 {commit}，{at}）", "{place} (commit {commit}, {at})")
}

/// Where a kept record came from.
pub(super) fn origin(origin: &OriginLine, language: Language) -> String {
    match origin {
        OriginLine::Kafka { topic, partition, offset, .. } => kafka(topic, *partition, *offset, language),
        OriginLine::File { content, line } => say!(
            language,
            "文件第 {line} 行（至该行的内容哈希 {content}）",
            "line {line} of the file with the content hash {content} up to it"
        ),
        OriginLine::Redrive { of } => {
            say!(language, "重新送入的被拒收记录 {of}", "rejection {of}, which was sent again")
        }
    }
}
