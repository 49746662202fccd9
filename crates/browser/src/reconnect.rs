//! Tokens with which a page comes back to its call after its socket dropped, or with which another
//! device of the same identity takes the call over (`connectToken`).
//!
//! A token is good for one call, one device and one identity. The number in it rises at every use;
//! the one before is accepted too, for our answer may have been lost with the socket.

use crate::event::{DeviceId, Owner};
use hmac::{Hmac, Mac};
use model::sid::CallSid;
use sha2::Sha256;

/// Makes and reads the tokens.
pub(crate) struct Reconnect {
    key: [u8; 32],
}

impl Reconnect {
    pub fn new(key: [u8; 32]) -> Reconnect {
        Reconnect { key }
    }

    pub fn token(&self, owner: &Owner, call: CallSid, device: DeviceId, number: u32) -> String {
        let tag = self
            .mac(owner, call, device, number)
            .finalize()
            .into_bytes();
        let tag: String = tag[..16].iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{number:x}.{:x}.{tag}", device.0)
    }

    /// The device and the number, if the token was made by us for this call and this identity.
    pub fn read(&self, owner: &Owner, call: CallSid, token: &str) -> Option<(DeviceId, u32)> {
        let mut parts = token.split('.');
        let number = u32::from_str_radix(parts.next()?, 16).ok()?;
        let device = DeviceId(u64::from_str_radix(parts.next()?, 16).ok()?);
        let tag = parts
            .next()
            .filter(|tag| tag.len() == 32 && tag.is_ascii())?;
        if parts.next().is_some() {
            return None;
        }
        let mut bytes = [0; 16];
        for (byte, pair) in bytes.iter_mut().zip(tag.as_bytes().chunks(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
        }
        // In constant time.
        self.mac(owner, call, device, number)
            .verify_truncated_left(&bytes)
            .ok()
            .map(|()| (device, number))
    }

    fn mac(&self, owner: &Owner, call: CallSid, device: DeviceId, number: u32) -> Hmac<Sha256> {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&self.key).expect("HMAC takes a key of any length");
        mac.update(owner.account.as_bytes());
        mac.update(call.as_bytes());
        mac.update(&device.0.to_be_bytes());
        mac.update(&number.to_be_bytes());
        mac.update(owner.identity.name().as_bytes());
        mac
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Identity;
    use model::sid::AccountSid;

    #[test]
    fn a_token_is_good_for_its_call_its_device_and_its_identity() {
        let owner = |name: &str| Owner {
            account: AccountSid::from_bytes([1; 16]),
            identity: Identity::Named(name.to_owned()),
        };
        let call = CallSid::from_bytes([2; 16]);
        let tokens = Reconnect::new([7; 32]);
        let token = tokens.token(&owner("alice"), call, DeviceId(3), 9);
        assert_eq!(
            tokens.read(&owner("alice"), call, &token),
            Some((DeviceId(3), 9))
        );
        assert_eq!(tokens.read(&owner("bob"), call, &token), None);
        let other = CallSid::from_bytes([3; 16]);
        assert_eq!(tokens.read(&owner("alice"), other, &token), None);
        let foreign = Reconnect::new([8; 32]);
        assert_eq!(foreign.read(&owner("alice"), call, &token), None);
        for at in 0..token.len() {
            let mut forged = token.clone().into_bytes();
            forged[at] = if forged[at] == b'1' { b'2' } else { b'1' };
            let forged = String::from_utf8(forged).unwrap();
            assert_eq!(
                tokens.read(&owner("alice"), call, &forged),
                None,
                "{forged}"
            );
        }
        for text in ["", ".", "..", "0.0.", "0.0.+f+f", "0.3.é", "1.2.3.4"] {
            assert_eq!(tokens.read(&owner("alice"), call, text), None, "{text}");
        }
    }
}
