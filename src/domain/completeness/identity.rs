//! Which topic of which cluster a partition was read from: a name may be given again.

/// What the broker calls a topic and its cluster besides their names and addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TopicIdentity {
    /// The cluster's id; `None` where the broker told none.
    pub cluster: Option<String>,
    /// The topic's id, as Kafka's tools show it; `None` where the broker is older than topic ids.
    pub topic: Option<String>,
}

/// What two identities differ in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Difference {
    /// The cluster.
    Cluster,
    /// The topic.
    Topic,
}

impl TopicIdentity {
    /// What differs between what was read before and what is there now. What either of them does not know differs in nothing.
    pub fn difference(&self, now: &Self) -> Option<Difference> {
        let differ = |a: &Option<String>, b: &Option<String>| matches!((a, b), (Some(before), Some(now)) if before != now);
        if differ(&self.cluster, &now.cluster) {
            Some(Difference::Cluster)
        } else {
            differ(&self.topic, &now.topic).then_some(Difference::Topic)
        }
    }

    /// Takes over what was not known before. What is known stays: it is what was read.
    pub fn learn(&mut self, now: &Self) {
        self.cluster = self.cluster.take().or_else(|| now.cluster.clone());
        self.topic = self.topic.take().or_else(|| now.topic.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(cluster: Option<&str>, topic: Option<&str>) -> TopicIdentity {
        TopicIdentity { cluster: cluster.map(str::to_owned), topic: topic.map(str::to_owned) }
    }

    #[test]
    fn only_what_both_know_can_differ() {
        let known = identity(Some("c"), Some("t"));
        for (now, difference) in [
            (identity(Some("c"), Some("t")), None),
            (identity(Some("c"), Some("u")), Some(Difference::Topic)),
            (identity(None, Some("u")), Some(Difference::Topic)),
            (identity(Some("d"), Some("t")), Some(Difference::Cluster)),
            (identity(Some("d"), Some("u")), Some(Difference::Cluster)),
            (identity(Some("c"), None), None),
            (identity(None, None), None),
        ] {
            assert_eq!(known.difference(&now), difference, "{now:?}");
            assert_eq!(now.difference(&known), difference, "{now:?}");
        }
    }

    #[test]
    fn what_is_known_is_never_replaced() {
        let mut known = identity(Some("c"), None);
        known.learn(&identity(Some("d"), Some("t")));
        assert_eq!(known, identity(Some("c"), Some("t")));
        known.learn(&TopicIdentity::default());
        assert_eq!(known, identity(Some("c"), Some("t")));
    }
}
