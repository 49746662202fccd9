//! The certificate of HTTPS and of SIP over TLS, and how we look at the certificates of others.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest, Sha256};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::authority::{self, Authority};
use crate::config::{Config, Mode};

/// Both sides of TLS.
pub struct Tls {
    /// For those who connect to us.
    pub acceptor: TlsAcceptor,
    /// For those we connect to.
    pub connector: TlsConnector,
    /// SHA-256 of our public key (SubjectPublicKeyInfo), base64: how a browser can be told to accept
    /// this one certificate and no other.
    pub key_sha256: String,
}

/// The names that our certificate is for.
pub fn hosts(config: &Config) -> Vec<String> {
    let mut hosts = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    if let Some(host) = &config.public_host {
        hosts.insert(0, host.clone());
        if host.parse::<IpAddr>().is_err() {
            // Where the SDKs are led by `connected.home` and `connected.edge`.
            hosts.extend(["eventgw", "voice-js"].map(|before| format!("{before}.{host}")));
        }
    }
    hosts
}

/// Reads the certificate and key that the settings name; without settings those in the data folder:
/// in development issued by the local authority, which is made when it is missing, else self-signed
/// for this host.
pub fn prepare(config: &Config, hosts: Vec<String>) -> anyhow::Result<Tls> {
    // An error means that one is installed already.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let (certificate_path, key_path) = match (&config.tls_certificate, &config.tls_key) {
        (Some(certificate), Some(key)) => (certificate.clone(), key.clone()),
        _ if config.mode == Mode::Development => issued(&config.data, hosts)?,
        _ => made(&config.data, hosts)?,
    };
    let chain = certificates(&certificate_path, "tls-certificate")?;
    let key = PrivateKeyDer::from_pem_file(&key_path).with_context(|| {
        format!(
            "cannot read a key in {}; tls-key names a PEM file that this user can read",
            key_path.display()
        )
    })?;
    let roots = authorities(config, &chain)?;
    let key_sha256 = key_sha256(&chain[0])?;
    let mut server = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .with_context(|| {
            format!(
                "{} and {} do not belong together; name a certificate and its own key",
                certificate_path.display(),
                key_path.display()
            )
        })?;
    server.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let client = rustls::ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Tls {
        acceptor: TlsAcceptor::from(Arc::new(server)),
        connector: TlsConnector::from(Arc::new(client)),
        key_sha256,
    })
}

/// Who may vouch for the servers that we connect to: the system's authorities, those of the
/// operator, and our own certificate, so that one Switchboard can call another with a copy of it.
fn authorities(
    config: &Config,
    own: &[CertificateDer<'static>],
) -> anyhow::Result<rustls::RootCertStore> {
    let mut roots = rustls::RootCertStore::empty();
    let system = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(system.certs);
    if roots.is_empty() {
        tracing::warn!(
            errors = ?system.errors,
            "this system has no authorities (package ca-certificates): SIP over TLS reaches only servers vouched for in sip-ca-file"
        );
    }
    roots.add_parsable_certificates(own.iter().cloned());
    if let Some(file) = &config.sip_ca_file {
        let theirs = certificates(file, "sip-ca-file")?;
        let (_, unusable) = roots.add_parsable_certificates(theirs);
        if unusable > 0 {
            tracing::warn!(unusable, file = %file.display(), "some authorities of sip-ca-file cannot be used");
        }
    }
    Ok(roots)
}

/// The certificates of a file, at least one.
fn certificates(path: &Path, setting: &str) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let cure = || {
        format!(
            "cannot read a certificate in {}; {setting} names a PEM file that this user can read",
            path.display()
        )
    };
    let all = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .with_context(cure)?;
    if all.is_empty() {
        anyhow::bail!(cure());
    }
    Ok(all)
}

fn key_sha256(certificate: &CertificateDer<'_>) -> anyhow::Result<String> {
    let parsed = rustls::server::ParsedCertificate::try_from(certificate)
        .context("the certificate cannot be understood; name another with tls-certificate")?;
    let digest = Sha256::digest(parsed.subject_public_key_info());
    Ok(base64::Engine::encode(
        &base64::engine::general_purpose::STANDARD,
        digest,
    ))
}

/// The certificate and key in the data folder, issued by the local authority. The key stays, the
/// certificate is new at each start: the names or the authority may have changed.
fn issued(data: &Path, mut hosts: Vec<String>) -> anyhow::Result<(PathBuf, PathBuf)> {
    let authority = Authority::find_or_make(data)?;
    for name in authority::names() {
        if !hosts.contains(&name) {
            hosts.push(name);
        }
    }
    let (certificate, key_path) = (data.join("tls.crt"), data.join("tls.key"));
    let kept = std::fs::read_to_string(&key_path)
        .ok()
        .and_then(|pem| rcgen::KeyPair::from_pem(&pem).ok());
    let key = match kept {
        Some(key) => key,
        None => {
            let key = rcgen::KeyPair::generate().context("cannot make a key")?;
            write_secret(&key_path, key.serialize_pem().as_bytes())?;
            key
        }
    };
    std::fs::write(&certificate, authority.issue(&key, &hosts)?)?;
    Ok((certificate, key_path))
}

/// The self-signed certificate and its key in the data folder, made when they are missing.
fn made(data: &Path, hosts: Vec<String>) -> anyhow::Result<(PathBuf, PathBuf)> {
    let (certificate, key) = (data.join("tls.crt"), data.join("tls.key"));
    if !certificate.exists() || !key.exists() {
        let made =
            rcgen::generate_simple_self_signed(hosts).context("cannot make a certificate")?;
        std::fs::write(&certificate, made.cert.pem())?;
        write_secret(&key, made.signing_key.serialize_pem().as_bytes())?;
    }
    Ok((certificate, key))
}

/// Writes a file that only its owner may read.
pub fn write_secret(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Ports;

    #[test]
    fn a_certificate_that_cannot_be_used_says_which_and_how_to_mend_it() {
        let folder = std::env::temp_dir().join(format!("switchboard-tls-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let mut config = Config::development(folder.clone(), Ports::AUTO);
        let refused = |config: &Config| {
            let error = prepare(config, vec!["localhost".into()]).err().unwrap();
            error.to_string()
        };
        prepare(&config, vec!["localhost".into()]).ok().unwrap();
        let (certificate, key) = (folder.join("tls.crt"), folder.join("tls.key"));

        config.tls_certificate = Some(folder.join("none.crt"));
        config.tls_key = Some(key.clone());
        let message = refused(&config);
        assert!(
            message.contains("none.crt; tls-certificate names a PEM file"),
            "{message}"
        );
        config.tls_certificate = Some(key);
        assert!(refused(&config).contains("cannot read a certificate"));
        config.tls_certificate = Some(certificate.clone());
        config.tls_key = Some(certificate.clone());
        assert!(refused(&config).contains("tls-key names a PEM file"));
        let other = rcgen::generate_simple_self_signed(["a".to_owned()]).unwrap();
        let other_key = folder.join("other.key");
        std::fs::write(&other_key, other.signing_key.serialize_pem()).unwrap();
        config.tls_key = Some(other_key);
        assert!(refused(&config).contains("do not belong together"));

        config.tls_certificate = None;
        config.tls_key = None;
        config.sip_ca_file = Some(folder.join("none.pem"));
        assert!(refused(&config).contains("sip-ca-file names a PEM file"));
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
