//! Platforms in words: why a time is final there, or what keeps it open.

use super::terms::{duration, origin, ranges, reach, record, time, time_or};
use super::{Language, orders, say};
use crate::coverage::explain::{
    Asked, By, CompleteRule, Final, GapCode, GapLine, KeptLine, Missing, Open, PendingRecordsLine,
    PlatformWhy, Since, WaitsFor, Why,
};

/// What is final and what is open on a platform.
pub(super) fn lines(platform: &PlatformWhy, why: &Why, language: Language) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(is_final) = &platform.is_final {
        lines.push(settled(is_final, platform, why, language));
        if let Some(since) = &is_final.since {
            lines.push(vouched(since, language));
            lines.extend(read(since, language));
        }
    }
    for open in &platform.open {
        lines.push(opened(open, platform, why, language));
        lines.extend(details(&open.missing, language));
        lines.push(again(open, language));
    }
    lines
}

/// Of an interval, the parts that are meant.
fn parts_of(parts: &[super::super::Span], why: &Why, language: Language) -> String {
    match why.time {
        Asked::Instant { .. } => String::new(),
        Asked::Interval(_) => {
            let parts = ranges(parts, language);
            say!(language, "（{parts}）", " ({parts})")
        }
    }
}

fn settled(is_final: &Final, platform: &PlatformWhy, why: &Why, language: Language) -> String {
    let parts = parts_of(&is_final.parts, why, language);
    let (after, needed) =
        (time(&is_final.complete_after), needed(is_final.complete_rule, platform, why, language));
    match &is_final.since {
        Some(since) => {
            let (commit, at) = (since.commit, time(&since.recorded_at));
            let through = time(&since.complete_through);
            say!(
                language,
                "已完结{parts}：平台记录须完整到晚于 {after}（{needed}）；自提交 {commit}（{at}）起已完整至 {through}。",
                "Settled{parts}: the platform's records had to be complete beyond {after} ({needed}). They are since commit {commit} ({at}): complete through {through}."
            )
        }
        None => {
            let through = time_or(platform.complete_through.as_ref(), language);
            say!(
                language,
                "已完结{parts}：平台记录须完整到晚于 {after}（{needed}），现已完整至 {through}。",
                "Settled{parts}: the platform's records had to be complete beyond {after} ({needed}); they are complete through {through}."
            )
        }
    }
}

fn needed(rule: CompleteRule, platform: &PlatformWhy, why: &Why, language: Language) -> String {
    let max = duration(platform.promise.max_order_duration_ms, language);
    let lead = duration(why.margins.lead_ms, language);
    match rule {
        CompleteRule::EndedOrders => say!(
            language,
            "所查时间加最长订单 {max}和保障提前量 {lead}",
            "the time asked about, plus the longest order of {max} and the widest lead of {lead}"
        ),
        CompleteRule::AnnouncedOrders => say!(
            language,
            "所查时间加保障提前量 {lead}；该平台接单时即上报",
            "the time asked about, plus the widest lead of {lead}: the platform announces each order when it is accepted"
        ),
    }
}

/// By whose word a time is complete.
fn vouched(since: &Since, language: Language) -> String {
    match &since.by {
        By::CompletenessRecord { through, record: Some(place) } => {
            let (through, place) = (time_or(through.as_ref(), language), record(place, language));
            say!(
                language,
                "依据：平台的完整性记录，位于{place}，声明 {through} 之前的事件均已发送。",
                "By the platform's word: its completeness record at {place} states that all its events before {through} were sent."
            )
        }
        By::CompletenessRecord { through, record: None } => {
            let through = time_or(through.as_ref(), language);
            say!(
                language,
                "依据：平台的完整性记录声明 {through} 之前的事件均已发送。",
                "By the platform's word: a completeness record states that all its events before {through} were sent."
            )
        }
        By::DeliveryDelay { newest_event, record: place, delivery_delay_ms } => {
            let delay = duration(*delivery_delay_ms, language);
            let newest = time_or(newest_event.as_ref(), language);
            let place = place.as_ref().map(|place| record(place, language));
            let place =
                place.map_or_else(String::new, |place| say!(language, "，位于{place}", ", at {place}"));
            say!(
                language,
                "依据：平台承诺事件在 {delay}内送达；最新事件的时刻为 {newest}{place}。",
                "By the platform's promise to deliver events within {delay}; the newest event is of {newest}{place}."
            )
        }
        By::StatedCompleteness { through } => {
            let through = time_or(through.as_ref(), language);
            say!(
                language,
                "依据：运营人员在导入文件时声明记录完整至 {through}。",
                "By an operator's word: the ingest of files stated completeness through {through}."
            )
        }
    }
}

/// How far Kafka was read.
fn read(since: &Since, language: Language) -> Option<String> {
    let (least, count) = (since.least_read.as_ref()?, since.partitions);
    let (topic, partition, next) = (&least.topic, least.partition, least.next_offset);
    let read_to = time_or(least.read_to.as_ref(), language);
    let listed = since.least_listed.as_ref().and_then(|listed| listed.listed_at.as_ref());
    let listed = time_or(listed, language);
    Some(say!(
        language,
        "读取：共 {count} 个分区，Kafka 在 {read_to} 前确认的记录均已入账，其中主题 {topic} 分区 {partition} 最靠后（下一偏移量 {next}）；{listed} 时没有未读取的分区。",
        "Reading: of all {count} partitions every record that Kafka had acknowledged before {read_to} is applied; topic {topic}, partition {partition} was read least far (next offset {next}). At {listed} there was no unread partition."
    ))
}

/// The reason that keeps some of the time open.
fn opened(open: &Open, platform: &PlatformWhy, why: &Why, language: Language) -> String {
    let parts = parts_of(&open.parts, why, language);
    let max = duration(platform.promise.max_order_duration_ms, language);
    match &open.missing {
        Missing::ReaderBehind { since, commit } => {
            let since = time(since);
            say!(
                language,
                "未完结{parts}：本只读服务最近一次确认自身状态（提交 {commit}）为最新是在 {since}，此后可能有新的提交，因此不对当前状态下结论。",
                "Open{parts}: this reader could last confirm at {since} that its state, commit {commit}, is the newest. Later commits may be missing, so it says nothing about the present."
            )
        }
        Missing::BeforeRecords { until: None, .. } => say!(
            language,
            "未完结{parts}：该平台未配置 records_from，无法说明任何时间。",
            "Open{parts}: the platform has no records_from in the configuration, so nothing about it settles."
        ),
        Missing::BeforeRecords { until: Some(until), dropped_until } => {
            let (until, from) = (time(until), time_or(platform.promise.records_from.as_ref(), language));
            let dropped = dropped_until.as_ref().map(|at| time(at)).map_or_else(String::new, |at| {
                say!(
                    language,
                    "，{at} 之前的日期已按保留期限删除",
                    ", retention dropped the days before {at}"
                )
            });
            say!(
                language,
                "未完结{parts}：所查时间早于 {until}，账本可能缺少这么早的订单（平台记录始于 {from}{dropped}，订单最长 {max}）。",
                "Open{parts}: the time is before {until}, and the ledger may lack orders that old (the platform's records begin at {from}{dropped}; the longest order is {max})."
            )
        }
        Missing::Gap { .. } => say!(
            language,
            "未完结{parts}：该平台的部分记录从未读取，可能涉及所查时间。",
            "Open{parts}: records of the platform were never read, and they may concern the time."
        ),
        Missing::Incomplete { complete_after, complete_rule, .. } => {
            let after = time_or(complete_after.as_ref(), language);
            let needed = needed(*complete_rule, platform, why, language);
            let through = time_or(platform.complete_through.as_ref(), language);
            say!(
                language,
                "未完结{parts}：平台记录须完整到晚于 {after}（{needed}），目前完整至 {through}。",
                "Open{parts}: the platform's records must be complete beyond {after} ({needed}); they are complete through {through}."
            )
        }
        Missing::OrderOpen { count, .. } => say!(
            language,
            "未完结{parts}：该骑手在该平台有 {count} 个结束时间未知的订单，可能保障所查时间。",
            "Open{parts}: the end of {count} of the rider's orders there is not known; they may cover the time."
        ),
        Missing::RejectedRecord(PendingRecordsLine { count, .. }) => say!(
            language,
            "未完结{parts}：有 {count} 条提到该骑手的记录被拒收且尚未处理，可能涉及所查时间；须由平台补发，或由运营人员处理。",
            "Open{parts}: {count} unresolved rejected records name the rider and may concern the time: the platform has to send them again, mended, or an operator resolves them."
        ),
        Missing::UnreadableRecord(PendingRecordsLine { count, .. }) => say!(
            language,
            "未完结{parts}：有 {count} 条被拒收的记录读不出骑手，可能与任何骑手有关；须由平台补发，或由运营人员处理。",
            "Open{parts}: {count} unresolved rejected records, in which no rider can be read, may concern any rider: the platform has to send them again, mended, or an operator resolves them."
        ),
        Missing::ConflictingRecord(PendingRecordsLine { count, .. }) => say!(
            language,
            "未完结{parts}：有 {count} 条矛盾的记录会使该骑手在所查时间得到保障；须由平台以更高的修订澄清，或由运营人员处理。",
            "Open{parts}: {count} unresolved conflicting records would cover the time: the platform has to say which is right, with a higher revision, or an operator resolves them."
        ),
    }
}

/// What is missing, one by one.
fn details(missing: &Missing, language: Language) -> Vec<String> {
    match missing {
        Missing::BeforeRecords { .. } => Vec::new(),
        Missing::ReaderBehind { commit, .. } => vec![say!(
            language,
            "可稍后再查，或向写入者查询；也可用 known_at={commit} 查询该提交时的状态，其结论是准确的。",
            "Ask again later, or ask the writer; a question with known_at={commit} is about that state, and its answer is exact."
        )],
        Missing::Gap { gaps } => gaps.iter().map(|line| gap(line, language)).collect(),
        Missing::Incomplete { waits_for: what, .. } => vec![waits_for(what, language)],
        Missing::OrderOpen { orders, count } => {
            let lines = orders.iter().map(|order| orders::open(order, language)).collect();
            with_rest(lines, *count, language)
        }
        Missing::RejectedRecord(pending)
        | Missing::UnreadableRecord(pending)
        | Missing::ConflictingRecord(pending) => {
            let lines = pending.records.iter().map(|record| kept(record, language)).collect();
            with_rest(lines, pending.count, language)
        }
    }
}

fn with_rest(mut lines: Vec<String>, count: u64, language: Language) -> Vec<String> {
    let rest = count.saturating_sub(u64::try_from(lines.len()).unwrap_or(u64::MAX));
    if rest > 0 {
        lines.push(say!(language, "另有 {rest} 条。", "There are {rest} more."));
    }
    lines
}

fn gap(gap: &GapLine, language: Language) -> String {
    let (topic, partition) = (&gap.topic, gap.partition);
    let (arrived_by, until) =
        (time_or(gap.arrived_by.as_ref(), language), time_or(gap.until.as_ref(), language));
    match gap.cause {
        GapCode::LateStart => say!(
            language,
            "主题 {topic} 分区 {partition} 不是从头读取的：缺少 {arrived_by} 之前到达的记录，影响到 {until} 为止；导入文件并声明完整可以补上。",
            "Partition {partition} of topic {topic} was not read from its beginning: records that arrived before {arrived_by} are missing and matter up to {until}. A file ingest that states completeness closes the gap."
        ),
        GapCode::Skip => {
            let from = time_or(gap.from.as_ref(), language);
            say!(
                language,
                "运营人员让账本跳过了主题 {topic} 分区 {partition} 的记录：缺少涉及 {from} 之后、在 {arrived_by} 之前到达的记录，影响到 {until} 为止。",
                "An operator let the ledger continue behind records of topic {topic}, partition {partition}: events from {from} on that arrived before {arrived_by} are missing and matter up to {until}."
            )
        }
    }
}

fn waits_for(what: &WaitsFor, language: Language) -> String {
    match what {
        WaitsFor::Partition { topic, partition, read_to } => {
            let read_to = time_or(read_to.as_ref(), language);
            say!(
                language,
                "等待：主题 {topic} 分区 {partition} 尚未读到更晚的末尾（已读到 {read_to} 时的末尾）。",
                "It waits for topic {topic}, partition {partition} to be read to a later end; it was read to the end of {read_to}."
            )
        }
        WaitsFor::Listing { topic, listed_at } => {
            let listed_at = time_or(listed_at.as_ref(), language);
            say!(
                language,
                "等待：确认主题 {topic} 没有未读取的分区（上次确认于 {listed_at}）。",
                "It waits for a request that shows no unread partition of topic {topic}; the last one was at {listed_at}."
            )
        }
        WaitsFor::CompletenessRecord { through } => {
            let through = time_or(through.as_ref(), language);
            say!(
                language,
                "等待：平台发送更晚的完整性记录，或其得到确认（现声明至 {through}）。",
                "It waits for a later completeness record of the platform, or for its confirmation; the newest confirmed one vouches for {through}."
            )
        }
        WaitsFor::NewestEvent { newest_event } => {
            let newest = time_or(newest_event.as_ref(), language);
            say!(
                language,
                "等待：平台发送更晚的事件；该平台不发完整性记录，没有新事件不等于完整（最新事件 {newest}）。",
                "It waits for a later event of the platform, which sends no completeness records: silence is not completeness. The newest event is of {newest}."
            )
        }
        WaitsFor::Statement { through } => {
            let through = time_or(through.as_ref(), language);
            say!(
                language,
                "等待：运营人员在导入文件时声明更晚的完整时刻（现为 {through}）。",
                "It waits for an operator to state completeness with a file ingest; what is stated is {through}."
            )
        }
        WaitsFor::Now => say!(
            language,
            "该平台已完整至账本当前状态，只需等待时间过去。",
            "The platform is complete up to the state that answered: only time has to pass."
        ),
        WaitsFor::Paused => say!(
            language,
            "等待：入账时本机时钟不可信，完整性暂停推进；须由运营人员检查时钟。",
            "Completeness is paused, because the clock was not trusted when the state was committed: an operator has to look at the clock."
        ),
    }
}

fn kept(record: &KeptLine, language: Language) -> String {
    let (id, reason, commit) = (record.rejection, &record.reason, record.commit);
    let (place, at) = (origin(&record.origin, language), time(&record.recorded_at));
    let may_concern = reach(&record.may_concern, language);
    let order = match (&record.platform, &record.order_id) {
        (Some(platform), Some(order)) => {
            say!(language, "，平台 {platform} 订单 {order}", ", {platform} order {order}")
        }
        _ => String::new(),
    };
    say!(
        language,
        "记录 {id}（{reason}{order}）：位于{place}，由提交 {commit} 于 {at} 保存，可能涉及 {may_concern}。",
        "Rejection {id} ({reason}{order}): at {place}, kept by commit {commit} on {at}; it may concern {may_concern}."
    )
}

/// When to ask again.
fn again(open: &Open, language: Language) -> String {
    match &open.ask_again_at {
        Some(at) => {
            let at = time(at);
            say!(language, "可在 {at} 再查。", "Ask again at {at}.")
        }
        None => say!(language, "单靠等待不会改变。", "Time alone will not help."),
    }
}
