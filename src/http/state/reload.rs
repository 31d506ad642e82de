//! What a running service takes over of a configuration that was read again.

use super::HttpState;
use crate::config::{AccessSettings, HttpSettings};
use crate::domain::platform::DisplayName;
use crate::http::backend::Source;
use std::collections::BTreeMap;
use std::sync::Arc;

impl<S: Source> HttpState<S> {
    /// Puts in force what a running service may take over of a configuration that was read again: limits of questions and
    /// pages, host names, display names, and of whom a reason is asked.
    pub fn reload(
        &self,
        settings: &HttpSettings,
        names: &BTreeMap<String, DisplayName>,
        access: Option<&AccessSettings>,
    ) {
        self.inner.settings.store(Arc::new(self.settings().reloaded(settings)));
        self.display_names.store(Arc::new(names.clone()));
        if let Some((guard, access)) = self.guard.as_ref().zip(access) {
            guard.reload(access);
        }
    }
}
