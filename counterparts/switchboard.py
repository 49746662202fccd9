"""A running Switchboard as the suites with telephones see it: its API, an application for it to ask,
a SIP domain with a user, an ear for RTP, and the lines that say how a test went.

Only python's own library is used. The environment is described in xtask/src/counterparts.rs.
"""

import array
import base64
import hashlib
import hmac
import io
import json
import math
import os
import socket
import threading
import time
import traceback
import urllib.error
import urllib.parse
import urllib.request
import wave
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

with open(os.environ["SWITCHBOARD_READY"], encoding="utf-8") as file:
    READY = json.load(file)
OUT = os.environ["OUT"]
SID, PHONES = READY["account_sid"], READY["phones"]
SIP_HOST, SIP_PORT = READY["sip"].rsplit(":", 1)
SIP_TLS_PORT = READY["sip_tls"].rsplit(":", 1)[1]
# The certificate that Switchboard made for itself.
CERTIFICATE = os.path.join(OUT, "data", "tls.crt")
NUMBER = READY["numbers"].get("yours") or next(iter(READY["numbers"].values()))
AUTHORIZATION = "Basic " + base64.b64encode(("%s:%s" % (SID, READY["auth_token"])).encode()).decode()


# -- the API

def ask(method, path, body=None, kind="application/json"):
    """One authenticated request; the raw body of the answer."""
    headers = {"authorization": AUTHORIZATION}
    if body is not None:
        headers["content-type"] = kind
    request = urllib.request.Request(READY["api"] + path, data=body, headers=headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.read()
    except urllib.error.HTTPError as error:
        raise AssertionError("%s %s: %d %s" % (method, path, error.code, error.read()[:300])) from error


def rest(method, path, **form):
    """A request below our account; names as the documentation spells them."""
    body = urllib.parse.urlencode(form, doseq=True).encode() if method == "POST" else None
    answer = ask(method, "/2010-04-01/Accounts/%s%s.json" % (SID, path), body, "application/x-www-form-urlencoded")
    return json.loads(answer) if answer else None


def phone(number, **knobs):
    """Sets what one of the virtual phones does when it is called."""
    ask("POST", "/_switchboard/v1/phones/" + urllib.parse.quote(number), json.dumps(knobs).encode())


def heard_by(number):
    """What a virtual phone heard in its last call: samples and rate."""
    return samples(ask("GET", "/_switchboard/v1/phones/%s/heard.wav" % urllib.parse.quote(number)))


def status(call, wanted, seconds=30):
    def reached():
        now = rest("GET", "/Calls/" + call["sid"])
        return now if now["status"] == wanted else None

    return until("%s %s" % (call["sid"], wanted), reached, seconds)


def until(what, condition, seconds=20):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError("waited %d s in vain for: %s" % (seconds, what))


# -- the application

DOCUMENTS, HEARD = {}, []


def is_signed(url, form, signature):
    """Whether a request carries the signature that the documentation describes."""
    text = url + "".join(name + form[name] for name in sorted(form))
    wanted = hmac.new(READY["auth_token"].encode(), text.encode(), hashlib.sha1).digest()
    return hmac.compare_digest(base64.b64encode(wanted).decode(), signature or "")


class Application(BaseHTTPRequestHandler):
    """Hands out documents (text, or seconds to wait and text), keeps what it is asked. Whoever asks
    without a signature gets nothing, so that no test passes without it."""

    protocol_version = "HTTP/1.1"

    def answer(self):
        body = self.rfile.read(int(self.headers.get("content-length") or 0)).decode()
        path = self.path.split("?")[0]
        form = dict(urllib.parse.parse_qsl(body, keep_blank_values=True))
        if not is_signed(BASE + self.path, form, self.headers.get("x-twilio-signature")):
            self.send_error(403, "not signed")
            return
        HEARD.append((path, form))
        document = DOCUMENTS.get(path, "<Response/>")
        if isinstance(document, tuple):
            time.sleep(document[0])
            document = document[1]
        document = document.encode()
        try:
            self.send_response(200)
            self.send_header("content-type", "text/xml")
            self.send_header("content-length", str(len(document)))
            self.end_headers()
            self.wfile.write(document)
        except ConnectionError:
            # Whoever asked has hung up: nobody is left to be told.
            self.close_connection = True

    do_GET = do_POST = answer

    def log_message(self, *_):
        pass


_application = ThreadingHTTPServer(("127.0.0.1", 0), Application)
BASE = "http://127.0.0.1:%d" % _application.server_address[1]
threading.Thread(target=_application.serve_forever, daemon=True).start()


def asked(path):
    return [form for at, form in list(HEARD) if at == path]


# -- a SIP domain with a user

class Domain:
    """A SIP domain of the account whose calls ask `BASE/sip`, with one user who may register."""

    user, password = "alice", "Wonderland-2026"

    def __init__(self, label):
        self.name = "%s.sip.%s" % (label, READY.get("base_domain", "twilio.com"))
        made = rest("POST", "/SIP/Domains", DomainName=self.name, VoiceUrl=BASE + "/sip", SipRegistration="true")
        self.name = made["domain_name"]
        users = rest("POST", "/SIP/CredentialLists", FriendlyName=label + " users")["sid"]
        rest("POST", "/SIP/CredentialLists/%s/Credentials" % users, Username=self.user, Password=self.password)
        for kind in ("Calls", "Registrations"):
            path = "/SIP/Domains/%s/Auth/%s/CredentialListMappings" % (made["sid"], kind)
            rest("POST", path, CredentialListSid=users)


# -- sound

def samples(file):
    """The samples of a mono WAV file of 16 bits, and their rate."""
    with wave.open(io.BytesIO(file) if isinstance(file, bytes) else file, "rb") as sound:
        assert sound.getsampwidth() == 2 and sound.getnchannels() == 1, sound.getparams()
        return array.array("h", sound.readframes(sound.getnframes())), sound.getframerate()


def envelope(sound):
    """The level (RMS) of each 20 ms, from the first to the last in which something sounds."""
    values, rate = sound
    frame = rate // 50
    levels = []
    for at in range(0, len(values) - frame + 1, frame):
        levels.append(math.sqrt(sum(value * value for value in values[at : at + frame]) / frame))
    loud = [at for at, level in enumerate(levels) if level > 200]
    return levels[loud[0] : loud[-1] + 1] if loud else []


def loudness(sound):
    """Seconds in which something sounds, from the first to the last, and the mean level there (RMS)."""
    levels = envelope(sound)
    if not levels:
        return 0.0, 0.0
    return len(levels) / 50, math.sqrt(sum(level * level for level in levels) / len(levels))


def part_at(sound, hertz):
    """Which part of a sound's energy is at this frequency (Goertzel over frames of 20 ms, loud ones)."""
    values, rate = sound
    frame, at_it, all_of_it = rate // 50, 0.0, 0.0
    turn = 2 * math.cos(2 * math.pi * hertz / rate)
    for at in range(0, len(values) - frame + 1, frame):
        energy = sum(value * value for value in values[at : at + frame])
        if energy < frame * 200 * 200:
            continue
        one = two = 0.0
        for value in values[at : at + frame]:
            one, two = value + turn * one - two, one
        at_it += (one * one + two * two - turn * one * two) * 2 / frame
        all_of_it += energy
    return at_it / all_of_it if all_of_it else 0.0


def correlation(a, b):
    """How alike two courses are, from their first value on: 1 is the same."""
    count = min(len(a), len(b))
    if count < 15:
        return 0.0
    a, b = a[:count], b[:count]
    mean_a, mean_b = sum(a) / count, sum(b) / count
    above = sum((x - mean_a) * (y - mean_b) for x, y in zip(a, b))
    below = math.sqrt(sum((x - mean_a) ** 2 for x in a) * sum((y - mean_b) ** 2 for y in b))
    return above / below if below else 0.0


def likeness(one, other):
    """How alike the courses of two sounds are: the correlation of their envelopes, best of ±0.2 s."""

    a, b = envelope(one), envelope(other)
    return max(max(correlation(a[lag:], b), correlation(a, b[lag:])) for lag in range(11))


def same_sound(got, wanted):
    """The same sentence: as long within 0.3 s or a tenth, as loud within 3 dB, and with the same
    course of loud and soft: noise, or another sentence, has another."""
    (length, level), (other_length, other_level) = loudness(got), loudness(wanted)
    assert other_length > 0.5, "the reference has %.2f s of sound" % other_length
    assert abs(length - other_length) <= max(0.3, other_length / 10), "%.2f s, not %.2f" % (length, other_length)
    decibels = 20 * math.log10(max(level, 1) / max(other_level, 1))
    assert abs(decibels) <= 3, "%.1f dB off" % decibels
    # The same sentence has 0.97 and more over any codec, another one 0.2 at most; a busy computer that
    # held a packet back for a tenth of a second takes some of it.
    alike = likeness(got, wanted)
    assert alike > 0.6, "it goes another way: %.2f" % alike


# A sentence, and its course as the speech engine made it once: the mean level of each 100 ms. What one
# of our telephones hears comes from the same server as what is judged; this does not.
SENTENCE = "This sentence is heard by another telephone."
COURSE = [
    6537, 1864, 1080, 9886, 5325, 9027, 501, 4873, 350, 5973, 3912, 5945,
    7397, 7481, 7199, 6315, 1814, 5646, 5902, 548, 6745, 7812, 5794,
]  # fmt: skip


def is_the_sentence(sound):
    """As long as the sentence is, as loud, and with its course: not too quick, no noise, no other."""
    levels = envelope(sound)
    assert abs(len(levels) / 5 - len(COURSE)) <= 3, "%.2f s, not %.2f" % (len(levels) / 50, len(COURSE) / 10)
    heard = [sum(levels[at : at + 5]) / 5 for at in range(0, len(levels) - 4, 5)]
    decibels = 20 * math.log10(max(sum(heard) / len(heard), 1) / (sum(COURSE) / len(COURSE)))
    assert abs(decibels) <= 3, "%.1f dB off" % decibels
    alike = max(correlation(heard, COURSE), correlation(heard[1:], COURSE), correlation(heard, COURSE[1:]))
    assert alike > 0.6, "it goes another way: %.2f" % alike


def from_pcmu(byte):
    """One sample of G.711 mu-law (ITU-T G.711, table 2a)."""
    byte = ~byte & 0xFF
    magnitude = (((byte & 0x0F) << 3) + 0x84 << ((byte & 0x70) >> 4)) - 0x84
    return -magnitude if byte & 0x80 else magnitude


PCMU = array.array("h", [from_pcmu(byte) for byte in range(256)])


class Ear:
    """A UDP port that keeps the RTP it is sent."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.settimeout(0.2)
        self.port = self.socket.getsockname()[1]
        self.packets, self.open = [], True
        self.thread = threading.Thread(target=self.listen, daemon=True)
        self.thread.start()

    def listen(self):
        while self.open:
            try:
                packet = self.socket.recv(2048)
            except socket.timeout:
                continue
            if len(packet) > 12 and packet[0] >> 6 == 2:
                self.packets.append(packet)

    def close(self):
        self.open = False
        self.thread.join()
        self.socket.close()

    def sound(self):
        """What was heard: PCMU at its place in time, silence elsewhere. 8 kHz."""
        spoken = [packet for packet in self.packets if packet[1] & 0x7F == 0]
        if not spoken:
            return array.array("h"), 8000
        stamp = lambda packet: int.from_bytes(packet[4:8], "big")
        first = stamp(spoken[0])
        length = max(((stamp(packet) - first) & 0xFFFFFFFF) + len(packet) - 12 for packet in spoken)
        assert length < 8000 * 600, "the timestamps jump"
        values = array.array("h", bytes(2 * length))
        for packet in spoken:
            at = (stamp(packet) - first) & 0xFFFFFFFF
            values[at : at + len(packet) - 12] = array.array("h", [PCMU[byte] for byte in packet[12:]])
        return values, 8000


def free_port():
    """A UDP and TCP port that nobody has at the moment, nor the next one, which is that of TLS."""
    for _ in range(50):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as stream:
            stream.bind(("127.0.0.1", 0))
            port = stream.getsockname()[1]
            with (
                socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagram,
                socket.socket(socket.AF_INET, socket.SOCK_STREAM) as secure,
            ):
                try:
                    datagram.bind(("127.0.0.1", port))
                    secure.bind(("127.0.0.1", port + 1))
                except (OSError, OverflowError):
                    continue
                return port
    raise AssertionError("no free port")


# -- tests

def run(tests):
    """Runs the tests in order and prints a line for each; 1 when one failed."""
    failures = 0
    for test in tests:
        name = test.__name__.replace("_", " ")
        try:
            test()
            print("ok " + name, flush=True)
        except Exception as error:  # one failed test must not hide the next
            failures += 1
            place = traceback.extract_tb(error.__traceback__)[-1]
            text = str(error).replace("\n", " | ")[:800]
            print("not ok %s: %s:%s %s: %s" % (name, place.name, place.lineno, type(error).__name__, text), flush=True)
    return 1 if failures else 0
