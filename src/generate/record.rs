//! Orders as JSON.

use super::plan::{CATEGORIES, PLATFORMS, Plan};
use crate::domain::order::Outcome;
use crate::domain::time::{DAY_MS, HOUR_MS, UtcMillis, civil_from_days};

/// Times are written in China Standard Time.
const OFFSET_MS: i64 = 8 * HOUR_MS;

/// Appends the order as an open or an ended event.
pub(super) fn write_order(out: &mut Vec<u8>, plan: &Plan, rider: (u64, u32), is_open: bool) {
    let platform = PLATFORMS.get(plan.platform).map_or("", |platform| platform.0);
    let category = CATEGORIES.get(plan.category).copied().unwrap_or_default();
    out.extend_from_slice(b"{\"platform\":\"");
    out.extend_from_slice(platform.as_bytes());
    out.extend_from_slice(b"\",\"order_id\":\"");
    write_digits::<19>(out, plan.order_id);
    out.extend_from_slice(b"\",\"rider_id\":\"");
    write_hex::<16>(out, rider.0);
    write_hex::<8>(out, u64::from(rider.1));
    out.extend_from_slice(b"\",\"category\":\"");
    out.extend_from_slice(category.as_bytes());
    out.extend_from_slice(b"\",\"region\":\"");
    write_digits::<6>(out, u64::from(plan.region));
    out.extend_from_slice(b"\",\"accepted_at\":\"");
    write_time(out, plan.accepted_at);
    if !is_open {
        out.extend_from_slice(b"\",\"ended_at\":\"");
        write_time(out, plan.ended_at);
        if plan.outcome != Outcome::Completed {
            out.extend_from_slice(b"\",\"outcome\":\"");
            out.extend_from_slice(plan.outcome.as_str().as_bytes());
        }
    }
    out.push(b'"');
    if plan.revision > 0 {
        out.extend_from_slice(b",\"revision\":");
        out.extend_from_slice(plan.revision.to_string().as_bytes());
    }
    out.push(b'}');
}

/// Appends a completeness record.
pub(super) fn write_complete(out: &mut Vec<u8>, platform: &str, through: UtcMillis) {
    out.extend_from_slice(b"{\"kind\":\"complete\",\"platform\":\"");
    out.extend_from_slice(platform.as_bytes());
    out.extend_from_slice(b"\",\"through\":\"");
    write_time(out, through);
    out.extend_from_slice(b"\"}");
}

/// Appends `2026-11-20T12:07:31.000+08:00`.
pub(super) fn write_time(out: &mut Vec<u8>, at: UtcMillis) {
    let local_ms = at.plus(OFFSET_MS).millis();
    let (year, month, day) = civil_from_days(i32::try_from(local_ms.div_euclid(DAY_MS)).unwrap_or(0));
    let ms = u64::try_from(local_ms.rem_euclid(DAY_MS)).unwrap_or(0);
    write_digits::<4>(out, u64::try_from(year).unwrap_or(0));
    out.push(b'-');
    write_digits::<2>(out, u64::from(month));
    out.push(b'-');
    write_digits::<2>(out, u64::from(day));
    out.push(b'T');
    write_digits::<2>(out, ms / 3_600_000);
    out.push(b':');
    write_digits::<2>(out, ms / 60_000 % 60);
    out.push(b':');
    write_digits::<2>(out, ms / 1_000 % 60);
    out.push(b'.');
    write_digits::<3>(out, ms % 1_000);
    out.extend_from_slice(b"+08:00");
}

fn write_digits<const WIDTH: usize>(out: &mut Vec<u8>, value: u64) {
    let mut digits = [b'0'; WIDTH];
    let mut left = value;
    for digit in digits.iter_mut().rev() {
        *digit += u8::try_from(left % 10).unwrap_or(0);
        left /= 10;
    }
    out.extend_from_slice(&digits);
}

fn write_hex<const WIDTH: usize>(out: &mut Vec<u8>, value: u64) {
    let mut digits = [b'0'; WIDTH];
    let mut left = value;
    for digit in digits.iter_mut().rev() {
        let nibble = u8::try_from(left & 15).unwrap_or(0);
        *digit = if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 };
        left >>= 4;
    }
    out.extend_from_slice(&digits);
}
