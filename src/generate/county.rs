//! County codes of the shape and number of GB/T 2260: real provinces with about as many counties as they have,
//! numbered through. Not the official list: good for load, not for maps.

/// Province, counties.
const PROVINCES: [(u32, u32); 31] = [
    (11, 16),
    (12, 16),
    (13, 167),
    (14, 117),
    (15, 103),
    (21, 100),
    (22, 60),
    (23, 121),
    (31, 16),
    (32, 95),
    (33, 90),
    (34, 104),
    (35, 84),
    (36, 100),
    (37, 136),
    (41, 157),
    (42, 103),
    (43, 122),
    (44, 122),
    (45, 111),
    (46, 25),
    (50, 38),
    (51, 183),
    (52, 88),
    (53, 129),
    (54, 74),
    (61, 107),
    (62, 86),
    (63, 44),
    (64, 22),
    (65, 107),
];

/// Counties of one prefecture.
const PREFECTURE_COUNTIES: u32 = 13;

/// Every code, ascending.
pub fn county_codes() -> Vec<u32> {
    PROVINCES
        .iter()
        .flat_map(|&(province, counties)| {
            // Municipalities have one prefecture level for all their counties.
            let counties_each = if matches!(province, 11 | 12 | 31 | 50) { 99 } else { PREFECTURE_COUNTIES };
            (0..counties).map(move |number| {
                province * 10_000 + (number / counties_each + 1) * 100 + number % counties_each + 2
            })
        })
        .collect()
}
