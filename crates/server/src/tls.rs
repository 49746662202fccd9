//! The certificate of HTTPS and of SIP over TLS, and how we look at the certificates of others.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// Both sides of TLS.
pub struct Tls {
    /// For those who connect to us.
    pub acceptor: TlsAcceptor,
    /// For those we connect to.
    pub connector: TlsConnector,
}

/// Reads `tls.crt` and `tls.key` in the data folder; makes them, self-signed for this host, when
/// they are not there.
pub fn prepare(data: &Path, hosts: Vec<String>) -> anyhow::Result<Tls> {
    // An error means that one is installed already.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let (certificate_path, key_path) = (data.join("tls.crt"), data.join("tls.key"));
    if !certificate_path.exists() || !key_path.exists() {
        let made =
            rcgen::generate_simple_self_signed(hosts).context("cannot make a certificate")?;
        std::fs::write(&certificate_path, made.cert.pem())?;
        write_secret(&key_path, made.signing_key.serialize_pem().as_bytes())?;
    }
    let chain = CertificateDer::pem_file_iter(&certificate_path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .with_context(|| format!("cannot read {}", certificate_path.display()))?;
    let key = PrivateKeyDer::from_pem_file(&key_path)
        .with_context(|| format!("cannot read {}", key_path.display()))?;
    let mut roots = rustls::RootCertStore::empty();
    // Carriers with certificates of their own put the authority into the chain file.
    roots.add_parsable_certificates(chain.clone());
    let mut server = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .context("tls.crt and tls.key do not belong together")?;
    server.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let client = rustls::ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Tls {
        acceptor: TlsAcceptor::from(Arc::new(server)),
        connector: TlsConnector::from(Arc::new(client)),
    })
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
