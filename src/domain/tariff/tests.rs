use super::*;
use crate::domain::charge::Price;
use crate::domain::money::Micros;
use proptest::prelude::*;
use std::str::FromStr;

/// `category platform region from until`, `-` = absent; days are days of 2025 by number.
fn scope(text: &str) -> Scope {
    let parts: Vec<Option<&str>> = text.split(' ').map(|part| (part != "-").then_some(part)).collect();
    let day = |part: Option<&str>| part.map(|day| LocalDay(day.parse().unwrap()));
    Scope {
        category: parts[0].map(str::to_owned),
        platform: parts[1].map(str::to_owned),
        region: parts[2].map(|region| RegionPrefix::parse(region).unwrap()),
        from: day(parts[3]),
        until: day(parts[4]),
    }
}

fn rate(text: &str, per_order: &str) -> RateRule {
    let per_order = Micros::from_decimal(Decimal::from_str(per_order).unwrap()).unwrap();
    RateRule { scope: scope(text), per_order }
}

fn factor(text: &str, multiply: &str) -> FactorRule {
    FactorRule { scope: scope(text), multiply: Decimal::from_str(multiply).unwrap() }
}

fn cover(text: &str, tail_ms: i64, charged: &[Outcome]) -> CoverRule {
    CoverRule { scope: scope(text), lead_ms: 7, tail_ms, charged_outcomes: charged.to_vec() }
}

fn region(code: u32) -> Region {
    Region::from_code(code).unwrap()
}

fn premium(tariff: &Tariff, platform: &str, category: &str, code: u32, day: i32) -> Option<String> {
    let query = PriceQuery {
        platform,
        category,
        region: region(code),
        day: LocalDay(day),
        outcome: Some(Outcome::Completed),
    };
    match tariff.price(&query).charge.price {
        Price::Charged { premium, .. } => Some(premium.to_short_string()),
        _ => None,
    }
}

#[test]
fn the_most_specific_rate_applies() {
    let rates = vec![
        rate("c - - - -", "0.01"),
        rate("c - 31 - -", "0.02"),
        rate("c - 3101 - -", "0.03"),
        rate("c - 310115 - -", "0.04"),
        rate("c p - - -", "0.05"),
        rate("c p 31 - -", "0.06"),
        rate("c p 3101 - -", "0.07"),
        rate("c p 310115 - -", "0.08"),
    ];
    let tariff = Tariff::new(rates, vec![], vec![]).unwrap();
    let priced = |platform, code| premium(&tariff, platform, "c", code, 0).unwrap();
    assert_eq!(priced("x", 110_101), "0.01");
    assert_eq!(priced("x", 319_999), "0.02");
    assert_eq!(priced("x", 310_116), "0.03");
    assert_eq!(priced("x", 310_115), "0.04");
    assert_eq!(priced("p", 110_101), "0.05");
    assert_eq!(priced("p", 310_201), "0.06");
    assert_eq!(priced("p", 310_114), "0.07");
    assert_eq!(priced("p", 310_115), "0.08");
    assert_eq!(premium(&tariff, "p", "other", 310_115, 0), None);
}

#[test]
fn until_is_exclusive_and_a_dead_specific_rule_gives_way() {
    let rates = vec![rate("c - - - 10", "0.06"), rate("c - - 10 -", "0.07"), rate("c p - 10 20", "0.25")];
    let tariff = Tariff::new(rates, vec![], vec![]).unwrap();
    let on = |platform, day| premium(&tariff, platform, "c", 1, day).unwrap();
    assert_eq!([on("p", 9), on("p", 10), on("p", 19), on("p", 20)], ["0.06", "0.25", "0.25", "0.07"]);
    assert_eq!([on("x", 9), on("x", 10)], ["0.06", "0.07"]);
    assert!(tariff.gaps().is_empty());
}

#[test]
fn the_shape_of_a_real_scheme_with_floating_rates() {
    let april = LocalDay::from_ymd(2013, 4, 1).unwrap().0;
    let october = LocalDay::from_ymd(2013, 10, 1).unwrap().0;
    let mut rates = vec![
        rate("ride_hailing - - - -", "0.01"),
        rate(&format!("instant_delivery - - - {april}"), "0.06"),
        rate(&format!("instant_delivery - - {april} -"), "0.07"),
        rate("intra_city_freight - - - -", "0.18"),
    ];
    for carrier in ["ua", "dl", "b6"] {
        rates.push(rate(&format!("instant_delivery {carrier} - {april} -"), "0.25"));
    }
    let factors = vec![factor(&format!("- aa 310000 {october} -"), "0.8")];
    let tariff = Tariff::new(rates, factors, vec![]).unwrap();
    let of = |platform, category, code, day| premium(&tariff, platform, category, code, day).unwrap();
    assert_eq!(of("ua", "instant_delivery", 310_000, april - 1), "0.06");
    assert_eq!(of("ua", "instant_delivery", 310_000, april), "0.25");
    assert_eq!(of("aa", "instant_delivery", 310_000, april), "0.07");
    assert_eq!(of("aa", "instant_delivery", 310_000, october - 1), "0.07");
    assert_eq!(of("aa", "instant_delivery", 310_000, october), "0.056");
    assert_eq!(of("aa", "instant_delivery", 310_001, october), "0.07");
    assert_eq!(of("aa", "ride_hailing", 310_000, october), "0.008");
    assert_eq!(of("aa", "intra_city_freight", 310_000, october), "0.144");
    assert_eq!(
        tariff.book().label(crate::domain::posting::RuleKind::Rate, RuleNo(4)),
        Some("rate instant_delivery platform=ua from=2013-04-01")
    );
}

#[test]
fn cover_rules_say_who_is_charged_and_how_far_cover_reaches() {
    let covers = vec![
        cover("- - - - -", 10, &[Outcome::Completed]),
        cover("- p - - -", 20, &[Outcome::Completed, Outcome::Cancelled]),
        cover("c - - - -", 30, &[]),
    ];
    let tariff = Tariff::new(vec![rate("c - - - -", "0.07")], vec![], covers).unwrap();
    let price = |platform, category, outcome| {
        tariff.price(&PriceQuery { platform, category, region: region(1), day: LocalDay(0), outcome })
    };
    let charge = |platform, outcome| price(platform, "c", Some(outcome)).charge.price;
    assert!(matches!(charge("p", Outcome::Cancelled), Price::Charged { .. }));
    assert_eq!(charge("p", Outcome::Interrupted), Price::Uncharged);
    assert_eq!(charge("x", Outcome::Completed), Price::Uncharged);
    assert_eq!(charge("p", Outcome::Void), Price::None);
    let open = price("p", "c", None);
    assert_eq!(
        (open.charge.price, open.cover.lead_ms, open.cover.tail_ms, open.cover.rule),
        (Price::None, 7, 20, Some(RuleNo(1)))
    );
    assert_eq!(price("x", "c", None).cover.tail_ms, 30);
    let unrated = price("x", "d", Some(Outcome::Completed));
    assert_eq!((unrated.charge.price, unrated.cover.tail_ms), (Price::Unrated, 10));
    assert_eq!(tariff.widest_cover(), (7, 30));
}

#[test]
fn rules_between_which_rank_cannot_choose_are_refused_by_name() {
    let rates = vec![rate("c p - - 11", "0.06"), rate("d - - - -", "1"), rate("c p - 10 -", "0.07")];
    let problems = Tariff::new(rates, vec![], vec![]).unwrap_err();
    assert_eq!(problems.len(), 1);
    let text = problems[0].to_string();
    assert!(text.contains("`rate c platform=p until=1970-01-12`"), "{text}");
    assert!(text.contains("`rate c platform=p from=1970-01-11`"), "{text}");
    let numbers: Vec<u16> = problems[0].rules().into_iter().map(|rule| rule.rule.0).collect();
    assert_eq!(numbers, [0, 2]);
    let factors = vec![factor("- - 31 - -", "1"), factor("- - 31 - -", "2"), factor("c - 31 - -", "2")];
    let covers = vec![cover("- - - - -", 0, &[]), cover("- - - 5 5", 0, &[])];
    assert_eq!(Tariff::new(vec![], factors, covers).unwrap_err().len(), 2);
}

#[test]
fn products_must_be_exact_where_they_can_meet_and_only_there() {
    let inexact = |rates, factors| Tariff::new(rates, factors, vec![]).is_err();
    assert!(inexact(vec![rate("c - - - -", "0.000001")], vec![factor("- - - - -", "0.5")]));
    assert!(!inexact(vec![rate("c - - - -", "0.000002")], vec![factor("- - - - -", "0.5")]));
    assert!(!inexact(vec![rate("c p - - -", "0.000001")], vec![factor("- q - - -", "0.5")]));
    assert!(!inexact(vec![rate("c - - - 10", "0.000001")], vec![factor("- - - 10 -", "0.5")]));
    assert!(inexact(vec![rate("c - 31 - 10", "0.000001")], vec![factor("- p 3101 9 -", "0.5")]));
    assert!(!inexact(vec![rate("c - 31 - -", "0.000001")], vec![factor("- - 32 - -", "0.5")]));
    // The platform's own rate always goes first: the general one never meets the factor.
    let hidden = vec![rate("c - - - -", "0.000001"), rate("c p - - -", "2")];
    assert!(!inexact(hidden.clone(), vec![factor("- p - - -", "0.5")]));
    assert!(inexact(hidden, vec![factor("- p - - -", "0.5"), factor("- - 31 - -", "0.1")]));
    let long = "0.0000000000000000000000000001";
    assert!(inexact(vec![rate("c - - - -", "0.000001")], vec![factor("- - - - -", long)]));
    assert!(!inexact(vec![rate("c - - - -", "0.07")], vec![factor("- - - - -", "0.8000000000000000000")]));
    let huge = vec![rate("c - - - -", "9000000000000")];
    assert!(inexact(huge, vec![factor("- - - - -", "1000000")]));
}

#[test]
fn a_gap_between_dated_rates_is_told() {
    let rates = vec![rate("c - - 20 -", "1"), rate("c - - - 10", "1"), rate("c p - 12 -", "1")];
    let gaps = Tariff::new(rates, vec![], vec![]).unwrap().gaps();
    assert_eq!(gaps.len(), 1);
    assert_eq!((gaps[0].before.0.rule, gaps[0].after.0.rule), (RuleNo(1), RuleNo(0)));
}

#[test]
fn the_version_changes_with_the_rules_and_not_with_their_order() {
    let (a, b) = (rate("c - - - -", "0.07"), rate("d - - - -", "0.10"));
    let version = |rates| Tariff::new(rates, vec![], vec![]).unwrap().version().to_owned();
    let first = version(vec![a.clone(), b.clone()]);
    assert_eq!(first.len(), 16);
    assert_eq!(first, version(vec![b.clone(), a.clone()]));
    assert_ne!(first, version(vec![a, rate("d - - - -", "0.11")]));
}

/// Every rule that holds, by rank, without tables.
fn naive<'r, R>(rules: &'r [R], of: impl Fn(&'r R) -> &'r Scope, query: &PriceQuery<'_>) -> Option<RuleNo> {
    let holds = |scope: &Scope| {
        scope.category.as_deref().is_none_or(|name| name == query.category)
            && scope.platform.as_deref().is_none_or(|name| name == query.platform)
            && scope.region.is_none_or(|p| query.region.to_string().starts_with(&p.to_string()))
            && scope.from.is_none_or(|from| from <= query.day)
            && scope.until.is_none_or(|until| query.day < until)
    };
    let rank = |scope: &Scope| {
        let digits = scope.region.map_or(0, |p| p.to_string().len());
        (scope.platform.is_some(), digits, scope.category.is_some())
    };
    let best = (0..rules.len()).filter(|&i| holds(of(&rules[i]))).max_by_key(|&i| rank(of(&rules[i])));
    best.map(|index| RuleNo(u16::try_from(index).unwrap()))
}

fn any_scope(with_category: bool) -> impl Strategy<Value = Scope> {
    let name = |names: [&'static str; 2]| proptest::option::of(proptest::sample::select(names.to_vec()));
    let prefixes = vec!["31", "3101", "310115", "310116", "3102", "11", "1101", "000000"];
    let day = || proptest::option::weighted(0.5, 0..6_i32);
    (
        name(["a", "b"]),
        name(["p", "q"]),
        proptest::option::of(proptest::sample::select(prefixes)),
        day(),
        day(),
    )
        .prop_map(move |(category, platform, region, from, until)| Scope {
            category: category.or(with_category.then_some("a")).map(str::to_owned),
            platform: platform.map(str::to_owned),
            region: region.and_then(RegionPrefix::parse),
            from: from.map(LocalDay),
            until: until.map(LocalDay),
        })
}

/// Keeps what does not clash, so that most cases are valid tariffs.
fn without_clashes<R>(rules: Vec<R>, of: impl Fn(&R) -> &Scope) -> Vec<R> {
    let mut kept: Vec<R> = Vec::new();
    for rule in rules {
        let scope = of(&rule);
        let empty = scope.from.zip(scope.until).is_some_and(|(from, until)| until <= from);
        let days = |scope: &Scope| (-2..9).filter(|&day| scope.holds_day(LocalDay(day))).collect::<Vec<_>>();
        let clash = |other: &R| {
            let other = of(other);
            (&other.category, &other.platform, other.region)
                == (&scope.category, &scope.platform, scope.region)
                && days(other).iter().any(|day| days(scope).contains(day))
        };
        if !empty && !kept.iter().any(clash) {
            kept.push(rule);
        }
    }
    kept
}

proptest! {
    #[test]
    fn compiled_rules_agree_with_a_plain_search(
        rates in proptest::collection::vec((any_scope(true), 1..9_i64), 0..14),
        factors in proptest::collection::vec((any_scope(false), 1..9_i64), 0..10),
        covers in proptest::collection::vec((any_scope(false), 0..9_i64), 0..10),
    ) {
        let rates = rates.into_iter().map(|(scope, n)| RateRule { scope, per_order: Micros::new(n * 1000) }).collect();
        let rates = without_clashes(rates, |rule: &RateRule| &rule.scope);
        let factors = factors.into_iter().map(|(scope, n)| FactorRule { scope, multiply: Decimal::new(n, 1) }).collect();
        let factors = without_clashes(factors, |rule: &FactorRule| &rule.scope);
        let covers = covers.into_iter().map(|(scope, n)| CoverRule {
            scope, lead_ms: n, tail_ms: 2 * n,
            charged_outcomes: if n % 2 == 0 { vec![Outcome::Completed] } else { vec![Outcome::Cancelled] },
        }).collect();
        let covers = without_clashes(covers, |rule: &CoverRule| &rule.scope);
        let tariff = Tariff::new(rates.clone(), factors.clone(), covers.clone()).unwrap();
        let regions = [0, 310_115, 310_116, 310_117, 310_201, 319_900, 110_101, 119_999, 999_999];
        for (platform, category) in [("p", "a"), ("p", "b"), ("q", "a"), ("other", "b"), ("p", "other")] {
            for code in regions {
                for day in -1..7 {
                    for outcome in [None, Some(Outcome::Completed), Some(Outcome::Cancelled), Some(Outcome::Void)] {
                        let query = PriceQuery { platform, category, region: region(code), day: LocalDay(day), outcome };
                        let price = tariff.price(&query);
                        let cover = naive(&covers, |rule| &rule.scope, &query);
                        prop_assert_eq!(price.cover.rule, cover);
                        let rule = cover.map(|number| &covers[usize::from(number.0)]);
                        prop_assert_eq!(price.cover.lead_ms, rule.map_or(0, |rule| rule.lead_ms));
                        prop_assert_eq!(price.cover.tail_ms, rule.map_or(0, |rule| rule.tail_ms));
                        let charged = rule.map_or(vec![Outcome::Completed], |rule| rule.charged_outcomes.clone());
                        let rate = naive(&rates, |rule| &rule.scope, &query);
                        let factor = naive(&factors, |rule| &rule.scope, &query);
                        let expected = match (outcome, rate) {
                            (None | Some(Outcome::Void), _) => Price::None,
                            (Some(outcome), _) if !charged.contains(&outcome) => Price::Uncharged,
                            (_, None) => Price::Unrated,
                            (_, Some(rate)) => {
                                let base = rates[usize::from(rate.0)].per_order.to_decimal();
                                let times = factor.map_or(Decimal::ONE, |n| factors[usize::from(n.0)].multiply);
                                Price::Charged { premium: Micros::from_decimal(base * times).unwrap(), rate, factor }
                            }
                        };
                        prop_assert_eq!(price.charge.price, expected);
                    }
                }
            }
        }
    }
}
