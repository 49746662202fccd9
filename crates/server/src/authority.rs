//! A certificate authority of this computer's own, good for nothing but this computer's names and
//! the vendor's names that are led here in tests. Its constraints are in its certificate (RFC 5280
//! section 4.2.1.10, critical), so that whoever trusts it risks no other site, even if its key is
//! stolen.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};

use anyhow::Context;
use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    NameConstraints, PublicKeyData, SerialNumber,
};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use sha2::{Digest, Sha256};
use time::{Duration, OffsetDateTime};

use crate::tls::write_secret;

/// The domains that it can vouch for, each with everything below it.
pub const DOMAINS: [&str; 3] = ["localhost", "twilio.com", "twiliocdn.com"];
/// The addresses that it can vouch for.
pub const ADDRESSES: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::LOCALHOST),
    IpAddr::V6(Ipv6Addr::LOCALHOST),
];
/// What its name begins with, in every store of certificates.
pub const NAME: &str = "Switchboard local authority";

/// How long it is good: long enough not to be a nuisance, short enough to be forgotten safely.
const LIFE: Duration = Duration::days(2 * 365);
/// How long a certificate of it is good; browsers refuse more than 398 days.
const LEAF_LIFE: Duration = Duration::days(397);
/// An authority with less to live is replaced.
const TOO_OLD: Duration = Duration::days(30);
/// Clocks differ.
const SLACK: Duration = Duration::days(1);

/// The vendor's edges, each with its region (`voice-client.md` 1.2): SDKs from 2.3 put the edge into
/// the name of the signalling host, telemetry and REST the region, and REST both.
const EDGES: [(&str, &str); 9] = [
    ("roaming", "gll"),
    ("sydney", "au1"),
    ("sao-paulo", "br1"),
    ("dublin", "ie1"),
    ("frankfurt", "de1"),
    ("tokyo", "jp1"),
    ("singapore", "sg1"),
    ("ashburn", "us1"),
    ("umatilla", "us2"),
];
/// Edges that are reached over private lines have names of the same pattern.
const PRIVATE_EDGES: [&str; 7] = [
    "ashburn-ix",
    "san-jose-ix",
    "london-ix",
    "frankfurt-ix",
    "singapore-ix",
    "sydney-ix",
    "tokyo-ix",
];

/// The authority, with its key.
pub struct Authority {
    /// Where its certificate is, PEM.
    pub path: PathBuf,
    /// Its certificate, PEM.
    pub pem: String,
    /// SHA-256 of its certificate, in hexadecimal.
    pub fingerprint: String,
    key: KeyPair,
}

/// The authority's certificate in a data folder.
fn certificate_path(data: &Path) -> PathBuf {
    data.join("authority.crt")
}

impl Authority {
    /// The one of a data folder; none if there is none, or if it has less than a month to live.
    pub fn find(data: &Path) -> anyhow::Result<Option<Self>> {
        let path = certificate_path(data);
        let key_path = data.join("authority.key");
        if !path.exists() || !key_path.exists() {
            return Ok(None);
        }
        let cure = "; remove both authority.crt and authority.key, and a new one is made";
        let read =
            |path: &Path| std::fs::read_to_string(path).with_context(|| path.display().to_string());
        let pem = read(&path)?;
        let key = KeyPair::from_pem(&read(&key_path)?)
            .with_context(|| format!("{} is no key{cure}", key_path.display()))?;
        let der = CertificateDer::from_pem_slice(pem.as_bytes())
            .map_err(anyhow::Error::from)
            .with_context(|| format!("{} is no certificate{cure}", path.display()))?;
        let ends =
            ends(&der).with_context(|| format!("{} is not of ours{cure}", path.display()))?;
        if ends < OffsetDateTime::now_utc() + TOO_OLD {
            return Ok(None);
        }
        let fingerprint = hex(&Sha256::digest(&der));
        Ok(Some(Authority {
            path,
            pem,
            fingerprint,
            key,
        }))
    }

    /// The one of a data folder, made if there is none.
    pub fn find_or_make(data: &Path) -> anyhow::Result<Self> {
        if let Some(found) = Self::find(data)? {
            return Ok(found);
        }
        let key = KeyPair::generate().context("cannot make a key")?;
        let certificate = params(&key).self_signed(&key)?;
        let path = certificate_path(data);
        std::fs::create_dir_all(data)
            .with_context(|| format!("cannot make the folder {}", data.display()))?;
        write_secret(&data.join("authority.key"), key.serialize_pem().as_bytes())
            .with_context(|| format!("cannot write into {}", data.display()))?;
        std::fs::write(&path, certificate.pem())?;
        Ok(Authority {
            path,
            pem: certificate.pem(),
            fingerprint: hex(&Sha256::digest(certificate.der())),
            key,
        })
    }

    /// What it is called, in a store where others may be.
    pub fn name(&self) -> String {
        name(&self.key)
    }

    /// The first characters of its fingerprint's key: different for each installation.
    pub fn mark(&self) -> String {
        mark(&self.key)
    }

    /// A certificate for a key and names, as PEM: the certificate, then the authority's. Names that
    /// it cannot vouch for are left out, or nobody would accept the others either.
    pub fn issue(&self, key: &KeyPair, hosts: &[String]) -> anyhow::Result<String> {
        let (within, beyond): (Vec<_>, Vec<_>) =
            hosts.iter().cloned().partition(|host| vouches_for(host));
        for host in beyond {
            tracing::warn!(
                host,
                "the certificate is not good for this name: the local authority may vouch only for this computer; `tls-certificate` names one of your own"
            );
        }
        self.sign(key, within)
    }

    fn sign(&self, key: &KeyPair, hosts: Vec<String>) -> anyhow::Result<String> {
        let now = OffsetDateTime::now_utc();
        let mut leaf = CertificateParams::new(hosts)?;
        leaf.distinguished_name = DistinguishedName::new();
        leaf.distinguished_name
            .push(DnType::CommonName, "Switchboard on this computer");
        // A number may be used once (NSS refuses a second certificate with it).
        leaf.serial_number = Some(SerialNumber::from(rand::random::<[u8; 16]>().to_vec()));
        leaf.not_before = now - SLACK;
        leaf.not_after = now + LEAF_LIFE;
        leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        leaf.use_authority_key_identifier_extension = true;
        let issuing = params(&self.key);
        let issuer = Issuer::from_params(&issuing, &self.key);
        let certificate = leaf
            .signed_by(key, &issuer)
            .context("cannot make a certificate")?;
        Ok(certificate.pem() + &self.pem)
    }
}

/// The names of a development server's certificate besides its own: those that the vendor's SDKs and
/// helper libraries call. A wildcard stands for one label.
pub fn names() -> Vec<String> {
    let mut names: Vec<String> = [
        "localhost",
        // One by one: nobody accepts a wildcard right below the root, and some nothing beside it.
        "voice-js.localhost",
        "eventgw.localhost",
        "console.localhost",
        "127.0.0.1",
        "::1",
        "*.twilio.com",
        "*.twiliocdn.com",
    ]
    .map(str::to_owned)
    .into();
    for (edge, region) in EDGES {
        names.push(format!("*.{edge}.twilio.com"));
        names.push(format!("*.{region}.twilio.com"));
        names.push(format!("*.{edge}.{region}.twilio.com"));
    }
    names.extend(PRIVATE_EDGES.map(|edge| format!("*.{edge}.twilio.com")));
    names
}

/// Whether the constraints allow a name.
fn vouches_for(host: &str) -> bool {
    match host.parse::<IpAddr>() {
        Ok(address) => ADDRESSES.contains(&address),
        Err(_) => DOMAINS.iter().any(|domain| below(host, domain)),
    }
}

/// Whether a host is a domain, or below it.
pub fn below(host: &str, domain: &str) -> bool {
    let (host, domain) = (host.as_bytes(), domain.as_bytes());
    let Some(start) = host.len().checked_sub(domain.len()) else {
        return false;
    };
    host[start..].eq_ignore_ascii_case(domain) && (start == 0 || host[start - 1] == b'.')
}

/// Everything that can be told from the key, so that the issuer need not be parsed to issue.
fn params(key: &KeyPair) -> CertificateParams {
    let now = OffsetDateTime::now_utc();
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, name(key));
    params.serial_number = Some(SerialNumber::from(rand::random::<[u8; 16]>().to_vec()));
    params.not_before = now - SLACK;
    params.not_after = now + LIFE;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let domains = DOMAINS.map(|domain| GeneralSubtree::DnsName(domain.to_owned()));
    let addresses = ADDRESSES.map(|address| {
        let bits = if address.is_ipv4() { 32 } else { 128 };
        GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(address, bits))
    });
    params.name_constraints = Some(NameConstraints {
        permitted_subtrees: domains.into_iter().chain(addresses).collect(),
        excluded_subtrees: Vec::new(),
    });
    params
}

/// Until when a certificate that we made is good. Its validity is a sequence of two UTCTimes (RFC
/// 5280 section 4.1.2.5), the only one of its kind and length in it.
fn ends(der: &[u8]) -> Option<OffsetDateTime> {
    const VALIDITY: [u8; 4] = [0x30, 0x1e, 0x17, 0x0d];
    const TIME: usize = 13;
    let at = der.windows(4).position(|four| four == VALIDITY)? + 4;
    let after = der.get(at + TIME + 2..at + 2 * TIME + 2)?;
    let two = |at: usize| -> Option<u8> {
        std::str::from_utf8(after.get(at..at + 2)?)
            .ok()?
            .parse()
            .ok()
    };
    let date = time::Date::from_calendar_date(
        2000 + i32::from(two(0)?),
        time::Month::try_from(two(2)?).ok()?,
        two(4)?,
    );
    Some(date.ok()?.midnight().assume_utc())
}

fn name(key: &KeyPair) -> String {
    format!("{NAME} {}", mark(key))
}

fn mark(key: &KeyPair) -> String {
    hex(&Sha256::digest(key.subject_public_key_info())[..4])
}

/// Bytes in lower case hexadecimal.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::sync::Arc;

    use rustls::pki_types::{PrivateKeyDer, ServerName};
    use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection};

    use super::*;

    fn folder(name: &str) -> PathBuf {
        let folder =
            std::env::temp_dir().join(format!("switchboard-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        folder
    }

    /// What a client that trusts only this authority says to a server with this chain.
    fn handshake(
        authority: &Authority,
        chain: &str,
        key: &KeyPair,
        host: &str,
    ) -> Result<(), rustls::Error> {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let chain: Vec<_> = CertificateDer::pem_slice_iter(chain.as_bytes())
            .collect::<Result<_, _>>()
            .unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let server = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_slice(authority.pem.as_bytes()).unwrap())
            .unwrap();
        let client = ClientConfig::builder()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from(host.to_owned()).unwrap();
        let mut client = ClientConnection::new(Arc::new(client), name).unwrap();
        let mut server = ServerConnection::new(Arc::new(server)).unwrap();
        for _ in 0..10 {
            let mut wire = Vec::new();
            while client.wants_write() {
                client.write_tls(&mut wire).unwrap();
            }
            let mut wire = wire.as_slice();
            while !wire.is_empty() {
                server.read_tls(&mut wire).unwrap();
            }
            server.process_new_packets()?;
            let mut wire = Vec::new();
            while server.wants_write() {
                server.write_tls(&mut wire).unwrap();
            }
            let mut wire = wire.as_slice();
            while !wire.is_empty() {
                client.read_tls(&mut wire).unwrap();
            }
            client.process_new_packets()?;
            if !client.is_handshaking() && !server.is_handshaking() {
                return Ok(());
            }
        }
        panic!("no end of the handshake");
    }

    #[test]
    fn a_client_that_trusts_it_accepts_the_names_of_this_computer_and_the_vendor_only() {
        let data = folder("authority");
        let authority = Authority::find_or_make(&data).unwrap();
        let key = KeyPair::generate().unwrap();
        let chain = authority.issue(&key, &names()).unwrap();
        for host in [
            "localhost",
            "voice-js.localhost",
            "eventgw.localhost",
            "127.0.0.1",
            "::1",
            "api.twilio.com",
            "chunderw-vpc-gll.twilio.com",
            "voice-js.roaming.twilio.com",
            "eventgw.us1.twilio.com",
            "api.dublin.ie1.twilio.com",
            "sdk.twilio.com",
            "media.twiliocdn.com",
        ] {
            handshake(&authority, &chain, &key, host)
                .unwrap_or_else(|error| panic!("{host}: {error}"));
        }
        // The authority's key in the wrong hands: a certificate for a bank is worth nothing.
        for host in [
            "bank.example",
            "nottwilio.com",
            "twilio.com.example",
            "127.0.0.2",
            "192.168.0.1",
        ] {
            let forged = authority.sign(&key, vec![host.to_owned()]).unwrap();
            let refused = handshake(&authority, &forged, &key, host).unwrap_err();
            assert!(
                format!("{refused:?}").contains("NameConstraintViolation"),
                "{host}: {refused:?}"
            );
            // One forbidden name spoils the permitted ones, which is why `issue` leaves it out.
            let mixed = vec![host.to_owned(), "localhost".to_owned()];
            let forged = authority.sign(&key, mixed.clone()).unwrap();
            assert!(handshake(&authority, &forged, &key, "localhost").is_err());
            let issued = authority.issue(&key, &mixed).unwrap();
            handshake(&authority, &issued, &key, "localhost").unwrap();
        }
        std::fs::remove_dir_all(data).unwrap();
    }

    #[test]
    fn it_is_made_once_for_its_owner_only_and_each_differs() {
        let data = folder("authority-once");
        assert!(Authority::find(&data).unwrap().is_none());
        let made = Authority::find_or_make(&data).unwrap();
        let again = Authority::find_or_make(&data).unwrap();
        assert_eq!(made.fingerprint, again.fingerprint);
        assert_eq!(made.name(), again.name());
        let mode = std::fs::metadata(data.join("authority.key"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        // What the second one issues is good for those who trust the first.
        let key = KeyPair::generate().unwrap();
        let chain = again.issue(&key, &names()).unwrap();
        handshake(&made, &chain, &key, "localhost").unwrap();

        let elsewhere = folder("authority-other");
        let other = Authority::find_or_make(&elsewhere).unwrap();
        assert_ne!(made.name(), other.name());
        assert!(handshake(&other, &chain, &key, "localhost").is_err());

        std::fs::write(&made.path, "nonsense").unwrap();
        let error = format!("{:#}", Authority::find(&data).err().unwrap());
        assert!(error.contains("is no certificate; remove both"), "{error}");
        std::fs::remove_dir_all(data).unwrap();
        std::fs::remove_dir_all(elsewhere).unwrap();
    }

    #[test]
    fn one_that_ends_soon_is_replaced() {
        let data = folder("authority-old");
        let made = Authority::find_or_make(&data).unwrap();
        let der = CertificateDer::from_pem_slice(made.pem.as_bytes()).unwrap();
        let left = ends(&der).unwrap() - OffsetDateTime::now_utc();
        assert!(left <= LIFE && left > LIFE - Duration::days(2), "{left}");
        let mut old = params(&made.key);
        old.not_after = OffsetDateTime::now_utc() + TOO_OLD - SLACK;
        std::fs::write(&made.path, old.self_signed(&made.key).unwrap().pem()).unwrap();
        assert!(Authority::find(&data).unwrap().is_none());
        let new = Authority::find_or_make(&data).unwrap();
        assert_ne!(new.fingerprint, made.fingerprint);
        std::fs::remove_dir_all(data).unwrap();
    }

    #[test]
    fn a_domain_has_what_is_below_it_and_nothing_else() {
        assert!(below("api.twilio.com", "twilio.com") && below("Twilio.COM", "twilio.com"));
        for host in ["xtwilio.com", "twilio.com.x", "com", ""] {
            assert!(!below(host, "twilio.com"), "{host}");
        }
    }
}
