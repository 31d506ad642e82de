//! Orders in words: their windows, the rules that made them, the records that brought them.

use super::terms::{duration, range, ranges, records, time, time_or};
use super::{Language, say};
use crate::coverage::explain::{
    CommitSource, CoverRule, CoveringOrder, OpenOrderLine, SupersededOrder, WindowCode,
};

/// An order and its window.
pub(super) fn covering(order: &CoveringOrder, language: Language) -> String {
    let (name, times, rule) = (name(order, language), times(order, language), rule(&order.rule, language));
    let (covers, source) = (ranges(&order.covers, language), source(&order.source, language));
    match order.code {
        WindowCode::EndedOrder => say!(
            language,
            "{name}：{times}。{rule}，因此保障 {covers}。{source}",
            "{name}: {times}. {rule}, so it covers {covers}. {source}"
        ),
        WindowCode::OpenOrder => {
            let open = order.open.as_ref();
            let through = time_or(open.and_then(|open| open.complete_through.as_ref()), language);
            let max = duration(open.map_or(0, |open| open.max_order_duration_ms), language);
            say!(
                language,
                "{name}：{times}。{rule}，目前确定保障 {covers}：平台记录完整至 {through}，若已结束，其结束记录应已到达；订单最长 {max}。{source}",
                "{name}: {times}. {rule}. So far it certainly covers {covers}: the platform's records are complete through {through}, an earlier end would have arrived; the longest order there is {max}. {source}"
            )
        }
        WindowCode::NotEnded => {
            say!(language, "{name}：{times}。{rule}。{source}", "{name}: {times}. {rule}. {source}")
        }
    }
}

/// An order whose end for the rider is not known.
pub(super) fn open(line: &OpenOrderLine, language: Language) -> String {
    let order = &line.order;
    let (name, times) = (name(order, language), times(order, language));
    let (may_cover, source) = (range(&line.may_cover, language), source(&order.source, language));
    let mut text = say!(
        language,
        "{name}：{times}，可能保障 {may_cover}。",
        "{name}: {times}; it may cover {may_cover}. "
    );
    if let Some(at) = &line.ended_by_another_rider_at {
        let at = time(at);
        text += &say!(language, "该订单由另一骑手于 {at} 结束。", "Another rider ended the order on {at}. ");
    }
    if line.end_rejected {
        text +=
            &say!(language, "有一条被拒收的记录可能是它的结束记录。", "A rejected record may be its end. ");
    }
    text + &source
}

/// A version that no longer counts.
pub(super) fn superseded(version: &SupersededOrder, language: Language) -> String {
    let order = covering(&version.order, language);
    let (revision, by) = (version.superseded_by.revision, source(&version.superseded_by.source, language));
    say!(language, "{order} 后被修订 {revision} 取代：{by}", "{order} Revision {revision} replaced it: {by}")
}

/// The nearest window before or after.
pub(super) fn nearest(order: Option<&CoveringOrder>, is_before: bool, language: Language) -> String {
    match (order.map(|order| covering(order, language)), is_before) {
        (Some(order), true) => say!(language, "之前：{order}", "Before: {order}"),
        (Some(order), false) => say!(language, "之后：{order}", "After: {order}"),
        (None, true) => say!(language, "之前没有订单。", "There is none before."),
        (None, false) => say!(language, "之后没有订单。", "There is none after."),
    }
}

fn name(order: &CoveringOrder, language: Language) -> String {
    let (platform, id, revision, rider) = (&order.platform, &order.order_id, order.revision, &order.rider_id);
    let leg = match order.leg {
        0 => String::new(),
        leg => say!(language, "第 {leg} 段，", "leg {leg}, "),
    };
    say!(
        language,
        "平台 {platform} 订单 {id}（{leg}修订 {revision}，骑手 {rider}）",
        "{platform} order {id} ({leg}revision {revision}, rider {rider})"
    )
}

fn times(order: &CoveringOrder, language: Language) -> String {
    let accepted = time(&order.accepted_at);
    let Some(ended) = order.ended_at.as_deref().map(time) else {
        return say!(language, "{accepted} 接单，结束记录未到", "accepted {accepted}, no end recorded");
    };
    let outcome = outcome(order.outcome.as_deref().unwrap_or_default(), language);
    say!(language, "{accepted} 接单，{ended} {outcome}", "accepted {accepted}, {outcome} {ended}")
}

fn outcome(outcome: &str, language: Language) -> &str {
    match (outcome, language) {
        ("completed", Language::Chinese) => "完成",
        ("cancelled", Language::Chinese) => "取消",
        ("interrupted", Language::Chinese) => "中断",
        ("transferred", Language::Chinese) => "转单",
        ("void", Language::Chinese) => "作废",
        (other, _) => other,
    }
}

fn rule(rule: &CoverRule, language: Language) -> String {
    let (lead, tail) = (duration(rule.lead_ms, language), duration(rule.tail_ms, language));
    let tariff = &rule.tariff;
    match &rule.rule {
        None => say!(
            language,
            "按默认保障规则，自接单起至结束止",
            "By the built-in cover rule cover lasts from acceptance to end"
        ),
        Some(label) => say!(
            language,
            "按保障规则“{label}”（费率表 {tariff}），自接单前 {lead}起至结束后 {tail}止",
            "By the cover rule \"{label}\" (tariff {tariff}) cover lasts from {lead} before acceptance to {tail} after the end"
        ),
    }
}

/// The commit that recorded something, and the records among which it came.
pub(super) fn source(source: &CommitSource, language: Language) -> String {
    let (commit, at) = (source.commit, time(&source.recorded_at));
    let records = records(&source.records, language);
    say!(
        language,
        "由提交 {commit} 于 {at} 入账，来自{records}。",
        "Commit {commit} recorded it on {at}, from {records}."
    )
}
