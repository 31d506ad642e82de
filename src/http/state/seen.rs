//! The state and the configuration as one asker sees them.

use crate::coverage::Terms;
use crate::coverage::answer::Answer;
use crate::coverage::behind::{undetermined, warning as behind_warning};
use crate::coverage::explain::LimitedTo;
use crate::coverage::question::Question;
use crate::coverage::resolve::{explain, resolve};
use crate::coverage::scoped_view::ScopedView;
use crate::coverage::warning::Warning;
use crate::domain::behind::Behind;
use crate::domain::data_scope::DataScope;
use crate::domain::platform::Platforms;
use crate::domain::time::Zone;
use crate::domain::view::LedgerView;
use crate::http::backend::Source;
use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The source of states, as far as answers ask it again.
pub(in crate::http) trait Present: Send + Sync {
    /// [`Source::outdated`].
    fn outdated(&self, commit: u64, took: Duration) -> Option<Behind>;
}

impl<S: Source> Present for S {
    fn outdated(&self, commit: u64, took: Duration) -> Option<Behind> {
        Source::outdated(self, commit, took)
    }
}

/// The newest committed state, and the configuration, as one asker sees them.
pub(in crate::http) struct Seen<'a, V> {
    pub(in crate::http) view: ScopedView<V>,
    platforms: Cow<'a, Platforms>,
    zone: &'a Zone,
    /// The warning of a limited view; `None` where the asker sees everything.
    pub(in crate::http) limit: Option<Warning>,
    /// Whether newer commits than those of this state may exist, and an answer from it is no answer about the present.
    pub(in crate::http) behind: Option<Behind>,
    /// Of the newest state: who knows whether it still is, and since when it is looked at.
    present: Option<(&'a dyn Present, Instant)>,
}

impl<'a, V: LedgerView> Seen<'a, V> {
    pub(super) fn new(
        view: Arc<V>,
        scope: &DataScope,
        (newest, zone): (&'a Platforms, &'a Zone),
        (behind, present): (Option<Behind>, Option<&'a dyn Present>),
    ) -> Self {
        // An earlier state is judged by what the platforms promised then.
        let earlier = view.earlier_promises().cloned();
        let platforms = earlier.map_or(Cow::Borrowed(newest), Cow::Owned);
        let own = scope.platform().map(|name| Cow::Owned(platforms.only(name)));
        let limit = (!scope.is_all()).then(|| Warning::LimitedView {
            platform: scope.platform().map(str::to_owned),
            regions: scope.regions().iter().map(ToString::to_string).collect(),
        });
        let view = ScopedView::new(view, scope, &platforms);
        Self {
            view,
            platforms: own.unwrap_or(platforms),
            zone,
            limit,
            behind,
            present: present.map(|source| (source, Instant::now())),
        }
    }

    /// What the platforms that the asker may know promise, and the zone.
    pub(in crate::http) fn terms(&self) -> Terms<'_> {
        Terms { platforms: &self.platforms, zone: self.zone }
    }

    /// Every platform that the asker may know and that was ever registered or stored, sorted.
    pub(in crate::http) fn platforms_known(&self) -> Vec<String> {
        self.view.completeness().platforms_known(&self.platforms, self.view.platforms_stored())
    }

    /// What a list from this state has to say besides.
    pub(in crate::http) fn warnings(&self) -> Vec<Warning> {
        self.behind.iter().map(|behind| behind_warning(&self.view, self.zone, *behind)).collect()
    }

    /// The commit of the state.
    pub(in crate::http) fn commit(&self) -> u64 {
        self.view.as_of().commit
    }

    /// Answers a question, and says so where the view is limited.
    ///
    /// # Errors
    /// The state could not be read.
    pub(in crate::http) fn resolve(&self, question: &Question) -> Result<Answer, V::Error> {
        self.answer(question, false)
    }

    /// Answers a question, explained or not, and says so where the view is limited.
    ///
    /// # Errors
    /// The state could not be read.
    pub(in crate::http) fn answer(
        &self,
        question: &Question,
        is_explained: bool,
    ) -> Result<Answer, V::Error> {
        let mut answer = match self.behind {
            Some(behind) => undetermined(&self.view, self.terms(), (question, is_explained), behind),
            None => {
                let work = if is_explained { explain } else { resolve };
                let answer = work(&self.view, self.terms(), question)?;
                // What had to wait for the storage may come from a state that is not the newest any more.
                let late =
                    self.present.and_then(|(source, since)| source.outdated(self.commit(), since.elapsed()));
                match late {
                    Some(behind) => undetermined(&self.view, self.terms(), (question, is_explained), behind),
                    None => answer,
                }
            }
        };
        if let (Some(why), Some(Warning::LimitedView { platform, regions })) = (&mut answer.why, &self.limit)
        {
            why.limited_to = Some(LimitedTo { platform: platform.clone(), regions: regions.clone() });
        }
        answer.warnings.extend(self.limit.clone());
        Ok(answer)
    }
}
