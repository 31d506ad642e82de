//! An explanation in words, Chinese and English: a pure function of it.

mod orders;
mod platforms;
mod terms;

use super::{Asked, LimitedTo, Missing, Open, Why};
use crate::domain::verdict::Verdict;
use std::fmt;
use terms::{range, time};

/// The language of words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// 中文
    Chinese,
    /// English
    English,
}

/// An explanation in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words {
    /// The verdict and what it rests on.
    pub headline: String,
    /// What was asked, and of which part of the ledger.
    pub notes: Vec<String>,
    /// The details.
    pub sections: Vec<Section>,
}

/// A heading and its sentences.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// The heading.
    pub title: String,
    /// A paragraph each.
    pub lines: Vec<String>,
}

/// One sentence in the language asked for.
macro_rules! say {
    ($language:expr, $zh:literal, $en:literal $(,)?) => {
        match $language {
            $crate::coverage::explain::Language::Chinese => format!($zh),
            $crate::coverage::explain::Language::English => format!($en),
        }
    };
}
use say;

/// An explanation in words.
pub fn words(why: &Why, language: Language) -> Words {
    Words {
        headline: headline(why, language),
        notes: notes(why, language),
        sections: sections(why, language),
    }
}

fn headline(why: &Why, language: Language) -> String {
    let count = why.windows.len();
    match (why.verdict, count) {
        (Verdict::Covered, 1) => {
            say!(
                language,
                "有保障：1 个订单的保障时段包含所查时间。",
                "Covered: the window of 1 order contains the time."
            )
        }
        (Verdict::Covered, _) => say!(
            language,
            "有保障：{count} 个订单的保障时段包含所查时间。",
            "Covered: the windows of {count} orders contain the time."
        ),
        (Verdict::NotCovered, _) => say!(
            language,
            "无保障，且为最终结论：没有保障时段包含所查时间，此后到达的记录也不会改变结论。",
            "Not covered, and final: no window contains the time, and nothing that still arrives can change this."
        ),
        (Verdict::Undetermined, _) if is_behind(why) => say!(
            language,
            "暂不能确定：本只读服务无法确认自身状态为最新。",
            "Undetermined: this reader cannot confirm that its state is the newest."
        ),
        (Verdict::Undetermined, 0) => say!(
            language,
            "暂不能确定：目前没有保障时段包含所查时间，但仍可能有涉及该时间的订单记录到达。",
            "Undetermined: no window contains the time, but one may still arrive."
        ),
        (Verdict::Undetermined, _) => say!(
            language,
            "暂不能确定：所查时间只有一部分在保障之内，其余部分仍可能有订单记录到达。",
            "Undetermined: windows contain a part of the time; for the rest one may still arrive."
        ),
        (Verdict::PartlyCovered, _) => say!(
            language,
            "部分时段有保障：所查时间的一部分在保障之内，其余部分确定无保障。",
            "Partly covered: windows contain a part of the time; the rest is not covered, and that is final."
        ),
    }
}

/// Whether a reader explains that is behind: it has looked at no order.
fn is_behind(why: &Why) -> bool {
    let says_so = |open: &Open| matches!(open.missing, Missing::ReaderBehind { .. });
    why.platforms.iter().flat_map(|platform| &platform.open).any(says_so)
}

fn notes(why: &Why, language: Language) -> Vec<String> {
    let riders = why.rider_id.join(if language == Language::Chinese { "、" } else { ", " });
    let when = match &why.time {
        Asked::Instant { at } => time(at),
        Asked::Interval(span) => range(span, language),
    };
    let mut notes = vec![say!(language, "所查：骑手 {riders}，{when}。", "Asked: rider {riders}, {when}.")];
    if !why.rider_known && !is_behind(why) {
        notes.push(say!(
            language,
            "账本中没有任何订单提到所查标识（查无此人）：请先核对标识，切勿据此拒赔。",
            "No stored order names any of the identifiers: check them first, and refuse no claim on this."
        ));
    }
    notes.extend(why.limited_to.as_ref().map(|limit| limited(limit, language)));
    if why.platforms.is_empty() && why.verdict == Verdict::Undetermined {
        notes.push(say!(
            language,
            "还没有登记或存有任何平台的记录，无法得出确定结论。",
            "No platform is registered or stored yet: nothing can be settled."
        ));
    }
    notes
}

fn limited(limit: &LimitedTo, language: Language) -> String {
    let regions = limit.regions.join(if language == Language::Chinese { "、" } else { ", " });
    match (&limit.platform, limit.regions.is_empty()) {
        (Some(platform), _) => say!(
            language,
            "按查询者的权限，只查了平台 {platform} 的订单；骑手可能由其他订单保障。",
            "Only orders of platform {platform} were looked at, as the asker may see no others: others may cover the rider."
        ),
        (None, false) => say!(
            language,
            "按查询者的权限，只查了接单地为 {regions} 的订单；骑手可能由其他订单保障。",
            "Only orders accepted in regions {regions} were looked at, as the asker may see no others: others may cover the rider."
        ),
        (None, true) => say!(
            language,
            "按查询者的权限，只查了部分订单；骑手可能由其他订单保障。",
            "Only some orders were looked at, as the asker may see no others: others may cover the rider."
        ),
    }
}

fn sections(why: &Why, language: Language) -> Vec<Section> {
    let mut sections = Vec::new();
    let mut add = |title: String, lines: Vec<String>| {
        if !lines.is_empty() {
            sections.push(Section { title, lines });
        }
    };
    let covering = why.windows.iter().map(|order| orders::covering(order, language));
    add(say!(language, "保障所查时间的订单", "Orders that cover the time"), covering.collect());
    for platform in &why.platforms {
        let name = &platform.platform;
        add(say!(language, "平台 {name}", "Platform {name}"), platforms::lines(platform, why, language));
    }
    let superseded = why.superseded.iter().map(|version| orders::superseded(version, language));
    add(
        say!(
            language,
            "曾经保障所查时间、后被取代的记录",
            "Versions that once covered the time, replaced since"
        ),
        superseded.collect(),
    );
    let nearest = [&why.nearest_before, &why.nearest_after];
    if nearest.iter().any(|near| near.is_some()) {
        let [before, after] = nearest;
        add(
            say!(language, "最近的保障时段", "Nearest windows"),
            vec![
                orders::nearest(before.as_ref(), true, language),
                orders::nearest(after.as_ref(), false, language),
            ],
        );
    }
    sections
}

impl fmt::Display for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.headline)?;
        self.notes.iter().try_for_each(|note| writeln!(f, "{note}"))?;
        for section in &self.sections {
            writeln!(f, "\n{}", section.title)?;
            section.lines.iter().try_for_each(|line| writeln!(f, "  {line}"))?;
        }
        Ok(())
    }
}
