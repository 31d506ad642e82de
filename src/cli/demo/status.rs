//! One line of status.

use super::ask::Service;
use crate::app::demo::Scenes;
use crate::domain::time::Zone;
use serde_json::Value;
use std::io::Write;

/// Writes the line.
pub(super) fn write(
    scenes: &Scenes,
    zone: &Zone,
    service: &Service,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let seen = scenes.seen();
    let progress = service.get("/v1/progress")?;
    let items = |name: &str| progress.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
    let lag: u64 = items("partitions").iter().filter_map(|item| item.get("lag")?.as_u64()).sum();
    // Times of one zone compare as texts.
    let platforms = items("platforms");
    let through = platforms.iter().map(|item| item.get("complete_through").and_then(Value::as_str)).min();
    let time = |text: &str| text.get(11..19).unwrap_or(text).to_owned();
    let now = progress.get("now").and_then(Value::as_str).map_or_else(String::new, time);
    let through =
        through.flatten().map_or_else(|| "nothing yet".to_owned(), |text| format!("through {}", time(text)));
    let demo_time = match seen.through {
        Some(at) if !seen.is_present => format!(" (the demo's time is {})", time(&zone.rfc3339(at))),
        _ => String::new(),
    };
    writeln!(
        out,
        "{now}{demo_time}  {} orders of {} riders, {} of them under way; lag {} records; complete {through}",
        thousands(seen.orders),
        thousands(u64::try_from(seen.riders).unwrap_or(u64::MAX)),
        thousands(u64::try_from(seen.riders_under_way).unwrap_or(u64::MAX)),
        thousands(lag),
    )?;
    Ok(())
}

/// `12,345,678`
fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_in_threes() {
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (12_345_678, "12,345,678")] {
            assert_eq!(thousands(number), text);
        }
    }
}
