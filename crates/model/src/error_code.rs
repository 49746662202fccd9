//! The one table of error codes: number, short text, HTTP status.
//!
//! Numbers and meanings are those of the compatible interface, for programs decide by them; the
//! texts are ours. A code that upstream shows only in its debugger carries status 400, the status
//! to use should the same fault ever be found during a request.

use std::fmt;

/// A fault with a number that programs know.
#[derive(Clone, Copy)]
pub struct ErrorCode {
    /// The number.
    pub code: u32,
    /// What it says, in few words.
    pub text: &'static str,
    /// HTTP status when a REST request is refused with it.
    pub status: u16,
}

impl ErrorCode {
    /// The entry with a number, if it is in the table.
    pub fn find(code: u32) -> Option<ErrorCode> {
        ErrorCode::ALL
            .iter()
            .copied()
            .find(|entry| entry.code == code)
    }

    /// Where the fault is explained.
    pub fn more_info(self) -> String {
        format!("https://www.twilio.com/docs/errors/{}", self.code)
    }
}

impl PartialEq for ErrorCode {
    fn eq(&self, other: &Self) -> bool {
        self.code == other.code
    }
}

impl Eq for ErrorCode {}

impl std::hash::Hash for ErrorCode {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.code.hash(state);
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.code, self.text)
    }
}

impl fmt::Debug for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl serde::Serialize for ErrorCode {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u32(self.code)
    }
}

impl<'de> serde::Deserialize<'de> for ErrorCode {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let code = <u32 as serde::Deserialize>::deserialize(deserializer)?;
        ErrorCode::find(code)
            .ok_or_else(|| serde::de::Error::custom(format!("{code} is not in the table")))
    }
}

macro_rules! codes {
    ($($name:ident $code:literal $status:literal $text:literal)*) => {
        impl ErrorCode {
            $(
                #[doc = concat!(stringify!($code), ": ", $text, ".")]
                pub const $name: ErrorCode = ErrorCode {
                    code: $code,
                    text: $text,
                    status: $status,
                };
            )*

            /// The whole table, in the order of this file.
            pub const ALL: &'static [ErrorCode] = &[$(ErrorCode::$name),*];
        }
    };
}

codes! {
    // Authentication, accounts, requests in general.
    ACCOUNT_NOT_ACTIVE 10001 403 "Account is not active"
    INCOMING_CALL_REJECTED 10003 403 "Incoming call rejected because the account is not active"
    CALL_CONCURRENCY_EXCEEDED 10004 429 "Too many calls at once"
    UNKNOWN_PARAMETER 20001 400 "Unknown parameter"
    INVALID_FRIENDLY_NAME 20002 400 "Invalid FriendlyName"
    PERMISSION_DENIED 20003 401 "Authenticate"
    METHOD_NOT_ALLOWED 20004 405 "Method not allowed"
    ACCOUNT_INACTIVE 20005 403 "Account is suspended or closed"
    ACCESS_DENIED 20006 403 "Access denied"
    PAGE_SIZE_TOO_LARGE 20007 400 "Page size must be within 1 and 1000"
    TEST_CREDENTIALS 20008 403 "Resource not accessible with test credentials"
    NOT_COMPLETE 20009 409 "Resource is not complete and cannot be deleted"
    FORBIDDEN 20403 403 "Forbidden"
    NOT_FOUND 20404 404 "The requested resource was not found"
    CONFLICT 20409 409 "Conflict"
    GONE 20410 410 "Gone"
    REQUEST_TOO_LARGE 20413 413 "Request is too large"
    INVALID_PARAMETER 20422 400 "Invalid parameter"
    INVALID_SID 20423 400 "Invalid SID"
    UPGRADE_REQUIRED 20426 426 "Upgrade required"
    TOO_MANY_REQUESTS 20429 429 "Too many requests"
    INTERNAL_ERROR 20500 500 "Internal server error"
    UNAVAILABLE 20503 503 "Service unavailable"
    SUBACCOUNT_OF_SUBACCOUNT 21101 400 "A subaccount cannot have subaccounts"
    INVALID_PAGE_TOKEN 21481 400 "Invalid PageToken"

    // Access tokens, and what the voice SDK reports.
    TOKEN_INVALID 20101 401 "Invalid access token"
    TOKEN_HEADER 20102 401 "Invalid access token header"
    TOKEN_ISSUER 20103 401 "Invalid access token issuer or subject"
    TOKEN_EXPIRED 20104 401 "Access token expired or its expiration date is invalid"
    TOKEN_NOT_YET_VALID 20105 401 "Access token not yet valid"
    TOKEN_GRANTS 20106 401 "Invalid access token grants"
    TOKEN_SIGNATURE 20107 401 "Invalid access token signature"
    AUTHENTICATION_FAILED 20151 401 "Authentication failed"
    TOKEN_LIFETIME_OVER 20156 401 "Token expired"
    TOKEN_LIFETIME_TOO_LONG 20157 401 "Token lives longer than allowed"
    CLIENT_GENERIC 31000 400 "Connection error"
    CLIENT_NO_APPLICATION 31001 404 "Application not found"
    CLIENT_CANNOT_REACH 31002 400 "Connection declined"
    CLIENT_TIMEOUT 31003 400 "Connection timed out"
    CLIENT_CONNECTION 31005 400 "Connection error: gateway closed it"
    CLIENT_TRANSPORT 31009 400 "No transport to send or receive on"
    CLIENT_MICROPHONE 31201 400 "Microphone cannot be used"
    CLIENT_NAME 31105 400 "Invalid client name"
    CLIENT_SIGNATURE 31202 401 "Token signature validation failed"
    CLIENT_NO_ACCOUNT 31203 401 "No valid account"
    CLIENT_INVALID_TOKEN 31204 401 "Invalid token"
    CLIENT_TOKEN_EXPIRED 31205 401 "Token expired"
    CLIENT_RATE 31206 429 "Too many requests from this client"
    CLIENT_TOKEN_TOO_LONG 31207 401 "Token expiry too long"
    CLIENT_UNAVAILABLE 31480 400 "Temporarily unavailable"
    CLIENT_BUSY 31486 400 "Busy"
    CLIENT_CANCELED 31487 400 "Call canceled"
    CLIENT_BUSY_EVERYWHERE 31600 400 "Busy everywhere"
    CLIENT_DECLINED 31603 400 "Call declined"

    // Calls.
    CALL_QUEUE_TIMEOUT 15002 400 "Call waited in the queue for too long"
    NO_TO 21201 400 "No 'To' number is specified"
    PREMIUM_NUMBER 21202 400 "'To' is a premium number"
    INTERNATIONAL_OFF 21203 400 "International calling is not enabled"
    INVALID_URL 21205 400 "Url is not a valid URL"
    INVALID_SEND_DIGITS 21206 400 "Invalid SendDigits"
    INVALID_IF_MACHINE 21207 400 "Invalid IfMachine"
    INVALID_TIMEOUT 21208 400 "Invalid Timeout"
    INVALID_METHOD 21209 400 "Invalid method"
    FROM_NOT_VERIFIED 21210 400 "'From' is neither owned by the account nor verified"
    INVALID_TO 21211 400 "Invalid 'To' number"
    INVALID_FROM 21212 400 "Invalid 'From' number"
    NO_FROM 21213 400 "'From' is required"
    TO_UNREACHABLE 21214 400 "'To' cannot be reached"
    GEOGRAPHIC_PERMISSION 21215 400 "Calls to this place are not permitted"
    BLOCKED 21216 400 "Calls to this number are blocked"
    NOT_A_VALID_NUMBER 21217 400 "Phone number does not appear to be valid"
    INVALID_APPLICATION_SID 21218 400 "Invalid ApplicationSid"
    TO_NOT_VERIFIED 21219 400 "'To' is not verified"
    CALL_NOT_IN_PROGRESS 21220 400 "Call is not in progress"
    SIP_USERNAME_TOO_LONG 21221 400 "SipAuthUsername is too long"
    SIP_USERNAME_CHARACTERS 21222 400 "SipAuthUsername contains illegal characters"
    SIP_PASSWORD_TOO_LONG 21223 400 "SipAuthPassword is too long"
    SIP_PASSWORD_CHARACTERS 21224 400 "SipAuthPassword contains illegal characters"
    SIP_PASSWORD_REQUIRED 21225 400 "SipAuthPassword is required"
    SIP_DISABLED 21226 400 "SIP is not enabled"
    SIP_HEADER_INVALID 21227 400 "Invalid SIP header"
    SIP_HEADER_TOO_LONG 21228 400 "SIP headers are too long"
    SIP_HEADER_NAME 21229 400 "SIP header name is not allowed"
    INVALID_MACHINE_DETECTION 21234 400 "Invalid machine detection value"
    MACHINE_DETECTION_IGNORED 21262 400 "Machine detection parameter ignored"
    MACHINE_DETECTION_LIMITED 21263 400 "Machine detection value out of range, default used"
    TWIML_TOO_LONG 32018 400 "Twiml is longer than 4000 characters"
    URL_AND_TWIML 32019 400 "Both Url and Twiml given; Url is used"

    // Numbers and subaccounts.
    INVALID_PHONE_NUMBER 21401 400 "Invalid phone number"
    NUMBER_URL 21402 400 "Invalid URL"
    NUMBER_METHOD 21403 400 "Invalid method"
    NUMBER_TRIAL 21404 400 "Not available to trial accounts"
    FALLBACK_WITHOUT_URL 21405 400 "A fallback URL needs a URL"
    INVALID_CALLER_ID_LOOKUP 21409 400 "Invalid VoiceCallerIdLookup"
    APPLICATION_NOT_ACCESSIBLE 21420 400 "Application is not accessible"
    PHONE_NUMBER_INVALID 21421 400 "PhoneNumber is invalid"
    PHONE_NUMBER_UNAVAILABLE 21422 400 "PhoneNumber is not available"
    ALREADY_VALIDATED 21450 400 "Phone number is already validated"
    INVALID_AREA_CODE 21451 400 "Invalid area code"
    NO_NUMBERS_FOUND 21452 400 "No phone numbers found in the area code"
    INVALID_CALL_DELAY 21454 400 "Invalid CallDelay"
    INVALID_STATUS_CALLBACK 21456 400 "Invalid StatusCallback"
    TRANSFER_ACCOUNT_INVALID 21470 400 "Invalid AccountSid to move to"
    TRANSFER_ACCOUNT_MISSING 21471 400 "Account to move to does not exist"
    TRANSFER_ACCOUNT_INACTIVE 21472 400 "Account to move to is not active"
    TRANSFER_ACCOUNT_UNRELATED 21473 400 "Account to move to has another owner"
    TRANSFER_NOT_OWNER 21474 400 "Only the owner may move a number"
    SUBACCOUNT_STATUS_INVALID 21475 400 "Invalid account status"
    SUBACCOUNT_STATUS_MAIN 21476 400 "Status of a main account cannot be changed"
    SUBACCOUNT_STATUS_CLOSED 21477 400 "A closed account stays closed"
    SUBACCOUNT_STATUS_FORBIDDEN 21478 400 "Only the owner may change the status of a subaccount"
    SUBACCOUNT_SUSPENDED 21479 400 "Subaccount was suspended by the platform"
    SUBACCOUNT_CLOSING 21480 400 "Subaccount cannot be closed now"
    NUMBER_NOT_AVAILABLE 21501 400 "Resource is not available"
    ADDRESS_REQUIRED 21615 400 "Number requires an address"
    ADDRESS_REJECTED 21631 400 "Address does not meet the requirements of the number"
    BUNDLE_REQUIRED 21649 400 "Number requires a regulatory bundle"

    // SIP resources and SIP faults.
    TOO_MANY_DOMAINS 21230 400 "Too many SIP domains"
    DOMAIN_VALIDATION 21231 400 "SIP domain validation failed or already associated"
    INVALID_DOMAIN_NAME 21232 400 "Domain name is invalid or taken"
    DOMAIN_HAS_SUBDOMAINS 21233 400 "Domain has subdomains"
    ACL_VALIDATION 21235 400 "IP access control list validation failed"
    ACL_IN_USE 21236 400 "IP access control list is in use"
    TOO_MANY_ADDRESSES 21237 400 "Too many IP addresses"
    TOO_MANY_CREDENTIAL_LISTS 21239 400 "Too many credential lists"
    CREDENTIAL_LIST_VALIDATION 21240 400 "Credential list validation failed"
    CREDENTIAL_LIST_IN_USE 21241 400 "Credential list is in use"
    TOO_MANY_CREDENTIALS 21242 400 "Too many credentials"
    CREDENTIAL_VALIDATION 21243 400 "Credential validation failed"
    INVALID_REGION 21252 400 "Invalid region"
    CALLS_PER_SECOND 32001 400 "Calls per second exceeded"
    SIP_DOMAIN_NOT_FOUND 32002 400 "SIP domain not found"
    SIP_NOT_REGISTERED 32009 400 "SIP user is not registered"
    SIP_UNREACHABLE 32011 400 "SIP endpoint cannot be reached"
    NO_AUDIO 32014 400 "No audio received"
    MAXIMUM_DURATION 32015 400 "Call reached its maximum duration"
    CARRIER_TIMEOUT 32016 400 "Carrier did not answer in time"
    SIP_MALFORMED 32101 400 "Malformed SIP message"
    SIP_MALFORMED_CONTACT 32102 400 "Malformed SIP Contact header"
    SIP_MALFORMED_TO 32103 400 "Malformed SIP To header"
    SIP_MALFORMED_FROM 32104 400 "Malformed SIP From header"
    SIP_MALFORMED_URI 32105 400 "Malformed SIP request URI"
    SIP_MALFORMED_VIA 32106 400 "Malformed SIP Via header"
    SIP_MALFORMED_ROUTE 32107 400 "Malformed SIP route"
    SIP_MALFORMED_CSEQ 32108 400 "Malformed SIP CSeq header"
    SIP_MALFORMED_CALL_ID 32109 400 "Malformed SIP Call-ID header"
    SIP_MALFORMED_LENGTH 32110 400 "Malformed SIP Content-Length header"
    SIP_MALFORMED_BODY 32111 400 "Malformed SIP body"
    SIP_MALFORMED_SDP 32112 400 "Malformed SDP"
    SIP_MALFORMED_AUTHORIZATION 32113 400 "Malformed SIP authorization header"
    SIP_MALFORMED_HEADER 32114 400 "Malformed SIP header"
    SIP_NO_AUTHENTICATION 32200 403 "SIP domain has neither credentials nor an access control list"
    SIP_SOURCE_NOT_ALLOWED 32201 403 "Source address is not in the access control list"
    SIP_BAD_CREDENTIALS 32202 403 "Bad user credentials"
    SIP_BLOCKED_NUMBER 32203 403 "Blocked number"
    SIP_BLOCKED_PREFIX 32204 403 "Blocked number prefix"
    SIP_GEOGRAPHIC_PERMISSION 32205 403 "No permission to call this place"
    SIP_CALLS_PER_SECOND 32206 403 "SIP calls per second exceeded"
    SIP_TRIAL_NUMBER 32207 403 "Number is not verified"
    SIP_ACCOUNT_INACTIVE 32208 403 "Account of the SIP domain is not active"
    SIP_CALLER_ID_MISSING 32209 403 "Caller identity missing"
    SIP_CALLER_ID_INVALID 32210 403 "Caller identity not allowed"
    SIP_TRANSPORT_INSECURE 32211 403 "Secure transport required"
    SIP_MEDIA_INSECURE 32212 403 "Secure media required"
    SIP_REGISTRATION_OFF 32213 403 "Domain does not accept registrations"
    SIP_REGISTRATION_INTERVAL 32214 403 "Registration interval too brief"
    SIP_REGISTRATION_LIMIT 32215 403 "Too many registrations of one user"
    SIP_REGISTRATION_MISMATCH 32216 403 "User name and address of record differ"
    SIP_STALE_NONCE 32217 403 "Authentication nonce is stale"
    SIP_REPLAYED_NONCE 32218 403 "Authentication nonce count was seen before"
    SIP_ALGORITHM 32219 403 "Authentication algorithm not supported"
    SIP_REALM 32220 403 "Authentication realm differs"
    SIP_URI_MISMATCH 32221 403 "Authenticated URI differs from the request"
    SIP_TRUNK_POLICY 32222 403 "Trunk does not allow the call"
    SIP_DOMAIN_POLICY 32223 403 "Domain does not allow the call"

    // Messages.
    MESSAGE_BODY_REQUIRED 21602 400 "Message body is required"
    MESSAGE_FROM_REQUIRED 21603 400 "Message 'From' is required"
    MESSAGE_TO_REQUIRED 21604 400 "Message 'To' is required"
    MESSAGE_FROM_INCAPABLE 21606 400 "'From' cannot send messages"
    MESSAGE_TRIAL 21608 400 "'To' is not verified"
    MESSAGE_UNSUBSCRIBED 21610 400 "Recipient unsubscribed"
    MESSAGE_QUEUE_FULL 21611 429 "Message queue is full"
    MESSAGE_TO_UNREACHABLE 21612 400 "'To' cannot be reached by message"
    MESSAGE_TO_NOT_MOBILE 21614 400 "'To' is not a mobile number"
    MESSAGE_TOO_LONG 21617 400 "Message is longer than 1600 characters"
    MESSAGE_MEDIA 21620 400 "Invalid media URL"

    // Fetching TwiML.
    FETCH_INVALID_URL 11100 400 "Invalid URL"
    FETCH_FAILED 11200 400 "HTTP retrieval failure"
    FETCH_CONNECT_TIMEOUT 11201 400 "TCP connection timed out"
    FETCH_REFUSED 11202 400 "TCP connection refused"
    FETCH_TIMEOUT 11203 400 "HTTP request took too long"
    FETCH_CONNECTION 11205 400 "HTTP connection failure"
    FETCH_PROTOCOL 11206 400 "HTTP protocol violation"
    FETCH_HOST 11210 400 "Bad host name"
    FETCH_REDIRECTS 11215 400 "Too many HTTP redirects"
    FETCH_TLS 11220 400 "TLS handshake failed"
    FETCH_CERTIFICATE_INVALID 11235 400 "Certificate is invalid: for another host"
    FETCH_CERTIFICATE_EXPIRED 11236 400 "Certificate is invalid: expired or not yet valid"
    FETCH_CERTIFICATE_UNTRUSTED 11237 400 "Certificate is invalid: chain is not trusted"
    FETCH_OVERRIDE_EDGE 11240 400 "Connection override: edge location is invalid"
    FETCH_OVERRIDE_EDGE_UNSUPPORTED 11241 400 "Connection override: edge location is not supported"
    FETCH_OVERRIDE_INTERCONNECT 11242 400 "Connection override: interconnect is not allowed"
    FETCH_OVERRIDE_POLICY 11243 400 "Connection override: retry policy is invalid"
    TEMPLATE_NOT_FOUND 11310 400 "Template not found"
    TEMPLATE_FAILED 11320 400 "Template could not be rendered"
    FETCH_TOO_LARGE 11750 400 "Response body is larger than 64 kB"
    FETCH_EMPTY 11770 400 "Chunked response without a body"

    // Reading TwiML.
    TWIML_NOT_XML 12100 400 "Document is not well-formed XML"
    TWIML_VERSION 12101 400 "Document has an unsupported version"
    TWIML_ROOT 12102 400 "Root element is not Response"
    TWIML_SCHEMA 12200 400 "Document does not follow the schema"
    TWIML_CONTENT_TYPE 12300 400 "Invalid Content-Type"
    TWIML_CONTENT_TYPE_AUDIO 12301 400 "Content-Type cannot be played or read"
    TWIML_INTERNAL 12400 400 "Internal failure"

    // Verbs.
    DIAL_WITHIN_DIAL 13201 400 "Dial: not allowed for a party that is being dialled"
    DIAL_INVALID_METHOD 13210 400 "Dial: invalid method value"
    DIAL_INVALID_IF_MACHINE 13211 400 "Dial: invalid ifMachine value"
    DIAL_INVALID_TIMEOUT 13212 400 "Dial: invalid timeout value"
    DIAL_INVALID_HANGUP_ON_STAR 13213 400 "Dial: invalid hangupOnStar value"
    DIAL_INVALID_CALLER_ID 13214 400 "Dial: invalid callerId value"
    DIAL_INVALID_NESTED 13215 400 "Dial: invalid nested element"
    DIAL_INVALID_TIME_LIMIT 13216 400 "Dial: invalid timeLimit value"
    DIAL_INVALID_RECORD 13217 400 "Dial: invalid record value"
    DIAL_INVALID_SEQUENTIAL 13218 400 "Dial: invalid sequential value"
    DIAL_INVALID_ANSWER_ON_BRIDGE 13219 400 "Dial: invalid answerOnBridge value"
    DIAL_INVALID_RING_TONE 13220 400 "Dial: invalid ringTone value"
    NUMBER_INVALID_METHOD 13221 400 "Number: invalid method value"
    NUMBER_INVALID_SEND_DIGITS 13222 400 "Number: invalid sendDigits value"
    DIAL_INVALID_NUMBER 13223 400 "Dial: invalid phone number format"
    DIAL_UNSUPPORTED_NUMBER 13224 400 "Dial: number not supported or invalid"
    DIAL_FORBIDDEN_NUMBER 13225 400 "Dial: call is blocked"
    DIAL_INVALID_COUNTRY 13226 400 "Dial: invalid country code"
    DIAL_NO_PERMISSION 13227 400 "Dial: no permission to call this place"
    CONFERENCE_INVALID_MUTED 13230 400 "Conference: invalid muted value"
    CONFERENCE_INVALID_END 13231 400 "Conference: invalid endConferenceOnExit value"
    CONFERENCE_INVALID_START 13232 400 "Conference: invalid startConferenceOnEnter value"
    CONFERENCE_INVALID_WAIT_URL 13233 400 "Conference: invalid waitUrl value"
    CONFERENCE_INVALID_WAIT_METHOD 13234 400 "Conference: invalid waitMethod value"
    CONFERENCE_INVALID_BEEP 13235 400 "Conference: invalid beep value"
    CONFERENCE_INVALID_SID 13236 400 "Conference: invalid conference SID"
    CONFERENCE_NAME 13237 400 "Conference: invalid name"
    CONFERENCE_WAIT_VERB 13238 400 "Conference: verb not allowed while waiting"
    CONFERENCE_INVALID_TRIM 13239 400 "Conference: invalid trim value"
    CONFERENCE_COACH 13240 400 "Conference: invalid call to coach"
    SIP_INVALID_METHOD 13241 400 "Sip: invalid method value"
    SIP_INVALID_SEND_DIGITS 13242 400 "Sip: invalid sendDigits value"
    SIP_INVALID_URI 13243 400 "Sip: invalid URI"
    SIP_NO_AUTHORIZATION 13244 400 "Sip: no authorization"
    DIAL_API_VERSION 13245 400 "Dial: not allowed in this version of the API"
    SIP_NOT_ENABLED 13246 400 "Sip: not enabled for this account"
    DIAL_INVALID_FROM 13247 400 "Dial: invalid caller identity"
    DIAL_CALLER_ID_TOO_LONG 13248 400 "Dial: caller identity is too long"
    SIP_INVALID_CREDENTIALS 13249 400 "Sip: invalid username or password value"
    DIAL_TOO_MANY 13250 400 "Dial: too many destinations"
    SIP_TOO_MANY_HEADERS 13251 400 "Sip: too many headers"
    SIP_INVALID_HEADER 13252 400 "Sip: invalid header name"
    DIAL_SIP_HEADER_TOO_LONG 13253 400 "Sip: header is too long"
    SIP_HOST_UNRESOLVED 13254 400 "Sip: host does not resolve, or not to a public address"
    SIP_HOST_FORBIDDEN 13255 400 "Sip: host is not allowed"
    RECORDING_INVALID_CALLBACK 13256 400 "Invalid recordingStatusCallback value"
    TRANSCRIBE_INVALID_CALLBACK 13257 400 "Invalid transcribeCallback value"
    SIM_NOT_SUPPORTED 13258 400 "Sim: not supported here"
    GATHER_INVALID_FINISH_ON_KEY 13310 400 "Gather: invalid finishOnKey value"
    GATHER_INVALID_FINISH_ON_KEYS 13311 400 "Gather: invalid finishOnKey value, too many keys"
    GATHER_INVALID_METHOD 13312 400 "Gather: invalid method value"
    GATHER_INVALID_TIMEOUT 13313 400 "Gather: invalid timeout value"
    GATHER_INVALID_NUM_DIGITS 13314 400 "Gather: invalid numDigits value"
    GATHER_INVALID_NESTED 13320 400 "Gather: invalid nested verb"
    GATHER_SAY_INVALID_VOICE 13321 400 "Gather: invalid voice value of a Say"
    GATHER_SAY_INVALID_LOOP 13322 400 "Gather: invalid loop value of a Say"
    GATHER_PLAY_INVALID_CONTENT_TYPE 13325 400 "Gather: invalid Content-Type of a Play"
    GATHER_INVALID_INPUT 13326 400 "Gather: invalid input value"
    GATHER_INVALID_SPEECH_TIMEOUT 13327 400 "Gather: invalid speechTimeout value"
    GATHER_INVALID_MAX_SPEECH_TIME 13328 400 "Gather: invalid maxSpeechTime value"
    GATHER_INVALID_PARTIAL_METHOD 13329 400 "Gather: invalid partialResultCallbackMethod value"
    GATHER_INVALID_HINTS 13330 400 "Gather: invalid hints value"
    GATHER_INVALID_LANGUAGE 13331 400 "Gather: invalid language value"
    GATHER_INVALID_BARGE_IN 13332 400 "Gather: invalid bargeIn value"
    GATHER_INVALID_PROFANITY_FILTER 13333 400 "Gather: invalid profanityFilter value"
    GATHER_INVALID_MODEL 13334 400 "Gather: invalid speechModel value"
    GATHER_AUTO_WITHOUT_MODEL 13335 400 "Gather: speechTimeout auto does not go with this speechModel"
    GATHER_INSECURE_CALLBACK 13337 400 "Gather: callback must be over HTTPS"
    GATHER_INVALID_ACTION_ON_EMPTY_RESULT 13338 400 "Gather: invalid actionOnEmptyResult value"
    GATHER_DEGRADED_SPEECH 13340 400 "Gather: speech recognition is degraded"
    PLAY_INVALID_LOOP 13410 400 "Play: invalid loop value"
    PLAY_INVALID_CONTENT_TYPE 13420 400 "Play: invalid Content-Type"
    PLAY_INVALID_DIGITS 13430 400 "Play: invalid digits value"
    SAY_INVALID_LOOP 13510 400 "Say: invalid loop value"
    SAY_INVALID_VOICE 13511 400 "Say: invalid voice value"
    SAY_INVALID_LANGUAGE 13512 400 "Say: invalid language value"
    SAY_INVALID_RATE 13513 400 "Say: invalid rate value"
    SAY_NO_TEXT 13520 400 "Say: no text"
    SAY_TOO_LONG 13521 400 "Say: text is too long"
    RECORD_INVALID_METHOD 13610 400 "Record: invalid method value"
    RECORD_INVALID_TIMEOUT 13611 400 "Record: invalid timeout value"
    RECORD_INVALID_MAX_LENGTH 13612 400 "Record: invalid maxLength value"
    RECORD_INVALID_FINISH_ON_KEY 13613 400 "Record: invalid finishOnKey value"
    RECORD_INVALID_TRANSCRIBE 13614 400 "Record: invalid transcribe value"
    RECORD_TOO_LONG_TO_TRANSCRIBE 13615 400 "Record: maxLength is too great for a transcription"
    RECORD_INVALID_PLAY_BEEP 13616 400 "Record: invalid playBeep value"
    RECORD_LENGTH_NOT_TRANSCRIBED 13617 400 "Record: length is out of range for a transcription"
    RECORD_NOT_TRANSCRIBED 13618 400 "Record: recording is not available for a transcription"
    RECORD_KIND_NOT_TRANSCRIBED 13619 400 "Record: no transcription for this kind of recording"
    RECORD_NO_TRANSCRIPTION 13620 400 "Record: transcription is not available"
    RECORDING_INVALID_CALLBACK_EVENT 13621 400 "Invalid recordingStatusCallbackEvent value"
    RECORDING_INVALID_TRACK 13622 400 "Invalid recordingTrack value"
    RECORDING_INVALID_TRIM 13699 400 "Invalid trim value"
    REDIRECT_INVALID_METHOD 13710 400 "Redirect: invalid method value"
    VERB_API_VERSION 13750 400 "Verb is not supported by this version of the API"
    REFER_NOT_SIP 13801 400 "Refer: only for a party attached by SIP"
    DIAL_NO_REFER_URL 13802 400 "Dial: no referUrl value"
    CLIENT_INVALID_NOTIFICATION_URL 13806 400 "Client: invalid clientNotificationUrl value"
    CLIENT_NOTIFICATION_FAILED 13807 400 "Client: clientNotificationUrl answered with an error"
    REJECT_INVALID_REASON 13810 400 "Reject: invalid reason value"
    PAUSE_INVALID_LENGTH 13910 400 "Pause: invalid length value"
    SMS_INVALID_TO 14101 400 "Sms: invalid to value"
    SMS_INVALID_FROM 14102 400 "Sms: invalid from value"
    SMS_INVALID_BODY 14103 400 "Sms: invalid body"
    SMS_INVALID_METHOD 14104 400 "Sms: invalid method value"
    SMS_INVALID_CALLBACK 14105 400 "Sms: invalid statusCallback value"
    SMS_DOCUMENT_LIMIT 14106 400 "Sms: too many documents"
    SMS_RATE 14107 400 "Sms: reply rate exceeded"
    SMS_FROM_INCAPABLE 14108 400 "Sms: from cannot send messages"
    SMS_REPLY_LIMIT 14109 400 "Sms: reply limit exceeded"
    SMS_INVALID_VERB 14110 400 "Sms: verb not allowed in a reply"
    SMS_TO_UNREACHABLE 14111 400 "Sms: to cannot be reached"
    ENQUEUE_INVALID_METHOD 14201 400 "Enqueue: invalid method value"
    ENQUEUE_INVALID_WAIT_URL 14202 400 "Enqueue: invalid waitUrl value"
    ENQUEUE_INVALID_ACTION 14203 400 "Enqueue: invalid action value"
    ENQUEUE_NAME_TOO_SHORT 14204 400 "Enqueue: queue name is missing"
    ENQUEUE_NAME_TOO_LONG 14205 400 "Enqueue: queue name is too long"
    ENQUEUE_INVALID_WAIT_METHOD 14206 400 "Enqueue: invalid waitUrlMethod value"
    QUEUE_FULL 14207 400 "Queue is full"
    QUEUE_INVALID_METHOD 14210 400 "Queue: invalid method value"
    QUEUE_INVALID_URL 14211 400 "Queue: invalid url value"
    QUEUE_NAME_TOO_SHORT 14212 400 "Queue: name is missing"
    QUEUE_NAME_TOO_LONG 14213 400 "Queue: name is too long"
    QUEUE_INVALID_RESERVATION 14215 400 "Queue: invalid reservation"
    QUEUE_INVALID_ACTIVITY 14216 400 "Queue: invalid postWorkActivitySid value"
    ENQUEUE_INVALID_WORKFLOW 14220 400 "Enqueue: invalid workflow"
    ENQUEUE_INVALID_TASK 14221 400 "Enqueue: invalid task attributes"
    ENQUEUE_NO_TASK 14222 400 "Enqueue: task cannot be made"
    CONFERENCE_NOT_BRIDGED 16001 400 "Conference: not bridged"
    CONFERENCE_INVALID_ATTRIBUTES 16002 400 "Conference: invalid attributes"
    CONFERENCE_CALLBACK_FAILED 16011 400 "Conference: status callback failed"
    CONFERENCE_FULL 16020 400 "Conference: full"
    CONFERENCE_ENDED 16022 400 "Conference: does not exist or has ended"
    CONFERENCE_LABEL_INVALID 16023 400 "Conference: invalid label"
    CONFERENCE_LABEL_TAKEN 16025 400 "Conference: label in use"
    CONFERENCE_PARTICIPANT_HELD 16027 400 "Conference: participant is on hold"
    CONFERENCE_PARTICIPANT_ABSENT 16028 400 "Conference: participant is not there"
    PAY_INVALID_ATTRIBUTE 64001 400 "Pay: invalid attribute"
    PAY_CONNECTOR 64002 400 "Pay: payment connector not found"
    PAY_FAILED 64024 400 "Pay: payment failed"
    STREAM_INVALID 31900 400 "Stream: invalid request"
    STREAM_INVALID_URL 31901 400 "Stream: invalid url value"
    STREAM_HANDSHAKE 31920 400 "Stream: websocket handshake failed"
    STREAM_CLOSED 31921 400 "Stream: websocket closed by the server"
    STREAM_INVALID_NAME 31940 400 "Stream: invalid name value"
    STREAM_INVALID_TRACK 31941 400 "Stream: invalid track value"
    STREAM_INVALID_MESSAGE 31951 400 "Stream: invalid message"
    STREAM_BUFFER_FULL 31960 400 "Stream: too much audio buffered"

    // Recordings.
    RECORDING_TOO_SHORT 16101 400 "Recording is too short"
    RECORDING_SILENT 16102 400 "Recording is silent"
    RECORDING_KEY 16104 400 "Recording: public key not found"
    RECORDING_ENCRYPTION 16105 400 "Recording: encryption failed"
    RECORDING_KEY_INVALID 16106 400 "Recording: public key is invalid"
    RECORDING_ENCRYPTED 16107 400 "Recording is encrypted"
    RECORDING_CONCURRENT 16108 400 "A recording of this call is in progress"
    RECORDING_MONO 16113 400 "A mono recording has no second channel"

    // Callbacks.
    CALLBACK_REFUSED 15003 400 "Status callback answered with an error"
    RELATIVE_URL_IN_TWIML 15004 400 "Relative URL in a document that came without an address"

    // Chat.
    CHAT_NAME_MISSING 50000 400 "Name is missing"
    CHAT_FRIENDLY_NAME_TOO_LONG 50003 400 "Friendly name is too long"
    CHAT_UNIQUE_NAME_TOO_LONG 50004 400 "Unique name is too long"
    CHAT_SERVICE_NOT_FOUND 50050 404 "Service not found"
    CHAT_TYPING_TIMEOUT 50053 400 "Invalid typing timeout"
    CHAT_WEBHOOK_FORMAT 50054 400 "Invalid webhook format"
    CHAT_WEBHOOK_METHOD 50055 400 "Invalid webhook method"
    CHAT_REJECTED_BY_WEBHOOK 50056 403 "Rejected by the webhook"
    CHAT_WEBHOOK_FAILED 50057 400 "Webhook failed"
    CHAT_RATE 50063 429 "Too many chat requests"
    CHAT_WEBHOOK_RETRIES 50065 400 "Invalid webhook retry count"
    CHAT_WEBHOOK_TIMEOUT 50076 400 "Webhook timed out"
    CHAT_ROLE_NOT_FOUND 50100 404 "Role not found"
    CHAT_ROLE_NAME 50101 400 "Invalid role name"
    CHAT_ROLE_PERMISSIONS 50102 400 "Invalid role permissions"
    CHAT_ROLE_IN_USE 50103 400 "Role is in use"
    CHAT_PERMISSION_NOT_FOUND 50104 400 "Permission not found"
    CHAT_ROLE_TYPE 50105 400 "Invalid role type"
    CHAT_NOT_AUTHORISED 50107 403 "User is not authorised for this"
    CHAT_USER_NOT_FOUND 50200 404 "User not found"
    CHAT_USER_EXISTS 50201 409 "User exists"
    CHAT_IDENTITY_RESERVED 50203 400 "Identity is reserved"
    CHAT_IDENTITY_MISSING 50204 400 "Identity is missing"
    CHAT_IDENTITY_LIKE_SID 50206 400 "Identity looks like a SID"
    CHAT_IDENTITY_TOO_LONG 50207 400 "Identity is too long"
    CHAT_USER_CHANNEL_LIMIT 50208 403 "User is in too many channels"
    CHAT_NOTIFICATION_LEVEL 50210 400 "Invalid notification level"
    CHAT_ALREADY_INVITED 50212 409 "User is invited already"
    CHAT_CHANNEL_NOT_FOUND 50300 404 "Channel not found"
    CHAT_ATTRIBUTES_TOO_LONG 50303 400 "Attributes are too long"
    CHAT_ATTRIBUTES_NOT_JSON 50304 400 "Attributes are not JSON"
    CHAT_UNIQUE_NAME_LIKE_SID 50306 400 "Unique name looks like a SID"
    CHAT_UNIQUE_NAME_EXISTS 50307 409 "Unique name exists"
    CHAT_CREATED_DATE 50308 400 "Invalid creation date"
    CHAT_UPDATED_DATE 50309 400 "Invalid update date"
    CHAT_CHANNEL_WEBHOOK_LIMIT 50320 400 "Too many webhooks of a channel"
    CHAT_CHANNEL_WEBHOOK_NOT_FOUND 50321 404 "Webhook of the channel not found"
    CHAT_CHANNEL_WEBHOOK_TYPE 50322 400 "Invalid webhook type"
    CHAT_CHANNEL_WEBHOOK_URL 50323 400 "Invalid webhook URL"
    CHAT_CHANNEL_WEBHOOK_METHOD 50324 400 "Invalid webhook method of a channel"
    CHAT_CHANNEL_WEBHOOK_FILTERS 50325 400 "Invalid webhook filters"
    CHAT_CHANNEL_WEBHOOK_TRIGGERS 50326 400 "Invalid webhook triggers"
    CHAT_CHANNEL_WEBHOOK_FLOW 50327 400 "Invalid flow of a webhook"
    CHAT_CHANNEL_WEBHOOK_RETRY 50328 400 "Invalid retry count of a webhook"
    CHAT_CHANNEL_WEBHOOK_REPLAY 50329 400 "Invalid replay position of a webhook"
    CHAT_CHANNEL_WEBHOOK_TAKEN 50332 400 "Webhook of this kind exists"
    CHAT_NOT_A_MEMBER 50400 403 "User is not a member of the channel"
    CHAT_MEMBER_NOT_FOUND 50402 404 "Member not found"
    CHAT_MEMBER_LIMIT 50403 403 "Too many members of a channel"
    CHAT_MEMBER_EXISTS 50404 409 "Member exists"
    CHAT_CONSUMED_INDEX 50405 400 "Invalid last consumed message index"
    CHAT_CONSUMED_DATE 50406 400 "Invalid last consumption date"
    CHAT_MESSAGE_NOT_FOUND 50500 404 "Message not found"
    CHAT_BODY_MISSING 50503 400 "Message body is missing"
    CHAT_BODY_TOO_LONG 50504 413 "Message body is too long"
    CHAT_MEDIA_INVALID 50506 400 "Invalid media"
    CHAT_MEDIA_NOT_FOUND 50507 400 "Media not found"
    CHAT_MEDIA_AND_BODY 50509 400 "Message has both media and a body"
    CHAT_INDEX_NOT_A_NUMBER 50516 400 "Message index is not a number"

    // What the chat SDK is told.
    CHAT_TOKEN_INVALID 51101 401 "Invalid chat token"
    CHAT_TOKEN_EXPIRED 51102 401 "Chat token expired"
    CHAT_TOKEN_NO_GRANT 51103 401 "Chat token has no grant"
    CHAT_TOKEN_SERVICE 51105 401 "Chat token names no known service"
    CHAT_CONNECTION_LIMIT 51130 429 "Too many connections"
    CHAT_MESSAGE_LIMIT 51131 429 "Too many messages"
    CHAT_COMMAND_INVALID 51001 400 "Invalid command"
    CHAT_COMMAND_UNKNOWN 51002 400 "Unknown command"
    CHAT_COMMAND_RATE 51007 429 "Too many commands"
    CHAT_UPSTREAM_TIMEOUT 51201 400 "Service did not answer in time"
    CHAT_UPSTREAM_FAILED 51202 400 "Service failed"
    CHAT_UPSTREAM_LIMIT 51215 429 "Service is limited"
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_number_appears_once() {
        let numbers: HashSet<u32> = ErrorCode::ALL.iter().map(|entry| entry.code).collect();
        assert_eq!(numbers.len(), ErrorCode::ALL.len());
        for entry in ErrorCode::ALL {
            assert_eq!(ErrorCode::find(entry.code), Some(*entry));
            assert!((400..600).contains(&entry.status), "{entry}");
            assert!(
                !entry.text.is_empty() && !entry.text.ends_with('.'),
                "{entry}"
            );
        }
        assert_eq!(ErrorCode::find(1), None);
    }
}
