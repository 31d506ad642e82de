//! What the page says, in Chinese and English.

mod bulk_words;
mod operations_words;
mod words;

pub(super) use bulk_words::BulkWords;
pub(super) use operations_words::OperationsWords;
pub(super) use words::Words;

use super::identifier::{Finding, Ident, Lookalike};
use crate::access::Role;
use crate::coverage::explain::Language;
use crate::coverage::instant::{TypedError, offset, typed_forms};
use crate::coverage::warning::Warning;
use crate::domain::behind::Behind;
use crate::domain::time::LocalDay;
use crate::domain::verdict::Verdict;
use words::{EN, ZH};

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
    /// The texts of the page for lists.
    pub(super) fn bulk(&self) -> &'static BulkWords {
        if self.short_lang == "zh" { &bulk_words::ZH } else { &bulk_words::EN }
    }

    /// The texts of the page *Operations*.
    pub(super) fn operations(&self) -> &'static OperationsWords {
        if self.short_lang == "zh" { &operations_words::ZH } else { &operations_words::EN }
    }

    /// A section of time around the asked one.
    pub(super) fn zoom(&self, name: &str) -> &'static str {
        match name {
            "30m" => self.zoom_30m,
            "2h" => self.zoom_2h,
            "1d" => self.zoom_1d,
            "7d" => self.zoom_7d,
            _ => self.zoom_4h,
        }
    }

    /// A role.
    pub(super) fn role(&self, role: Role) -> &'static str {
        match role {
            Role::Claims => self.role_claims,
            Role::Platform => self.role_platform,
            Role::Auditor => self.role_auditor,
            Role::Ops => self.role_ops,
            Role::Admin => self.role_admin,
        }
    }

    /// A change in the access log.
    pub(super) fn change(&self, action: &str) -> String {
        match action {
            "token_created" => self.log_token_created,
            "token_revoked" => self.log_token_revoked,
            "account_created" => self.log_account_created,
            "account_disabled" => self.log_account_disabled,
            "account_enabled" => self.log_account_enabled,
            "password_changed" => self.log_password_changed,
            "role_changed" => self.log_role_changed,
            other => other,
        }
        .to_owned()
    }

    /// The language of explanations.
    pub(super) fn language(&self) -> Language {
        if self.short_lang == "zh" { Language::Chinese } else { Language::English }
    }

    /// The day of the week of a date.
    pub(super) fn weekday(&self, day: LocalDay) -> &'static str {
        // 1970-01-01 was a Thursday.
        let number = usize::try_from(day.0.saturating_add(3).rem_euclid(7)).unwrap_or_default();
        self.weekdays().get(number).copied().unwrap_or_default()
    }

    /// Monday to Sunday, from 0.
    pub(super) fn weekdays(&self) -> [&'static str; 7] {
        [
            self.weekday_1,
            self.weekday_2,
            self.weekday_3,
            self.weekday_4,
            self.weekday_5,
            self.weekday_6,
            self.weekday_7,
        ]
    }

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
            Behind::CODE => self.reader_behind,
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
            Warning::ReaderBehind { since, commit } => {
                fill(self.warn_reader_behind, &[since, &commit.to_string()])
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
            "reader_behind",
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
