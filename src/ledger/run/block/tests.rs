use super::*;
use crate::domain::order::{REVISION_MAX, Region};
use proptest::prelude::*;
use rust_decimal::Decimal;

fn check(rows: &[Row<'_>]) -> Result<Vec<u8>, TestCaseError> {
    let mut builder = BlockBuilder::new(ROWS_MAX);
    let mut out = Vec::new();
    // Twice: buffers are reused between blocks.
    for _ in 0..2 {
        out.clear();
        rows.iter().for_each(|row| builder.push(row));
        builder.finish(&mut out);
    }
    let mut at = 0;
    visit_block(&out, Select::All, |row| {
        assert_eq!(row, &rows[at]);
        at += 1;
        true
    })
    .unwrap();
    prop_assert_eq!(at, rows.len());
    Ok(out)
}

type StagedRow = (u8, i64, Option<i64>, String, u32, (u64, u64), (Option<i64>, Option<i64>, Option<i64>));

fn staged_rows() -> impl Strategy<Value = Vec<StagedRow>> {
    let id = prop_oneof!["[0-9]{19}", "[0-9]{1,38}", "[a-z0-9-]{1,12}"];
    let extras = (
        prop::option::weighted(0.1, prop_oneof![0i64..1_000_000, Just(i64::MAX)]),
        prop::option::weighted(0.1, any::<i32>().prop_map(i64::from)),
        prop::option::weighted(0.1, any::<i32>().prop_map(i64::from)),
    );
    let row = (
        0u8..20,
        0i64..4_000_000_000_000,
        prop::option::of(0i64..90_000_000),
        id,
        0u32..1_000_000,
        (prop_oneof![Just(0), 0..=REVISION_MAX], 1u64..9),
        extras,
    );
    prop::collection::vec(row, 1..80)
}

proptest! {
    #[test]
    fn blocks_go_there_and_back(mut staged_rows in staged_rows(), second in any::<bool>()) {
        staged_rows.sort_by_key(|d| (d.0, d.1));
        let unit = if second { 1_000 } else { 1 };
        let riders: Vec<String> = staged_rows.iter().map(|d| format!("rider-{:03}", d.0)).collect();
        let rows: Vec<Row<'_>> = staged_rows.iter().zip(&riders).map(|(d, rider_id)| Row {
            rider_id,
            accepted_at: UtcMillis::new(d.1 / unit * unit),
            order_id: OrderId::pack(&d.3),
            ended_at: d.2.map(|duration| UtcMillis::new((d.1 / unit + duration / unit) * unit)),
            code: u32::from(d.0) * 100,
            region: Region::from_code(d.4).unwrap(),
            revision: d.5.0,
            commit: d.5.1,
            fare: d.6.0.map(|cents| match cents {
                i64::MAX => Decimal::MAX,
                cents => Decimal::new(cents, 2),
            }),
            previous_accepted_at: d.6.1.map(UtcMillis::new),
            moved_to: d.6.2.map(UtcMillis::new),
        }).collect();
        let bytes = check(&rows)?;
        let wanted = rows[rows.len() / 2].rider_id;
        let mut found = Vec::new();
        visit_block(&bytes, Select::Rider(wanted), |row| { found.push(row.accepted_at); true }).unwrap();
        let expected: Vec<_> = rows.iter().filter(|r| r.rider_id == wanted).map(|r| r.accepted_at).collect();
        prop_assert_eq!(found, expected);
        let orders = [rows[rows.len() / 3].order_id, rows[rows.len() / 2].order_id];
        let positions = rows_of_orders(&bytes, |id| orders.contains(id)).unwrap();
        let mut found = Vec::new();
        visit_block(&bytes, Select::Rows(&positions), |row| { found.push(format!("{row:?}")); true }).unwrap();
        let expected: Vec<_> =
            rows.iter().filter(|r| orders.contains(&r.order_id)).map(|row| format!("{row:?}")).collect();
        prop_assert_eq!(found, expected);
        for (row, staged) in rows.iter().zip(&staged_rows) {
            let mut buffer = String::new();
            prop_assert_eq!(row.order_id.text(&mut buffer), staged.3.as_str());
        }
    }

    #[test]
    fn a_rider_is_found_beside_names_that_begin_alike(
        names in prop::collection::btree_map("[ab]{1,5}", 1..4_usize, 1..40), wanted in "[ab]{1,5}",
    ) {
        let riders: Vec<&str> =
            names.iter().flat_map(|(name, &rows)| std::iter::repeat_n(name.as_str(), rows)).collect();
        let bytes = check(&(1..).zip(riders).map(|(nth, rider)| row_of(rider, nth)).collect::<Vec<_>>())?;
        let mut found = 0;
        let may_follow = visit_block(&bytes, Select::Rider(&wanted), |row| {
            found += usize::from(row.rider_id == wanted);
            true
        });
        prop_assert_eq!(found, names.get(&wanted).copied().unwrap_or(0));
        prop_assert_eq!(may_follow.unwrap(), names.keys().all(|name| *name <= wanted));
    }

    #[test]
    fn a_damaged_block_is_an_error_at_worst(
        staged_rows in staged_rows(), at: prop::sample::Index, byte: u8, length: prop::sample::Index,
    ) {
        let mut builder = BlockBuilder::new(ROWS_MAX);
        for (nth, staged) in (1..).zip(&staged_rows) {
            builder.push(&Row { order_id: OrderId::pack(&staged.3), ..row_of("a rider", nth) });
        }
        let mut bytes = Vec::new();
        builder.finish(&mut bytes);
        read_anyhow(&bytes[..length.index(bytes.len())]);
        *at.get_mut(&mut bytes) = byte;
        read_anyhow(&bytes);
    }

    #[test]
    fn any_bytes_are_an_error_at_worst(mut bytes: Vec<u8>, flags: u8) {
        read_anyhow(&bytes);
        if let Some(at) = bytes.get_mut(1) { *at = flags; }
        read_anyhow(&bytes);
    }
}

fn row_of(rider_id: &str, minute: i64) -> Row<'_> {
    Row {
        rider_id,
        accepted_at: UtcMillis::new(minute * 60_000),
        order_id: OrderId::pack("7"),
        ended_at: None,
        code: 0,
        region: Region::from_code(310_115).unwrap(),
        revision: 0,
        commit: 1,
        fare: None,
        previous_accepted_at: None,
        moved_to: None,
    }
}

/// Every way to read a block.
fn read_anyhow(bytes: &[u8]) {
    for select in [Select::All, Select::Rider("a rider"), Select::Rider("another"), Select::Rows(&[0, 3])] {
        drop(visit_block(bytes, select, |_| true));
    }
    drop(rows_of_orders(bytes, |_| true));
}
