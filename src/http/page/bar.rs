//! What every page says of who is signed in.

use super::messages::Words;
use crate::access::FormProof;
use crate::http::access::Asker;

/// The person who is signed in, if anyone, with the form to sign out.
#[derive(Clone, Debug, Default)]
pub(super) struct Bar {
    /// Name and role.
    pub(super) signed_in: Option<(String, &'static str)>,
    /// The proof of the form.
    pub(super) proof: String,
    /// The service has no `[access]`.
    pub(super) is_open: bool,
}

impl Bar {
    pub(super) fn of(asker: &Asker, w: &Words) -> Self {
        let proof = asker.session.as_deref().and_then(FormProof::of_cookie);
        Self {
            signed_in: proof.is_some().then(|| (asker.principal.name.clone(), w.role(asker.principal.role))),
            proof: proof.map(|proof| proof.field()).unwrap_or_default(),
            is_open: asker.is_loopback(),
        }
    }
}
