"""sipp, a foreign user agent, against a running Switchboard: registers, calls, is called, gives up."""

import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import switchboard as sb  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
SENTENCE = sb.SENTENCE
DOMAIN = sb.Domain("sipp")


def start(scenario, port, transport="u1", ear=9, dialled="+15005550006"):
    """Starts one run of a scenario from a local port."""
    log = os.path.join(sb.OUT, "sipp-%s-%s" % (scenario, transport))
    keys = {
        "user": DOMAIN.user,
        "domain": DOMAIN.name,
        "dialled": dialled,
        "ear": str(ear),
        "scheme_transport": "tcp" if transport == "t1" else "udp",
    }
    command = ["sipp", "%s:%s" % (sb.SIP_HOST, sb.SIP_PORT), "-sf", os.path.join(HERE, scenario + ".xml")]
    command += ["-m", "1", "-l", "1", "-r", "1", "-t", transport, "-i", "127.0.0.1", "-p", str(port), "-nostdin"]
    command += ["-au", DOMAIN.user, "-ap", DOMAIN.password, "-timeout", "40s", "-timeout_error"]
    command += ["-trace_err", "-error_file", log + ".err", "-trace_msg", "-message_file", log + ".msg"]
    for key, value in keys.items():
        command += ["-key", key, value]
    with open(log + ".out", "wb") as out:
        return log, subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, cwd=sb.OUT)


def finish(run, seconds=50):
    log, process = run
    try:
        code = process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise AssertionError("sipp did not end: " + tail(log)) from None
    assert code == 0, "sipp ended with %d: %s" % (code, tail(log))


def tail(log):
    for end in (".err", ".out"):
        if os.path.exists(log + end):
            with open(log + end, encoding="utf-8", errors="replace") as file:
                text = file.read().strip()
            if text:
                return text[-700:]
    return "it left no word"


def play(scenario, **where):
    finish(start(scenario, sb.free_port(), **where))


# counterparts-9
def registers_with_digest_over_udp():
    play("register")


# counterparts-9
def registers_with_digest_over_tcp():
    play("register", transport="t1")


def registers_not_with_a_wrong_password():
    right, DOMAIN.password = DOMAIN.password, "Wonderland-2027"
    try:
        play("register_refused")
    finally:
        DOMAIN.password = right


def reference():
    """What a virtual phone hears of the sentence."""
    number = sb.PHONES[0]
    sb.phone(number, answer_after_ms=200)
    document = "<Response><Pause length=\"1\"/><Say>%s</Say><Pause length=\"1\"/></Response>" % SENTENCE
    call = sb.rest("POST", "/Calls", To=number, From=sb.NUMBER, Twiml=document)
    sb.status(call, "completed")
    return sb.heard_by(number)


def call_in(transport):
    sb.DOCUMENTS["/sip"] = (
        "<Response><Pause length=\"1\"/><Say>%s</Say><Pause length=\"60\"/></Response>" % SENTENCE
    )
    before = len(sb.asked("/sip"))
    ear = sb.Ear()
    try:
        play("call", transport=transport, ear=ear.port)
    finally:
        ear.close()
    form = sb.asked("/sip")[before]
    assert form["Direction"] == "inbound" and form["CallStatus"] == "ringing", form
    assert form["SipDomain"] == DOMAIN.name, form
    # The far end hung up: the record says so.
    sb.status({"sid": form["CallSid"]}, "completed")
    assert len(ear.packets) > 100, "only %d RTP packets" % len(ear.packets)
    sb.is_the_sentence(ear.sound())
    sb.same_sound(ear.sound(), reference())


# counterparts-10
def calls_in_over_udp_hears_the_sentence_and_hangs_up():
    call_in("u1")


# counterparts-10
def calls_in_over_tcp_hears_the_sentence_and_hangs_up():
    call_in("t1")


def calls_in_and_is_hung_up_on():
    sb.DOCUMENTS["/sip"] = "<Response><Pause length=\"2\"/><Hangup/></Response>"
    play("call_until_bye")
    sb.status({"sid": sb.asked("/sip")[-1]["CallSid"]}, "completed")


# counterparts-11
def gives_up_before_the_answer():
    sb.DOCUMENTS["/sip"] = (6, "<Response><Say>Too late.</Say></Response>")
    play("cancel")
    sid = sb.until("the application is asked", lambda: sb.asked("/sip"))[-1]["CallSid"]
    call = sb.until("the call ends", lambda: ended(sid))
    assert call["status"] in ("canceled", "no-answer"), call["status"]


def ended(sid):
    call = sb.rest("GET", "/Calls/" + sid)
    return call if call["status"] not in ("queued", "ringing", "in-progress") else None


def is_called(scenario, document):
    port, ear = sb.free_port(), sb.Ear()
    try:
        finish(start("register", port))
        run = start(scenario, port, ear=ear.port)
        to = "sip:%s@%s" % (DOMAIN.user, DOMAIN.name)
        call = sb.rest("POST", "/Calls", To=to, From=sb.NUMBER, Twiml=document)
        finish(run)
        sb.status(call, "completed")
    finally:
        ear.close()
    return ear


# counterparts-12
def is_called_hears_the_sentence_and_is_hung_up_on():
    document = "<Response><Pause length=\"1\"/><Say>%s</Say><Pause length=\"1\"/></Response>" % SENTENCE
    ear = is_called("called", document)
    sb.same_sound(ear.sound(), reference())


def is_called_and_hangs_up():
    is_called("called_until_bye", "<Response><Pause length=\"60\"/></Response>")


def is_called_and_is_busy():
    port = sb.free_port()
    finish(start("register", port))
    run = start("busy", port)
    to = "sip:%s@%s" % (DOMAIN.user, DOMAIN.name)
    call = sb.rest("POST", "/Calls", To=to, From=sb.NUMBER, Twiml="<Response/>")
    finish(run)
    sb.status(call, "busy")


if __name__ == "__main__":
    sys.exit(
        sb.run(
            [
                registers_with_digest_over_udp,
                registers_with_digest_over_tcp,
                registers_not_with_a_wrong_password,
                calls_in_over_udp_hears_the_sentence_and_hangs_up,
                calls_in_over_tcp_hears_the_sentence_and_hangs_up,
                calls_in_and_is_hung_up_on,
                gives_up_before_the_answer,
                is_called_hears_the_sentence_and_is_hung_up_on,
                is_called_and_hangs_up,
                is_called_and_is_busy,
            ]
        )
    )
