//! What librdkafka knows and rdkafka 0.39 does not offer: topic ids, and the cluster's id without a leak.
//!
//! The only file with `unsafe` (docs/decisions/0013-topic-ids.md). Every pointer that librdkafka gives away is owned by an
//! [`Owned`] from the next line on; everything that is borrowed from it is copied before that is dropped.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::ptr::NonNull;
use std::time::Duration;

use rdkafka::bindings as rd;
use rdkafka::client::{Client, ClientContext};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::types::RDKafkaRespErr;

/// How much longer than the request itself its answer is waited for: librdkafka ends the request, not this wait.
const SLACK: Duration = Duration::from_millis(500);

/// What the broker says about a topic: its id, `None` if it is older than topic ids.
pub(super) type TopicId = Result<Option<String>, RDKafkaErrorCode>;

/// Something of librdkafka's that has to be given back.
struct Owned<T> {
    pointer: NonNull<T>,
    free: unsafe extern "C" fn(*mut T),
}

impl<T> Owned<T> {
    /// `None` for a null pointer.
    fn new(pointer: *mut T, free: unsafe extern "C" fn(*mut T)) -> Option<Self> {
        NonNull::new(pointer).map(|pointer| Self { pointer, free })
    }

    const fn get(&self) -> *mut T {
        self.pointer.as_ptr()
    }
}

impl<T> Drop for Owned<T> {
    fn drop(&mut self) {
        // SAFETY: `pointer` came from librdkafka together with the duty to free it, and is freed here only.
        unsafe { (self.free)(self.pointer.as_ptr()) }
    }
}

/// The ids of `topics`, in their order.
pub(super) fn topic_ids<C: ClientContext>(
    client: &Client<C>,
    topics: &[&str],
    timeout: Duration,
) -> Result<Vec<TopicId>, RDKafkaErrorCode> {
    let names: Vec<CString> = topics
        .iter()
        .map(|topic| CString::new(*topic).map_err(|_| RDKafkaErrorCode::InvalidArgument))
        .collect::<Result<_, _>>()?;
    let mut names: Vec<*const c_char> = names.iter().map(|name| name.as_ptr()).collect();
    let failed = RDKafkaErrorCode::Fail;
    let handle = client.native_ptr();
    // SAFETY: the client lives through this function and so does its handle; every call gets pointers that an `Owned` of this
    // function keeps alive. The names are copied by the first call. The queue may be dropped before the answer comes.
    let event = unsafe {
        let collection = rd::rd_kafka_TopicCollection_of_topic_names(names.as_mut_ptr(), names.len());
        let collection = Owned::new(collection, rd::rd_kafka_TopicCollection_destroy).ok_or(failed)?;
        let operation = rd::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS;
        let options = rd::rd_kafka_AdminOptions_new(handle, operation);
        let options = Owned::new(options, rd::rd_kafka_AdminOptions_destroy).ok_or(failed)?;
        let mut problem: [c_char; 256] = [0; 256];
        let wait = millis(timeout);
        let set = rd::rd_kafka_AdminOptions_set_request_timeout(
            options.get(),
            wait,
            problem.as_mut_ptr(),
            problem.len(),
        );
        checked(set)?;
        let queue = Owned::new(rd::rd_kafka_queue_new(handle), rd::rd_kafka_queue_destroy).ok_or(failed)?;
        rd::rd_kafka_DescribeTopics(handle, collection.get(), options.get(), queue.get());
        let event = rd::rd_kafka_queue_poll(queue.get(), millis(timeout.saturating_add(SLACK)));
        Owned::new(event, rd::rd_kafka_event_destroy).ok_or(RDKafkaErrorCode::OperationTimedOut)?
    };
    // SAFETY: the event is owned; results, descriptions and ids lie in it, and only copies leave this block.
    unsafe {
        checked(rd::rd_kafka_event_error(event.get()))?;
        let result = rd::rd_kafka_event_DescribeTopics_result(event.get());
        if result.is_null() {
            return Err(failed);
        }
        let mut count = 0;
        let described = rd::rd_kafka_DescribeTopics_result_topics(result, &raw mut count);
        if described.is_null() || count != topics.len() {
            return Err(failed);
        }
        // In the order in which they were asked for.
        let described = std::slice::from_raw_parts(described.cast_const(), count);
        Ok(described.iter().map(|description| topic_id(*description)).collect())
    }
}

/// # Safety
/// The description must be one of an event that lives.
unsafe fn topic_id(description: *const rd::rd_kafka_TopicDescription_t) -> TopicId {
    // SAFETY: the caller's promise; an error may be null, which librdkafka takes for none.
    unsafe {
        let error = rd::rd_kafka_TopicDescription_error(description);
        if !error.is_null() {
            checked(rd::rd_kafka_error_code(error))?;
        }
        let id = rd::rd_kafka_TopicDescription_topic_id(description);
        if id.is_null() {
            return Ok(None);
        }
        let bits =
            (rd::rd_kafka_Uuid_most_significant_bits(id), rd::rd_kafka_Uuid_least_significant_bits(id));
        // All zero: the broker does not know topic ids.
        Ok((bits != (0, 0)).then(|| text(rd::rd_kafka_Uuid_base64str(id))))
    }
}

/// The id of the cluster by the newest answer of a broker; `None` where the brokers tell none. rdkafka's own call leaks the
/// text, and this is asked twice a second.
pub(super) fn cluster_id<C: ClientContext>(client: &Client<C>, timeout: Duration) -> Option<String> {
    // SAFETY: the handle lives as long as the client; the text is the caller's, copied and given back here.
    unsafe {
        let given = rd::rd_kafka_clusterid(client.native_ptr(), millis(timeout));
        if given.is_null() {
            return None;
        }
        let id = text(given);
        rd::rd_kafka_mem_free(client.native_ptr(), given.cast::<c_void>());
        Some(id).filter(|id| !id.is_empty())
    }
}

/// # Safety
/// A null pointer, or a text that lives and ends with a zero.
unsafe fn text(pointer: *const c_char) -> String {
    if pointer.is_null() {
        return String::new();
    }
    // SAFETY: the caller's promise.
    unsafe { CStr::from_ptr(pointer) }.to_string_lossy().into_owned()
}

fn checked(code: RDKafkaRespErr) -> Result<(), RDKafkaErrorCode> {
    if code == RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR { Ok(()) } else { Err(code.into()) }
}

fn millis(wait: Duration) -> c_int {
    c_int::try_from(wait.as_millis()).unwrap_or(c_int::MAX)
}
