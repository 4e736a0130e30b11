//! Certificates made for the test, and those of `testdata/tls`.

// each test program uses its part of this
#![allow(dead_code)]

use std::path::{Path, PathBuf};
use std::process::Command;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, date_time_ymd,
};

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

    /// For a server of this name, valid since the beginning of `year`, with a key as cert-manager makes them: RSA in PKCS#1.
    pub(crate) fn issue_for(&self, name: &str, year: i32) -> Pem {
        let openssl = Command::new("openssl").args(["genrsa", "-traditional", "2048"]).output();
        let key = String::from_utf8(openssl.expect("openssl is installed").stdout).unwrap();
        let pair = KeyPair::from_pem_and_sign_algo(&key, &rcgen::PKCS_RSA_SHA256).unwrap();
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.not_before = date_time_ymd(year, 1, 1);
        Pem { cert: params.signed_by(&pair, &self.issuer).unwrap().pem(), key }
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
