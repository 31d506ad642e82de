//! What a reader should check about the identifiers that were typed.

use super::form::Form;
use super::identifier::{Finding, Ident, findings, others, parts};
use super::messages::Words;
use crate::coverage::question::check_rider;

/// Identifiers of one question that are looked at.
const IDENTIFIERS_MAX: usize = 8;

/// What is seen in one identifier, and what may have been meant.
#[derive(Debug)]
pub(super) struct Note {
    pub(super) identifier: Ident,
    /// Whether nothing is stored of it.
    pub(super) unknown: bool,
    pub(super) lines: Vec<String>,
    pub(super) offers: Vec<Offer>,
}

/// Another identifier to ask about.
#[derive(Debug)]
pub(super) struct Offer {
    pub(super) text: &'static str,
    pub(super) identifiers: Vec<Ident>,
    pub(super) address: String,
    /// Whether something is stored of it.
    pub(super) stored: bool,
}

/// The notes of a question; `stored` says whether any order names an identifier.
pub(super) fn notes<E>(
    form: &Form,
    riders: &[String],
    w: &'static Words,
    stored: impl Fn(&str) -> Result<bool, E>,
) -> Result<Vec<Note>, E> {
    let mut notes = Vec::new();
    for rider in riders.iter().take(IDENTIFIERS_MAX) {
        let unknown = !stored(rider)?;
        // What may be confused matters only where nothing is found.
        let told =
            |finding: &Finding| unknown || !matches!(finding, Finding::EasilyConfused(_) | Finding::Several);
        let lines: Vec<String> = findings(rider).iter().filter(|f| told(f)).map(|f| w.finding(f)).collect();
        let offers = offers(form, rider, unknown, w, &stored)?;
        if unknown || !lines.is_empty() || !offers.is_empty() {
            notes.push(Note { identifier: Ident::new(rider), unknown, lines, offers });
        }
    }
    Ok(notes)
}

fn offers<E>(
    form: &Form,
    rider: &str,
    unknown: bool,
    w: &'static Words,
    stored: &impl Fn(&str) -> Result<bool, E>,
) -> Result<Vec<Offer>, E> {
    let others = others(rider);
    let confusable = if unknown { others.confusable } else { Vec::new() };
    let meant = others.meant.into_iter().map(|other| (other, true));
    let same = others.forms.into_iter().chain(confusable).map(|other| (other, false));
    let mut offers = Vec::new();
    for (other, always) in meant.chain(same).filter(|(other, _)| check_rider(other).is_ok()) {
        let stored = stored(&other)?;
        if always || stored {
            offers.push(Offer {
                text: w.ask_instead,
                identifiers: vec![Ident::new(&other)],
                address: form.address_instead(w.short_lang, rider, &[&other]),
                stored,
            });
        }
    }
    let several = parts(rider);
    if unknown && several.len() > 1 {
        let each: Vec<&str> = several.iter().map(String::as_str).collect();
        offers.push(Offer {
            text: w.ask_several,
            identifiers: several.iter().map(|part| Ident::new(part)).collect(),
            address: form.address_instead(w.short_lang, rider, &each),
            stored: false,
        });
    }
    Ok(offers)
}
