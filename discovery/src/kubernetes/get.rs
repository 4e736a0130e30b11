//! One object, asked for by name: for those who may not list or watch it.

use http::StatusCode;
use serde::Deserialize;

use super::client::{Accept, Answer, Cluster};
use super::object::{Kind, ObjectKey};

/// Why nothing is known of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unknown {
    /// The server says why, and will say so again.
    Refused(String),
    /// Another time it may be known.
    Failed(String),
}

impl Cluster {
    /// The object as it is now; `None` if there is none, or no such kind.
    ///
    /// # Errors
    /// The server does not let us see it, does not answer, or answers what makes no sense.
    pub(crate) async fn object<K: Kind>(&self, key: &ObjectKey) -> Result<Option<K::Kept>, Unknown> {
        let namespace = Some(&*key.namespace).filter(|_| K::RESOURCE.namespaced);
        let mut path = K::RESOURCE.path(namespace);
        path.push('/');
        path.extend(url::form_urlencoded::byte_serialize(key.name.as_bytes()));
        let mut answer = self.get(&path, Accept::Json).await.map_err(Unknown::Failed)?;
        let body = whole(&mut answer).await.map_err(Unknown::Failed)?;
        match answer.status {
            StatusCode::OK => K::keep(&body).map(Some).map_err(Unknown::Refused),
            StatusCode::NOT_FOUND => Ok(None),
            StatusCode::FORBIDDEN => Err(Unknown::Refused(message(&body))),
            status => {
                if status == StatusCode::UNAUTHORIZED {
                    self.renew(answer.generation).await;
                }
                Err(Unknown::Failed(format!("{status}: {}", message(&body))))
            }
        }
    }
}

async fn whole(answer: &mut Answer) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    while answer.read(&mut body).await? {}
    Ok(body)
}

/// What a `Status` object says.
fn message(body: &[u8]) -> String {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Status {
        message: String,
    }
    serde_json::from_slice::<Status>(body).unwrap_or_default().message
}
