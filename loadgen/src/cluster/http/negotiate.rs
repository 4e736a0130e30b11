//! In which form objects are wanted.

use http::HeaderMap;

use crate::cluster::object::Shape;
use crate::cluster::status::Failure;

/// A form of answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    Objects,
    Metadata,
    Table,
}

impl Wanted {
    /// The shape of single objects.
    pub(super) fn shape(self) -> Shape {
        if self == Wanted::Metadata { Shape::Metadata } else { Shape::Whole }
    }
}

/// The first form of the Accept header that is served here. Everything is JSON: clients that would like protobuf say that
/// they take JSON too.
///
/// # Errors
/// Only others are accepted.
pub(super) fn accepted(headers: &HeaderMap) -> Result<Wanted, Failure> {
    let given = headers.get_all(http::header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let types: Vec<&str> = given.flat_map(|value| value.split(',')).collect();
    if types.is_empty() {
        return Ok(Wanted::Objects);
    }
    types.into_iter().find_map(wanted).ok_or_else(|| {
        Failure::new(406, "NotAcceptable", "only the following media types are accepted: application/json")
    })
}

fn wanted(media_type: &str) -> Option<Wanted> {
    let mut parts = media_type.split(';').map(str::trim);
    if !matches!(parts.next()?, "application/json" | "application/*" | "*/*") {
        return None;
    }
    match parts.find_map(|parameter| parameter.strip_prefix("as=")) {
        None => Some(Wanted::Objects),
        Some("PartialObjectMetadata" | "PartialObjectMetadataList") => Some(Wanted::Metadata),
        Some("Table") => Some(Wanted::Table),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_form_that_can_be_served_is() {
        for (accept, expected) in [
            ("", None),
            ("*/*", Some(Wanted::Objects)),
            ("application/vnd.kubernetes.protobuf, */*", Some(Wanted::Objects)),
            ("application/vnd.kubernetes.protobuf", None),
            (
                "application/vnd.kubernetes.protobuf;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,\
                 application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json",
                Some(Wanted::Metadata),
            ),
            ("application/json;as=Table;v=v1;g=meta.k8s.io,application/json", Some(Wanted::Table)),
            ("application/json;as=APIGroupDiscoveryList;v=v2;g=apidiscovery.k8s.io", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert("accept", accept.parse().unwrap());
            assert_eq!(accepted(&headers).ok(), expected, "{accept}");
        }
        assert_eq!(accepted(&HeaderMap::new()), Ok(Wanted::Objects));
    }
}
