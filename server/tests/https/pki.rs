//! Certificates made for the test, and those of `testdata/tls`.

use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};

/// Certificate and key as PEM.
#[derive(Clone)]
pub(crate) struct Pem {
    pub(crate) cert: String,
    pub(crate) key: String,
}

/// A CA, or one below another.
pub(crate) struct Authority {
    pub(crate) pem: Pem,
    issuer: Issuer<'static, KeyPair>,
}

fn mk_key() -> KeyPair {
    KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap()
}

fn mk_ca_params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let (params, key) = (mk_ca_params(name), mk_key());
        let pem = Pem { cert: params.self_signed(&key).unwrap().pem(), key: key.serialize_pem() };
        Self { pem, issuer: Issuer::new(params, key) }
    }

    /// A CA signed by this one.
    pub(crate) fn intermediate(&self, name: &str) -> Self {
        let (params, key) = (mk_ca_params(name), mk_key());
        let pem = Pem { cert: params.signed_by(&key, &self.issuer).unwrap().pem(), key: key.serialize_pem() };
        Self { pem, issuer: Issuer::new(params, key) }
    }

    pub(crate) fn server(&self) -> Pem {
        self.issue(|params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth])
    }

    pub(crate) fn client(&self) -> Pem {
        self.issue(|params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth])
    }

    /// For `localhost`, with `change`.
    pub(crate) fn issue(&self, change: impl FnOnce(&mut CertificateParams)) -> Pem {
        let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, "someone");
        change(&mut params);
        let key = mk_key();
        Pem { cert: params.signed_by(&key, &self.issuer).unwrap().pem(), key: key.serialize_pem() }
    }
}

/// A file of `testdata/tls`.
pub(crate) fn testdata(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/testdata/tls").join(name)
}
