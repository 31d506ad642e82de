//! Numbers by which two people compare a digest on the telephone.

/// Groups of four decimal digits.
const GROUPS: usize = 6;

/// The check numbers (校验数) of a digest: each group is four bytes of it as a number, modulo 10,000; together about 80 bits.
pub fn check_numbers(digest: &[u8; 32]) -> String {
    let groups: Vec<String> = digest
        .chunks(4)
        .take(GROUPS)
        .map(|bytes| {
            let number = bytes.iter().fold(0_u64, |number, byte| (number << 8) | u64::from(*byte));
            format!("{:04}", number % 10_000)
        })
        .collect();
    groups.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn six_groups_of_the_first_bytes() {
        let mut digest = [0; 32];
        digest[..8].copy_from_slice(&[0xba, 0x78, 0x16, 0xbf, 0, 0, 0x27, 0x10]);
        // 0xba7816bf modulo 10,000 is 2319; 0x2710 is 10,000.
        assert_eq!(check_numbers(&digest), "2319 0000 0000 0000 0000 0000");
    }
}
