"""baresip, a foreign user agent, against a running Switchboard: registers, calls, is called, presses
and hears digits, is heard. It is driven over its control port (module ctrl_tcp: JSON in netstrings),
plays silence or a tone from a file (module aufile) and keeps what it hears in one (module sndfile). A
secure one speaks TLS and takes no sound without SRTP (module srtp)."""

import array
import glob
import json
import math
import os
import socket
import subprocess
import sys
import threading
import time
import wave

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import switchboard as sb  # noqa: E402

SENTENCE = sb.SENTENCE
MODULES = ["/usr/lib/baresip/modules", "/usr/lib/x86_64-linux-gnu/baresip/modules", "/usr/lib/aarch64-linux-gnu/baresip/modules"]
DOMAIN = sb.Domain("baresip")


class Telephone:
    """One run of baresip, with a folder and ports of its own."""

    def __init__(self, name, secure=False, codec="PCMU", tone=0, user=None):
        self.folder = os.path.join(sb.OUT, name)
        os.makedirs(self.folder, exist_ok=True)
        source = os.path.join(self.folder, "source.wav")
        rate = 16000 if codec == "G722" else 8000
        wave_of = lambda at: round(8000 * math.sin(2 * math.pi * tone * at / rate)) if tone else 0
        second = array.array("h", [wave_of(at) for at in range(rate)])
        with wave.open(source, "wb") as file:
            file.setparams((1, 2, rate, 0, "NONE", ""))
            file.writeframes(second.tobytes() * 60)
        self.control_port, sip_port = sb.free_port(), sb.free_port()
        modules = next((path for path in MODULES if os.path.isdir(path)), MODULES[0])
        config = [
            "sip_listen 127.0.0.1:%d" % sip_port,
            "call_local_timeout 60",
            "call_max_calls 4",
            "audio_source aufile,%s" % source,
            "ausrc_srate %d" % rate,
            "auplay_srate %d" % rate,
            "ausrc_channels 1",
            "auplay_channels 1",
            "audio_telev_pt 101",
            "rtp_stats no",
            "module_path %s" % modules,
            "module %s.so" % ("g722" if codec == "G722" else "g711"),
            "module aufile.so",
            "module sndfile.so",
            "snd_path %s" % self.folder,
            "module_tmp account.so",
            "module_app ctrl_tcp.so",
            "module_app menu.so",
            "ctrl_tcp_listen 127.0.0.1:%d" % self.control_port,
        ]
        if secure:
            config += ["module srtp.so", "sip_cafile %s" % sb.CERTIFICATE]
        transport, port = ("tls", sb.SIP_TLS_PORT) if secure else ("udp", sb.SIP_PORT)
        if user is None:
            name, secret, domain = DOMAIN.user, DOMAIN.password, DOMAIN.name
            account = (
                "<sip:%s@%s;transport=%s>;auth_user=%s;auth_pass=%s;outbound=\"sip:%s:%s;transport=%s\";regint=600"
                % (name, domain, transport, name, secret, sb.SIP_HOST, port, transport)
            )
        else:
            # As the banner prints it.
            account = "<sip:%s@%s>;auth_pass=%s;regint=600" % user
        if secure:
            account += ";mediaenc=srtp-mand"
        account += ";answermode=manual;audio_codecs=%s/%d/1;dtmfmode=rtpevent;ptime=20" % (codec, rate)
        for file, lines in {"config": config, "accounts": [account], "contacts": []}.items():
            with open(os.path.join(self.folder, file), "w", encoding="utf-8") as out:
                out.write("\n".join(lines) + "\n")
        self.log = open(os.path.join(self.folder, "baresip.log"), "wb")
        command = ["baresip", "-4", "-s", "-f", self.folder]
        environment = dict(os.environ, HOME=self.folder)
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=self.log, stderr=subprocess.STDOUT, env=environment
        )
        self.events, self.buffer = [], b""
        self.control = sb.until("baresip's control port", self.connect, 15)
        threading.Thread(target=self.listen, daemon=True).start()

    def connect(self):
        assert self.process.poll() is None, "baresip ended: " + self.said()
        try:
            return socket.create_connection(("127.0.0.1", self.control_port), 2)
        except OSError:
            return None

    def listen(self):
        self.control.settimeout(None)
        while True:
            try:
                part = self.control.recv(4096)
            except OSError:
                return
            if not part:
                return
            self.buffer += part
            while b":" in self.buffer:
                length, rest = self.buffer.split(b":", 1)
                if len(rest) <= int(length):
                    break
                self.events.append(json.loads(rest[: int(length)]))
                self.buffer = rest[int(length) + 1 :]

    def order(self, command, parameters=""):
        text = json.dumps({"command": command, "params": parameters, "token": command}).encode()
        self.control.sendall(b"%d:%s," % (len(text), text))

    def happened(self, kind):
        return [event for event in list(self.events) if event.get("type") == kind]

    def wait(self, kind, seconds=20):
        try:
            return sb.until("baresip says " + kind, lambda: self.happened(kind), seconds)[-1]
        except AssertionError as error:
            raise AssertionError("%s; it said %s; %s" % (error, [event.get("type") for event in self.events], self.said())) from None

    def said(self, most=500):
        self.log.flush()
        with open(self.log.name, encoding="utf-8", errors="replace") as file:
            return file.read()[-most:]

    def heard(self):
        """What it heard in its last call, once it has ended."""
        return sb.samples(max(glob.glob(os.path.join(self.folder, "dump-*-dec.wav"))))

    def end(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.control.close()
        self.log.close()


class Registered(Telephone):
    """A telephone that has registered; ended when the test is over."""

    def __enter__(self):
        try:
            # It may have registered before the control port was there to tell: the log knows.
            sb.until("baresip has registered", lambda: "[1 binding]" in self.said(1 << 20), 15)
        except BaseException:
            self.end()
            raise
        return self

    def __exit__(self, *_):
        self.end()


def document(*verbs):
    return "<Response>%s</Response>" % "".join(verbs)


def reference(text):
    """What a virtual phone hears of a document."""
    number = sb.PHONES[0]
    sb.phone(number, answer_after_ms=200)
    call = sb.rest("POST", "/Calls", To=number, From=sb.NUMBER, Twiml=text)
    sb.status(call, "completed")
    return sb.heard_by(number)


SPOKEN = document("<Pause length=\"1\"/>", "<Say>%s</Say>" % SENTENCE, "<Pause length=\"1\"/>")


# counterparts-13
def calls_and_hears_the_sentence():
    sb.DOCUMENTS["/sip"] = SPOKEN
    with Registered("calls") as telephone:
        telephone.order("dial", "sip:+15005550006@" + DOMAIN.name)
        telephone.wait("CALL_ESTABLISHED")
        telephone.wait("CALL_CLOSED")
        time.sleep(0.5)
    assert sb.asked("/sip")[-1]["SipDomain"] == DOMAIN.name
    sb.is_the_sentence(telephone.heard())
    sb.same_sound(telephone.heard(), reference(SPOKEN))


# counterparts-15
def presses_digits_that_reach_the_application():
    pressed = "159#0*"
    sb.DOCUMENTS["/sip"] = document(
        "<Gather input=\"dtmf\" numDigits=\"6\" timeout=\"15\" finishOnKey=\"\" action=\"%s/digits\"/>" % sb.BASE
    )
    sb.DOCUMENTS["/digits"] = document("<Hangup/>")
    with Registered("presses") as telephone:
        telephone.order("dial", "sip:+15005550006@" + DOMAIN.name)
        telephone.wait("CALL_ESTABLISHED")
        time.sleep(1)
        for digit in pressed:
            telephone.order("sndcode", digit)
            time.sleep(0.35)
        telephone.wait("CALL_CLOSED")
    assert [form["Digits"] for form in sb.asked("/digits")] == [pressed], sb.asked("/digits")


# counterparts-13
def is_called_and_hears_the_sentence():
    with Registered("is-called") as telephone:
        call = sb.rest("POST", "/Calls", To="sip:%s@%s" % (DOMAIN.user, DOMAIN.name), From=sb.NUMBER, Twiml=SPOKEN)
        telephone.wait("CALL_INCOMING")
        sb.status(call, "ringing")
        telephone.order("accept")
        telephone.wait("CALL_ESTABLISHED")
        sb.status(call, "in-progress")
        telephone.wait("CALL_CLOSED")
        sb.status(call, "completed")
        time.sleep(0.5)
    sb.same_sound(telephone.heard(), reference(SPOKEN))


# counterparts-14
def is_called_and_hears_digits():
    played = "1590*#"
    text = document("<Pause length=\"1\"/>", "<Play digits=\"%s\"/>" % played, "<Pause length=\"2\"/>")
    with Registered("hears-digits") as telephone:
        call = sb.rest("POST", "/Calls", To="sip:%s@%s" % (DOMAIN.user, DOMAIN.name), From=sb.NUMBER, Twiml=text)
        telephone.wait("CALL_INCOMING")
        telephone.order("accept")
        telephone.wait("CALL_CLOSED")
        sb.status(call, "completed")
        heard = [event.get("param") for event in telephone.happened("CALL_DTMF_START")]
    assert heard == list(played), heard


# counterparts-16
def over_tls_with_srtp_it_calls_hears_the_sentence_and_presses_digits():
    pressed = "28#"
    sb.DOCUMENTS["/sip"] = document(
        "<Pause length=\"1\"/>",
        "<Say>%s</Say>" % SENTENCE,
        "<Gather input=\"dtmf\" numDigits=\"3\" timeout=\"15\" finishOnKey=\"\" action=\"%s/digits\"/>" % sb.BASE,
    )
    sb.DOCUMENTS["/digits"] = document("<Pause length=\"1\"/>")
    before = len(sb.asked("/digits"))
    with Registered("tls-calls", secure=True) as telephone:
        telephone.order("dial", "sip:+15005550006@" + DOMAIN.name)
        telephone.wait("CALL_ESTABLISHED")
        # Pressed while the sentence is spoken they would be Gather's all the same; its length is known.
        time.sleep(6)
        for digit in pressed:
            telephone.order("sndcode", digit)
            time.sleep(0.35)
        telephone.wait("CALL_CLOSED")
        time.sleep(0.5)
    assert [form["Digits"] for form in sb.asked("/digits")[before:]] == [pressed], sb.asked("/digits")
    sb.same_sound(telephone.heard(), reference(SPOKEN))


# counterparts-16
def over_tls_with_srtp_it_is_called_and_hears_the_sentence_and_digits():
    text = document("<Pause length=\"1\"/>", "<Say>%s</Say>" % SENTENCE, "<Play digits=\"73\"/>", "<Pause length=\"1\"/>")
    with Registered("tls-is-called", secure=True) as telephone:
        call = sb.rest("POST", "/Calls", To="sip:%s@%s" % (DOMAIN.user, DOMAIN.name), From=sb.NUMBER, Twiml=text)
        telephone.wait("CALL_INCOMING")
        telephone.order("accept")
        telephone.wait("CALL_CLOSED")
        sb.status(call, "completed")
        heard = [event.get("param") for event in telephone.happened("CALL_DTMF_START")]
        time.sleep(0.5)
    assert heard == ["7", "3"], heard
    sb.same_sound(telephone.heard(), reference(SPOKEN))


PRINTED = (sb.READY["sip_user"], sb.READY["sip"], sb.READY["sip_password"])


# counterparts-42
def as_the_printed_user_it_dials_the_demo_numbers():
    number = sb.READY["numbers"]["yours"]
    numbers = sb.rest("GET", "/IncomingPhoneNumbers")["incoming_phone_numbers"]
    sid = next(own["sid"] for own in numbers if own["phone_number"] == number)
    sb.rest("POST", "/IncomingPhoneNumbers/" + sid, VoiceUrl=sb.BASE + "/yours", VoiceApplicationSid="")
    sb.DOCUMENTS["/yours"] = SPOKEN
    with Registered("printed", user=PRINTED) as telephone:
        telephone.order("dial", "sip:%s@%s" % (number, PRINTED[1]))
        telephone.wait("CALL_ESTABLISHED")
        telephone.wait("CALL_CLOSED")
        time.sleep(0.5)
        heard = telephone.heard()
        # The menu speaks until a key is pressed, then plays its music and ends.
        telephone.events.clear()
        telephone.order("dial", "sip:%s@%s" % (sb.READY["numbers"]["menu"], PRINTED[1]))
        telephone.wait("CALL_ESTABLISHED")
        time.sleep(1)
        telephone.order("sndcode", "2")
        telephone.wait("CALL_CLOSED")
        time.sleep(0.5)
        music = telephone.heard()
    (form,) = sb.asked("/yours")
    assert form["To"] == number and form["Direction"] == "inbound", form
    assert form["SipDomain"] == sb.READY["sip_domain"] and form["SipUsername"] == PRINTED[0], form
    sb.same_sound(heard, reference(SPOKEN))
    assert sb.loudness(music)[0] > 2, "%.1f s of menu and music" % sb.loudness(music)[0]


def after_ringing(sound):
    """The sound without the ringing tone (440 and 480 Hz) that a caller hears before the answer."""
    values, rate = sound
    frame = rate // 20
    begun = False
    for at in range(0, len(values) - frame + 1, frame):
        part = values[at : at + frame], rate
        rings = sb.part_at(part, 440) + sb.part_at(part, 480) > 0.5
        if begun and not rings:
            # The frame in which it ended may hold a rest of it.
            return values[at + frame :], rate
        begun = begun or rings
    raise AssertionError("it did not ring before the answer")


def talks_with_a_virtual_phone(codec):
    """Both ways through a bridge to a telephone that speaks PCMU."""
    number = sb.PHONES[1]
    sb.phone(number, answer_after_ms=1000, speak=SENTENCE)
    # A telephone's name is nothing that the telephone network is shown.
    shown = sb.READY["numbers"]["yours"]
    dial = "<Dial answerOnBridge=\"true\" callerId=\"%s\"><Number>%s</Number></Dial>"
    sb.DOCUMENTS["/sip"] = document(dial % (shown, number))
    with Registered("talks-" + codec, codec=codec, tone=1000) as telephone:
        telephone.order("dial", "sip:+15005550006@" + DOMAIN.name)
        telephone.wait("CALL_ESTABLISHED")
        time.sleep(6)
        telephone.order("hangup")
        time.sleep(1)
        log = telephone.said(1 << 20)
        heard = telephone.heard()
    assert "audio encoder: %s" % codec in log, log[-500:]
    sb.phone(number)
    tone = sb.until("what the phone heard", lambda: sb.heard_by(number))
    length, level = sb.loudness(tone)
    assert length > 3, "%.1f s of tone" % length
    assert sb.part_at(tone, 1000) > 0.9, "only %.2f of it is the tone" % sb.part_at(tone, 1000)
    # 8000 at its peak is 5657 RMS.
    assert abs(20 * math.log10(level / 5657)) <= 3, level
    sb.is_the_sentence(after_ringing(heard))


# counterparts-43
def speaks_pcma_and_is_heard_by_a_phone_that_speaks_pcmu():
    talks_with_a_virtual_phone("PCMA")


# counterparts-43
def speaks_g722_and_is_heard_by_a_phone_that_speaks_pcmu():
    talks_with_a_virtual_phone("G722")


def is_called_and_hangs_up():
    with Registered("hangs-up") as telephone:
        text = document("<Pause length=\"60\"/>")
        call = sb.rest("POST", "/Calls", To="sip:%s@%s" % (DOMAIN.user, DOMAIN.name), From=sb.NUMBER, Twiml=text)
        telephone.wait("CALL_INCOMING")
        telephone.order("accept")
        sb.status(call, "in-progress")
        telephone.order("hangup")
        sb.status(call, "completed")


if __name__ == "__main__":
    sys.exit(
        sb.run(
            [
                calls_and_hears_the_sentence,
                presses_digits_that_reach_the_application,
                is_called_and_hears_the_sentence,
                is_called_and_hears_digits,
                is_called_and_hangs_up,
                as_the_printed_user_it_dials_the_demo_numbers,
                speaks_pcma_and_is_heard_by_a_phone_that_speaks_pcmu,
                speaks_g722_and_is_heard_by_a_phone_that_speaks_pcmu,
                over_tls_with_srtp_it_calls_hears_the_sentence_and_presses_digits,
                over_tls_with_srtp_it_is_called_and_hears_the_sentence_and_digits,
            ]
        )
    )
