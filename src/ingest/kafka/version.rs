//! Which client library is compiled in.

/// The version of librdkafka.
pub fn client_version() -> String {
    rdkafka::util::get_rdkafka_version().1
}
