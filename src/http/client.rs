//! Where a request comes from: the other end of its connection, or, behind trusted proxies, what they say.

use super::backend::Source;
use super::in_flight;
use super::problem::{Kind, Problem};
use super::state::HttpState;
use crate::config::TrustedProxies;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::net::IpAddr;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// An orchestrator asks these directly.
const OPEN_PATHS: [&str; 2] = ["/livez", "/readyz"];

/// The client's address, where it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Client(pub(super) Option<IpAddr>);

/// Refuses who comes past the trusted proxies; notes the client's address.
pub(super) async fn check<S: Source>(
    State(state): State<HttpState<S>>,
    mut request: Request,
    next: Next,
) -> Response {
    let peer = in_flight::of(&request).peer();
    let client = match &state.settings().behind_proxy {
        None => peer,
        Some(proxies) => match peer.filter(|peer| proxies.contains(*peer)) {
            Some(peer) => Some(forwarded(request.headers(), peer, proxies)),
            None if OPEN_PATHS.contains(&request.uri().path()) => peer,
            None => {
                let detail = "this service answers through its proxy only: ask under the proxy's address, or add yours to \
                              `behind_proxy` under [http] in its configuration";
                return Problem::new(Kind::Forbidden, detail).into_response();
            }
        },
    };
    request.extensions_mut().insert(Client(client));
    next.run(request).await
}

/// The last address of `X-Forwarded-For` that is no proxy's: the client itself may have written those before it.
fn forwarded(headers: &HeaderMap, peer: IpAddr, proxies: &TrustedProxies) -> IpAddr {
    let lines = headers.get_all(X_FORWARDED_FOR).iter().filter_map(|line| line.to_str().ok());
    let addresses: Vec<&str> = lines.flat_map(|line| line.split(',')).map(str::trim).collect();
    let mut nearest = peer;
    for text in addresses.into_iter().rev() {
        let Ok(address) = text.parse::<IpAddr>() else { return nearest };
        nearest = address;
        if !proxies.contains(address) {
            return nearest;
        }
    }
    nearest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use axum::http::HeaderValue;

    #[test]
    fn what_a_client_writes_into_the_header_itself_does_not_count() {
        let config = Config::from_text("[http]\nbehind_proxy = [\"10.0.0.0/8\"]\n").unwrap();
        let proxies = config.http.behind_proxy.unwrap();
        let client = |lines: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(X_FORWARDED_FOR, HeaderValue::from_static(line));
            }
            forwarded(&headers, "10.0.0.1".parse().unwrap(), &proxies).to_string()
        };
        assert_eq!(client(&[]), "10.0.0.1");
        assert_eq!(client(&["192.0.2.7"]), "192.0.2.7");
        assert_eq!(client(&["198.51.100.1, 192.0.2.7, 10.0.0.9"]), "192.0.2.7");
        assert_eq!(client(&["198.51.100.1", "192.0.2.7"]), "192.0.2.7");
        assert_eq!(client(&["198.51.100.1, forged"]), "10.0.0.1");
    }
}
