//! What the page says, in Chinese and English.

use super::identifier::{Finding, Ident, Lookalike};
use crate::coverage::instant::{TypedError, offset, typed_forms};
use crate::coverage::warning::Warning;
use crate::domain::verdict::Verdict;

macro_rules! words {
    ($($field:ident: $zh:literal, $en:literal;)*) => {
        /// Every text of the page in one language.
        #[derive(Debug)]
        pub(super) struct Words {
            $(pub(super) $field: &'static str,)*
        }

        static ZH: Words = Words { $($field: $zh,)* };
        static EN: Words = Words { $($field: $en,)* };
    };
}

words! {
    lang: "zh-CN", "en";
    short_lang: "zh", "en";
    other_lang: "en", "zh";
    other_lang_name: "English", "中文";
    title: "职业伤害保障查询", "Occupational-injury cover";
    subtitle: "骑手在某一时刻是否在保障之内", "Was this rider covered at that moment?";
    ask: "查询", "Ask";
    clear: "清空", "Clear";
    rider: "骑手标识", "Rider identifier";
    rider_hint: "平台上报的标识，逐字填写。同一人的多个标识用空格、逗号或换行分隔", "As the platforms report it, letter for letter. Several identifiers of one person: with blanks, commas or new lines between them";
    at: "时刻", "Instant";
    at_hint: "例如 2026-11-20 12:07:31、2026年11月20日 9:07（整分钟）、2026-11-20（整天）", "Such as 2026-11-20 12:07:31, 2026/11/20 9:07 (that minute), 2026-11-20 (that day)";
    or_interval: "或一段时间", "or an interval";
    from: "从", "From";
    to: "到（不含；只写日期则含当天）", "To (exclusive; a date alone: through that day)";
    more: "更多条件", "More";
    platform: "只查平台", "Only platforms";
    platform_hint: "留空为全部平台；多个用空格分隔", "Empty: all of them; several with spaces";
    reference: "案件编号", "Case reference";
    reference_hint: "原样印在结果上", "Printed with the answer";
    zone_note: "时间按", "Times are of the zone";
    verdict_heading: "结论", "Verdict";
    covered: "有保障", "Covered";
    not_covered: "无保障", "Not covered";
    undetermined: "暂不能确定", "Cannot be said yet";
    partly_covered: "部分时段有保障", "Partly covered";
    covered_why: "这一时间在下列订单的保障之内。", "The time lies within the cover of the orders below.";
    not_covered_why: "没有订单覆盖这一时间，各平台的记录均已完整，此后到达的记录也不会改变结论。", "No order covers the time, the records of every platform are complete, and nothing that still arrives can change this.";
    undetermined_why: "目前没有订单覆盖（全部）这一时间，但还不能排除；原因见下方各平台。", "No order known so far covers (all of) the time, but one cannot be excluded; the platforms below say why.";
    partly_why: "这段时间一部分在订单的保障之内，其余部分确定没有。", "Orders cover part of the interval; the rest is certainly not covered.";
    covered_open_note: "个别平台尚未完结，可能还有更多订单，但不改变“有保障”的结论。", " Some platforms are not settled: more orders may come, but “covered” stays.";
    asked_rider: "骑手", "Rider";
    asked_time: "查询时间", "Time asked";
    parts: "各时段结论", "The interval in parts";
    timeline: "前后时间线", "Timeline around it";
    figure_cover: "保障", "Cover";
    figure_no_cover: "图中时段没有保障", "none in the time shown";
    figure_orders: "订单", "Orders";
    figure_asked: "查询", "Asked";
    figure_left_out: "订单过多，图中未全部画出。", "There are more orders than the picture shows.";
    orders: "覆盖这一时间的订单", "Orders that cover the time";
    no_orders: "没有订单覆盖这一时间。", "No order covers the time.";
    col_platform: "平台", "Platform";
    col_order: "订单号", "Order";
    col_cover: "保障时段", "Cover";
    col_kind: "类别与地区", "Category and region";
    col_premium: "保费", "Premium";
    col_tariff: "费率依据", "Tariff rule";
    col_recorded: "入账", "Recorded";
    leg: "第 {} 段", "leg {}";
    revision: "修订", "revision";
    commit: "提交", "commit";
    still_open: "未结束", "still open";
    yuan: "元", "yuan";
    no_premium: "未计费", "not charged yet";
    builtin_cover: "默认保障规则", "built-in cover rule";
    nearest: "最近的订单", "Nearest orders";
    before: "之前", "Before";
    after: "之后", "After";
    ended_at: "结束于", "ended";
    started_at: "开始于", "started";
    apart: "相距", "distance";
    none_before: "之前没有订单", "none before";
    none_after: "之后没有订单", "none after";
    platforms: "各平台情况", "Platforms";
    no_platforms: "还没有登记或出现过任何平台。", "No platform is registered or known yet.";
    settled: "已完结", "Settled";
    unsettled: "未完结", "Not settled";
    settled_text: "这一时间的记录已经完整，不会再变。", "The records about the time are complete and final.";
    before_records: "这一时间早于该平台可以说明的记录范围。", "The time lies before the records that this platform's answers can rest on.";
    gap: "该平台这段时间的记录有缺失（读取前已丢失，或被跳过）。", "Records of this platform are missing around the time (lost before they were read, or skipped).";
    incomplete: "可能覆盖这一时间的订单记录尚未全部到达。", "Records that could cover the time may still arrive.";
    order_open: "该骑手在该平台有一笔结束时间未知的订单，可能覆盖这一时间。", "The rider has an order there whose end is not known; it may cover the time.";
    rejected_record: "有一条提到该骑手的记录被拒收且尚未处理，可能覆盖这一时间。", "A record that names the rider was rejected and is not resolved; it may cover the time.";
    unreadable_record: "该平台有被拒收的记录读不出是哪位骑手，可能与该骑手有关并覆盖这一时间；运营人员须补发或处理这些记录。", "A rejected record in which no rider can be read may concern this rider and cover the time: an operator has to send it again, mended, or resolve it.";
    conflicting_record: "有一条与已入账记录矛盾的记录会使该骑手在这一时间得到保障；须由平台澄清，再由运营人员处理。", "A record that contradicts a booked one would cover the time for this rider: the platform has to say which is right, and an operator resolves it.";
    no_record: "查无此人", "No record of this identifier";
    no_record_why: "账本里没有任何订单提到所查的标识，因此对任何人的保障情况都不能下结论。请先核对标识，切勿据此拒赔。", "No stored order names what was asked for, so this says nothing about any person's cover. Check the identifier first; do not refuse a claim on this.";
    no_record_but_rejected: "没有已入账的订单提到所查的标识，但有被拒收或矛盾的记录提到它（见下方各平台），处理之前不能下结论。", "No booked order names what was asked for, but a rejected or conflicting record does (see the platforms below): nothing can be said until it is resolved.";
    check: "请核对标识", "Check the identifier";
    check_scheme: "平台上报的是实名标识；手机号、工号、平台账号、证件号码都查不到。", "Platforms report one identifier of the person. A phone number, a staff number, a platform account or the number of a document finds nothing.";
    check_letters: "逐字核对：大小写、首尾空格、全角字符，以及数字 0 与字母 O、数字 1 与字母 l 或 I。", "Compare letter for letter: case, blanks at the ends, full-width characters, the digit 0 and the letter O, the digit 1 and the letters l and I.";
    check_time: "骑手可能尚未接过单，或记录还没有送到。", "The rider may not have taken an order yet, or the records have not arrived.";
    seen_in: "所填标识", "In what was typed";
    unknown_here: "没有记录", "no record";
    ask_instead: "改查", "Ask instead about";
    ask_several: "改查这几个标识", "Ask instead about these";
    is_stored: "该写法有记录", "a record exists of this form";
    find_edges: "首尾有空白。", "It begins or ends with a blank.";
    find_several: "中间有空格、逗号或分号，可能是几个标识。", "There are blanks, commas or semicolons inside: these may be several identifiers.";
    find_unseen: "含有看不见的字符：{}。", "It holds characters that cannot be seen: {}.";
    find_width: "含有全角或其他变体字符：{}。", "It holds full-width or other variant forms of characters: {}.";
    find_not_nfc: "不是 Unicode 规范形式 NFC：看起来相同的文字，编码不同。", "It is not in Unicode's normal form NFC: it looks the same and is another text.";
    find_alike: "含有形似的其他文字的字母：{}。", "It holds letters of another script that look like plain ones: {}.";
    find_alike_one: "{}（{} {}）形似 {}", "{} ({}, {}) looks like {}";
    find_signs: "含有形似普通字符的符号：{}。", "It holds signs that look like plain ones: {}.";
    find_sign_one: "{}（{}）形似 {}", "{} ({}) looks like {}";
    find_confused: "含有容易混淆的字符：{}。", "It holds characters that are easily taken for one another: {}.";
    rider_exact: "含空格或逗号的标识", "An identifier with blanks or commas inside";
    answered_at: "查询于", "Asked on";
    mistakes: "请修改下列各项", "Please correct the following";
    region_orders: "订单表，可左右滚动", "Table of orders; scrolls sideways";
    region_superseded: "被更正的记录表，可左右滚动", "Table of replaced versions; scrolls sideways";
    complete_through: "记录完整至", "Complete through";
    ask_again: "可在此时再查", "Ask again at";
    time_will_not_help: "等待不会改变，需由运营人员处理。", "Waiting will not help: an operator has to look into it.";
    superseded: "曾经覆盖、后被更正的记录", "Versions that once covered the time";
    replaced_by: "被修订 {} 取代", "replaced by revision {}";
    disputed: "有争议的记录", "Disputed records";
    disputed_text: "与已入账的同一修订内容不同，以先到的为准：不会取消已有的保障，但处理之前可能使结论暂不能确定。", "They contradict a recorded revision. The first one stands and no cover is taken away, but until they are resolved the answer may stay open.";
    warnings: "请注意", "Please note";
    rider_seen: "该骑手的记录", "Records of this rider";
    seen_on: "出现于", "on";
    never_seen: "没有任何已存订单提到该骑手", "No stored order names this rider";
    evidence: "依据", "Evidence";
    evidence_text: "同一问题在同一账本状态下，答案永远相同。", "The same question, put to the same state of the ledger, always has the same answer.";
    state: "账本状态", "State of the ledger";
    recorded_at: "入账时刻", "recorded at";
    config: "配置", "configuration";
    as_json: "以 JSON 取得同一答案", "The same answer as JSON";
    category_ride_hailing: "出行", "ride-hailing";
    category_instant_delivery: "即时配送", "instant delivery";
    category_intra_city_freight: "同城货运", "intra-city freight";
    outcome_completed: "已完成", "completed";
    outcome_cancelled: "已取消", "cancelled";
    outcome_interrupted: "中断", "interrupted";
    outcome_transferred: "已转单", "transferred";
    example_from: "2026-11-20 08:00", "2026-11-20 08:00";
    example_to: "2026-11-20 18:00", "2026-11-20 18:00";
    outcome_void: "作废", "void";
    whole_minute: "整分钟", "the whole minute";
    whole_day: "整天", "the whole day";
    days: "天", "d";
    hours: "小时", "h";
    minutes: "分", "min";
    seconds: "秒", "s";
    error_heading: "无法回答", "No answer";
    error_rider_missing: "请填写骑手标识", "A rider identifier is needed";
    error_rider_bad: "骑手标识为 1 至 256 字节，不含控制字符", "A rider identifier has 1 to 256 bytes and no control characters";
    error_time_missing: "请填写时间", "A time is needed";
    error_both: "时刻和时段只能填一种", "Give an instant or an interval, not both";
    error_time_form: "无法识别，请写成下列之一：{}", "This is no time. Write it like one of: {}";
    error_no_such_time: "没有这个日期或时间", "There is no such date or time of day";
    error_year: "年份须为四位数字（当地时间 0000 至 9999 年）；该时间本身或其结束超出了这个范围", "The year must have four digits in local time (0000 to 9999); this time, or its end, lies beyond";
    error_twice: "时钟回拨，当地有两个这样的时间；请在末尾写明时差：{} 或 {}", "The clocks went back, so this local time came twice. Write its offset at the end: {} or {}";
    error_day_order: "分不清月和日，请先写年：{}", "Day and month cannot be told apart. Write the year first: {}";
    error_no_date: "缺少日期，请写成下列之一：{}", "The date is missing. Write the time like one of: {}";
    error_never: "时钟拨快，当地没有这个时间", "The clocks went forward: there was no such local time";
    error_interval_empty: "结束必须晚于开始", "The end must be later than the start";
    error_interval_long: "时段过长，请缩短", "The interval is longer than may be asked about";
    error_riders_many: "标识过多", "Too many identifiers";
    error_address: "网址无法识别", "The address cannot be read";
    error_parameter_unknown: "网址中有本页没有的参数：{}", "The address has a parameter that this page does not have: {}";
    error_parameter_twice: "网址中的参数只能出现一次：{}", "The address gives a parameter more than once: {}";
    error_service: "服务暂时无法回答，请稍后再试", "The service cannot answer at the moment: try again later";
    more_orders: "另有 {} 笔，见 JSON。", "{} more are in the JSON answer.";
    error_platform: "平台名由 1 至 32 个 a-z、0-9、_、- 组成", "A platform name has 1 to 32 characters of a-z, 0-9, _ and -";
    error_reason_missing: "请填写案件编号或查询理由", "State a case reference or a reason";
    sign_in: "登录", "Sign in";
    sign_out: "退出", "Sign out";
    account_name: "账号", "Account";
    password: "密码", "Password";
    sign_in_wrong: "账号或密码不正确", "The account or the password is wrong";
    sign_in_wait: "失败次数过多，请 {} 秒后再试", "Too many failures: try again in {} s";
    sign_in_busy: "登录的人过多，请稍后再试", "Too many people sign in at this moment: try again shortly";
    sign_in_stale: "登录页已过期，请重新填写", "The sign-in page had expired: fill it in again";
    sign_in_at: "用 {} 登录", "Sign in with {}";
    sign_in_or: "或用本系统账号登录", "or with an account of this service";
    signed_in: "已登录", "Signed in";
    go_on: "继续", "Go on";
    oidc_stale: "这次登录已过期或不是在本浏览器发起的，请重新登录", "This sign-in has expired, or this browser did not begin it: sign in again";
    oidc_refused: "登录未完成：{}", "The sign-in was not completed: {}";
    oidc_unreachable: "暂时无法通过 {} 登录，请稍后再试；若持续出现请联系管理员", "Signing in with {} does not work at this moment: try again shortly, or tell the operator";
    oidc_no_role: "您已通过 {} 登录，但在本系统没有角色。请联系管理员为您分配角色", "You signed in with {}, but you have no role here. Ask the operator for one";
    oidc_disabled: "您的账号已在本系统停用，请联系管理员", "Your account is disabled here: ask the operator";
    no_page_for_role: "您的角色没有可用的页面，请使用接口", "Your role has no pages: use the interface";
    no_sign_in: "未配置登录：本机上的任何人都可以查询", "No sign-in is configured: everyone on this machine may ask";
    error_reference: "案件编号最多 256 字节，不含控制字符", "A reference has at most 256 bytes and no control characters";
    warn_unseen: "没有任何已存订单提到该骑手：请核对标识", "no stored order names this rider: check the identifier";
    warn_no_platform: "还没有登记或存有任何平台的记录，无法得出确定结论", "no platform is registered or stored yet: nothing can be settled";
    warn_unknown_platform: "从未登记、也没有记录的平台：", "never registered, and nothing of it is stored: platform ";
    warn_other_rider: "该骑手接单、由他人结束的订单：", "accepted by this rider and ended by another: order ";
    warn_limited_view: "按您的权限只查了这些平台或地区的订单：{}。骑手可能由其他订单覆盖，切勿据此拒赔。", "As you may see no others, only orders of these platforms or regions were looked at: {}. Others may cover the rider: do not refuse a claim on this.";
    warn_unreadable_ignored: "有无法读出骑手的被拒收记录尚未处理，按配置未计入结论：", "unresolved rejected records in which no rider can be read are passed over, as configured: platform ";
}

/// A text with what belongs into its gaps.
pub(super) fn fill(text: &str, values: &[&str]) -> String {
    values.iter().fold(text.to_owned(), |text, value| text.replacen("{}", value, 1))
}

fn spaced(characters: &str) -> String {
    characters.chars().map(String::from).collect::<Vec<_>>().join(" ")
}

/// The language that is asked for by name, else accepted by the browser, else Chinese.
pub(super) fn choose(named: Option<&str>, accepted: Option<&str>) -> &'static Words {
    let by_name = |name: &str| match name.trim().get(..2).map(str::to_ascii_lowercase).as_deref() {
        Some("zh") => Some(&ZH),
        Some("en") => Some(&EN),
        _ => None,
    };
    let first_accepted = || accepted?.split(',').find_map(|range| by_name(range.split(';').next()?));
    named.and_then(by_name).or_else(first_accepted).unwrap_or(&ZH)
}

impl Words {
    pub(super) fn verdict(&self, verdict: Verdict) -> &'static str {
        match verdict {
            Verdict::Covered => self.covered,
            Verdict::NotCovered => self.not_covered,
            Verdict::Undetermined => self.undetermined,
            Verdict::PartlyCovered => self.partly_covered,
        }
    }

    pub(super) fn why(&self, verdict: Verdict) -> &'static str {
        match verdict {
            Verdict::Covered => self.covered_why,
            Verdict::NotCovered => self.not_covered_why,
            Verdict::Undetermined => self.undetermined_why,
            Verdict::PartlyCovered => self.partly_why,
        }
    }

    pub(super) fn reason(&self, reason: &str) -> &'static str {
        match reason {
            "before_records" => self.before_records,
            "gap" => self.gap,
            "order_open" => self.order_open,
            "rejected_record" => self.rejected_record,
            "unreadable_record" => self.unreadable_record,
            "conflicting_record" => self.conflicting_record,
            _ => self.incomplete,
        }
    }

    pub(super) fn time_error(&self, error: TypedError) -> String {
        let forms = typed_forms(self.whole_minute, self.whole_day);
        match error {
            TypedError::Form => fill(self.error_time_form, &[&forms]),
            TypedError::DayOrder => fill(self.error_day_order, &[&forms]),
            TypedError::NoDate => fill(self.error_no_date, &[&forms]),
            TypedError::NoSuchTime => self.error_no_such_time.to_owned(),
            TypedError::Year => self.error_year.to_owned(),
            TypedError::Twice { first_s, second_s } => {
                fill(self.error_twice, &[&offset(first_s), &offset(second_s)])
            }
            TypedError::Never => self.error_never.to_owned(),
        }
    }

    /// What is seen in an identifier.
    pub(super) fn finding(&self, finding: &Finding) -> String {
        let one = |letter: &Lookalike| {
            let Lookalike { letter, script, code_point, looks_like } = letter;
            fill(self.find_alike_one, &[&letter.to_string(), script, code_point, looks_like])
        };
        let sign = |sign: &Lookalike| {
            let Lookalike { letter, code_point, looks_like, .. } = sign;
            fill(self.find_sign_one, &[&letter.to_string(), code_point, looks_like])
        };
        match finding {
            Finding::EdgeBlanks => self.find_edges.to_owned(),
            Finding::Several => self.find_several.to_owned(),
            Finding::Unseen(code_points) => fill(self.find_unseen, &[&code_points.join(", ")]),
            Finding::Width(characters) => fill(self.find_width, &[&spaced(characters)]),
            Finding::NotNfc => self.find_not_nfc.to_owned(),
            Finding::Lookalikes(letters) => {
                fill(self.find_alike, &[&letters.iter().map(one).collect::<Vec<_>>().join("; ")])
            }
            Finding::SignsAlike(signs) => {
                fill(self.find_signs, &[&signs.iter().map(sign).collect::<Vec<_>>().join("; ")])
            }
            Finding::EasilyConfused(characters) => fill(self.find_confused, &[&spaced(characters)]),
        }
    }

    pub(super) fn category(&self, name: &str) -> String {
        match name {
            "ride_hailing" => self.category_ride_hailing,
            "instant_delivery" => self.category_instant_delivery,
            "intra_city_freight" => self.category_intra_city_freight,
            other => other,
        }
        .to_owned()
    }

    pub(super) fn outcome(&self, name: Option<&str>) -> String {
        match name {
            Some("completed") => self.outcome_completed,
            Some("cancelled") => self.outcome_cancelled,
            Some("interrupted") => self.outcome_interrupted,
            Some("transferred") => self.outcome_transferred,
            Some("void") => self.outcome_void,
            _ => self.still_open,
        }
        .to_owned()
    }

    /// A warning of an answer, in this language.
    pub(super) fn warning(&self, warning: &Warning) -> String {
        match warning {
            Warning::RiderUnknown => self.warn_unseen.to_owned(),
            Warning::NoPlatformKnown => self.warn_no_platform.to_owned(),
            Warning::PlatformUnknown { platform } => format!("{}{platform}", self.warn_unknown_platform),
            Warning::OrderEndedByAnotherRider { platform, order_id } => {
                format!("{}{} · {platform}", self.warn_other_rider, Ident::new(order_id))
            }
            Warning::UnreadableRecordsIgnored { platform, count } => {
                format!("{}{platform} · {count}", self.warn_unreadable_ignored)
            }
            Warning::LimitedView { platform, regions } => {
                let seen: Vec<&str> = platform.iter().chain(regions).map(String::as_str).collect();
                fill(self.warn_limited_view, &[&seen.join(", ")])
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_language_is_chosen() {
        for (named, accepted, lang) in [
            (None, None, "zh-CN"),
            (Some("en"), Some("zh-CN"), "en"),
            (None, Some("en-GB,en;q=0.9,zh;q=0.5"), "en"),
            (None, Some("fr, zh-TW;q=0.5"), "zh-CN"),
            (None, Some("fr"), "zh-CN"),
            (Some("é"), Some("*"), "zh-CN"),
        ] {
            assert_eq!(choose(named, accepted).lang, lang);
        }
    }

    #[test]
    fn warnings_are_translated() {
        assert_eq!(ZH.warning(&Warning::RiderUnknown), ZH.warn_unseen);
        let unknown = Warning::PlatformUnknown { platform: "x".to_owned() };
        assert_eq!(ZH.warning(&unknown), "从未登记、也没有记录的平台：x");
        let other = Warning::OrderEndedByAnotherRider { platform: "x".to_owned(), order_id: "7".to_owned() };
        assert_eq!(ZH.warning(&other), "该骑手接单、由他人结束的订单：7 · x");
    }

    #[test]
    fn every_reason_has_its_own_words() {
        let reasons = [
            "before_records",
            "gap",
            "incomplete",
            "order_open",
            "rejected_record",
            "unreadable_record",
            "conflicting_record",
        ];
        for w in [&ZH, &EN] {
            let texts: std::collections::BTreeSet<&str> = reasons.map(|reason| w.reason(reason)).into();
            assert_eq!(texts.len(), reasons.len());
        }
    }
}
