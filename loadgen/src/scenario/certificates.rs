//! The certificates of a scenario with HTTPS: one CA, a server below it, and collectors.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};

use super::step::CertificateFiles;
use crate::tls::{ClientTls, Pair};

/// The name in the server's certificate.
const SERVER: &str = "localhost";

/// The files an allocator reads, and what collectors show.
pub(super) struct Certificates {
    directory: PathBuf,
    ca: String,
    issuer: Issuer<'static, KeyPair>,
    server: Pair,
}

impl Certificates {
    /// Makes all of them, and writes the files.
    pub(super) fn new(directory: &Path) -> anyhow::Result<Self> {
        std::fs::create_dir_all(directory).with_context(|| format!("make {}", directory.display()))?;
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "loadgen CA");
        let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?;
        let ca = params.self_signed(&key)?.pem();
        let issuer = Issuer::new(params, key);
        let server = pair(&issuer, ExtendedKeyUsagePurpose::ServerAuth)?;
        let certificates = Certificates { directory: directory.to_owned(), ca, issuer, server };
        certificates.write(&certificates.ca, &certificates.server)?;
        Ok(certificates)
    }

    /// The files of CA, certificate and key.
    pub(super) fn paths(&self) -> [PathBuf; 3] {
        ["ca.crt", "tls.crt", "tls.key"].map(|name| self.directory.join(name))
    }

    /// What a collector connects with: a certificate of its own each time.
    pub(super) fn client(&self) -> anyhow::Result<ClientTls> {
        let pair = pair(&self.issuer, ExtendedKeyUsagePurpose::ClientAuth)?;
        Ok(ClientTls::new(SERVER, &self.ca, Some(&pair))?)
    }

    /// Does to the files what a step says.
    pub(super) fn replace(&mut self, files: CertificateFiles) -> anyhow::Result<()> {
        let both = |text: &str| Pair { certificate: text.to_owned(), key: text.to_owned() };
        match files {
            CertificateFiles::Garbage => self.write("garbage\n", &both("garbage\n")),
            CertificateFiles::Empty => self.write("", &both("")),
            CertificateFiles::Gone => {
                self.paths().iter().try_for_each(std::fs::remove_file).context("remove the files of HTTPS")
            }
            CertificateFiles::Mismatch => {
                let other = pair(&self.issuer, ExtendedKeyUsagePurpose::ServerAuth)?;
                self.write(&self.ca, &Pair { key: other.key, ..self.server.clone() })
            }
            CertificateFiles::Renewed => {
                self.server = pair(&self.issuer, ExtendedKeyUsagePurpose::ServerAuth)?;
                self.write(&self.ca, &self.server)
            }
        }
    }

    /// The server's certificate, as it is shown in a handshake.
    pub(super) fn shown(&self) -> anyhow::Result<Vec<u8>> {
        use rustls::pki_types::pem::PemObject as _;
        let certificate = rustls::pki_types::CertificateDer::from_pem_slice(self.server.certificate.as_bytes());
        Ok(certificate.map_err(|error| anyhow::anyhow!("our own certificate: {error}"))?.to_vec())
    }

    fn write(&self, ca: &str, server: &Pair) -> anyhow::Result<()> {
        for (path, text) in self.paths().iter().zip([ca, &server.certificate, &server.key]) {
            let beside = path.with_extension("tmp");
            std::fs::write(&beside, text).with_context(|| format!("write {}", beside.display()))?;
            std::fs::rename(&beside, path)?;
        }
        Ok(())
    }
}

/// A certificate of the CA, valid from 1975 to 4096: clocks jump in some scenarios.
fn pair(issuer: &Issuer<'static, KeyPair>, purpose: ExtendedKeyUsagePurpose) -> anyhow::Result<Pair> {
    let mut params = CertificateParams::new([SERVER.to_owned()])?;
    params.distinguished_name.push(DnType::CommonName, "loadgen");
    params.extended_key_usages = vec![purpose];
    let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?;
    Ok(Pair { certificate: params.signed_by(&key, issuer)?.pem(), key: key.serialize_pem() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_good_at_first_and_become_what_is_asked() {
        let directory = tempfile::tempdir().unwrap();
        let mut certificates = Certificates::new(&directory.path().join("tls")).unwrap();
        let read = |certificates: &Certificates| {
            certificates.paths().map(|path| std::fs::read_to_string(path).unwrap_or_else(|_| "gone".to_owned()))
        };
        let good = read(&certificates);
        assert!(good[0].contains("BEGIN CERTIFICATE") && good[2].contains("PRIVATE KEY"));
        certificates.client().unwrap();
        certificates.replace(CertificateFiles::Garbage).unwrap();
        assert_eq!(read(&certificates), ["garbage\n"; 3]);
        certificates.replace(CertificateFiles::Mismatch).unwrap();
        let mismatch = read(&certificates);
        assert_eq!((&mismatch[1], mismatch[2] == good[2]), (&good[1], false));
        certificates.replace(CertificateFiles::Gone).unwrap();
        assert_eq!(read(&certificates), ["gone"; 3]);
        let before = certificates.shown().unwrap();
        certificates.replace(CertificateFiles::Renewed).unwrap();
        assert_eq!(read(&certificates)[0], good[0]);
        assert_ne!(certificates.shown().unwrap(), before);
    }
}
