//! `Status` answers: every refusal of an API server.

use serde_json::{Value, json};

use super::kinds::Kind;

/// A refusal.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Failure {
    pub(crate) code: u16,
    pub(crate) reason: &'static str,
    pub(crate) message: String,
    /// `details`, and what goes into `metadata` for an expired list.
    pub(crate) details: Option<Value>,
    pub(crate) next: Option<String>,
    /// Seconds of a `Retry-After` header.
    pub(crate) retry_after: Option<u64>,
}

impl Failure {
    pub(crate) fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Failure {
        Failure { code, reason, message: message.into(), details: None, next: None, retry_after: None }
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Failure {
        Failure::new(400, "BadRequest", message)
    }

    pub(crate) fn unauthorized() -> Failure {
        Failure::new(401, "Unauthorized", "Unauthorized")
    }

    pub(crate) fn forbidden(kind: &Kind, verb: &str, namespace: &str, name: &str) -> Failure {
        let scope = if namespace.is_empty() {
            "at the cluster scope".to_owned()
        } else {
            format!("in the namespace {namespace:?}")
        };
        let what = if name.is_empty() { kind.crd_name() } else { format!("{} {name:?}", kind.crd_name()) };
        let message = format!(
            "{what} is forbidden: User \"loadgen\" cannot {verb} resource {:?} in API group {:?} {scope}",
            kind.plural, kind.group
        );
        Failure::new(403, "Forbidden", message).about(kind, name)
    }

    /// Nothing is served at this path.
    pub(crate) fn no_such_path() -> Failure {
        let details = json!({"causes": [{"reason": "UnexpectedServerResponse", "message": "404 page not found"}]});
        let failure = Failure::new(404, "NotFound", "the server could not find the requested resource");
        Failure { details: Some(details), ..failure }
    }

    pub(crate) fn not_found(kind: &Kind, name: &str) -> Failure {
        Failure::new(404, "NotFound", format!("{} {name:?} not found", kind.crd_name())).about(kind, name)
    }

    pub(crate) fn already_exists(kind: &Kind, name: &str) -> Failure {
        Failure::new(409, "AlreadyExists", format!("{} {name:?} already exists", kind.crd_name())).about(kind, name)
    }

    pub(crate) fn conflict(kind: &Kind, name: &str) -> Failure {
        let message = format!(
            "Operation cannot be fulfilled on {} {name:?}: the object has been modified; please apply your changes to the \
             latest version and try again",
            kind.crd_name()
        );
        Failure::new(409, "Conflict", message).about(kind, name)
    }

    /// A watch from before the window of changes.
    pub(crate) fn too_old(asked: u64, oldest: u64) -> Failure {
        Failure::new(410, "Expired", format!("too old resource version: {asked} ({oldest})"))
    }

    /// A page of a list from before the window of changes; `next` continues without consistency.
    pub(crate) fn page_expired(next: String) -> Failure {
        let message = "The provided continue parameter is too old to display a consistent list result. You can start a new \
             list without the continue parameter, or use the continue token in this response to retrieve the remainder of \
             the results. Continuing with the provided token results in an inconsistent list - objects that were created, \
             modified, or deleted between the time the first chunk was returned and now may show up in the list.";
        Failure { next: Some(next), ..Failure::new(410, "Expired", message) }
    }

    /// A list at a revision that is not there yet.
    pub(crate) fn too_new(asked: u64, current: u64) -> Failure {
        let message = format!("Too large resource version: {asked}, current: {current}");
        let details = json!({"causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}],
            "retryAfterSeconds": 1});
        Failure { details: Some(details), retry_after: Some(1), ..Failure::new(504, "Timeout", message) }
    }

    pub(crate) fn invalid(field: &str, why: &str) -> Failure {
        let details = json!({"group": "meta.k8s.io", "kind": "ListOptions",
            "causes": [{"reason": "FieldValueForbidden", "message": format!("Forbidden: {why}"), "field": field}]});
        let message = format!("ListOptions.meta.k8s.io \"\" is invalid: {field}: Forbidden: {why}");
        Failure { details: Some(details), ..Failure::new(422, "Invalid", message) }
    }

    fn about(self, kind: &Kind, name: &str) -> Failure {
        let mut details = json!({"kind": kind.plural});
        for (field, value) in [("name", name), ("group", kind.group)] {
            if !value.is_empty() {
                details[field] = value.into();
            }
        }
        Failure { details: Some(details), ..self }
    }

    /// The `Status` object.
    pub(crate) fn body(&self) -> Value {
        let metadata = self.next.as_ref().map_or_else(|| json!({}), |next| json!({"continue": next}));
        let mut status = json!({"kind": "Status", "apiVersion": "v1", "metadata": metadata, "status": "Failure",
            "message": self.message, "reason": self.reason, "code": self.code});
        if let Some(details) = &self.details {
            status["details"] = details.clone();
        }
        status
    }
}

/// The `Status` of something that was done.
pub(crate) fn success(kind: &Kind, name: &str) -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success",
        "details": {"name": name, "group": kind.group, "kind": kind.plural}})
}
