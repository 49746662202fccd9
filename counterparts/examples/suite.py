"""The examples against a running Switchboard: each is started as its README says, and judged by what
the virtual phones hear. See xtask/src/counterparts.rs for the environment."""

import os
import subprocess
import sys
import threading
import urllib.error
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, ".."))
import switchboard as sb  # noqa: E402

EXAMPLES = os.path.join(HERE, "..", "..", "examples")
TOOLS = os.path.dirname(os.environ["LIBRARY"])
CALLER, PERSON, REMINDED = sb.PHONES[0], sb.PHONES[1], sb.PHONES[2]
ENVIRONMENT = dict(
    os.environ,
    TWILIO_ACCOUNT_SID=sb.SID,
    TWILIO_AUTH_TOKEN=sb.READY["auth_token"],
    SWITCHBOARD_API=sb.READY["api"],
)


class Menu:
    """The running example: its address and its lines."""

    def __init__(self):
        environment = dict(
            ENVIRONMENT, PORT="0", PERSON=PERSON, NODE_PATH=os.path.join(TOOLS, "node-newest", "node_modules")
        )
        self.process = subprocess.Popen(
            ["node", os.path.join(EXAMPLES, "menu", "menu.js")], env=environment, stdout=subprocess.PIPE, text=True
        )
        self.lines = []
        threading.Thread(target=lambda: self.lines.extend(iter(self.process.stdout.readline, "")), daemon=True).start()
        said = lambda: self.lines and self.lines[0].split()[-1]
        self.url = sb.until("the menu says where it answers", said).replace("localhost", "127.0.0.1")

    def said(self, text):
        return [line for line in self.lines if text in line]


def heard_alone(text):
    """How long a sentence sounds by itself, in seconds."""
    sb.phone(PERSON)
    call = sb.rest("POST", "/Calls", To=PERSON, From=sb.NUMBER, Twiml="<Response><Say>%s</Say></Response>" % text)
    sb.status(call, "completed")
    return sb.loudness(sb.heard_by(PERSON))[0]


def calls_menu(**knobs):
    """The caller dials the number of the menu; the call is over when this returns."""
    sb.phone(CALLER, **knobs)
    before = {call["sid"] for call in sb.rest("GET", "/Calls")["calls"]}
    path = "/_switchboard/v1/phones/%s/calls" % sb.urllib.parse.quote(CALLER)
    sb.ask("POST", path, sb.json.dumps({"to": sb.NUMBER}).encode())

    def begun():
        calls = sb.rest("GET", "/Calls")["calls"]
        return next((call for call in calls if call["sid"] not in before and call["direction"] == "inbound"), None)

    return sb.status(sb.until("the call comes in", begun), "completed", 40)


def the_menu_tells_the_opening_hours_to_who_presses_1():
    hours = heard_alone("We are open from nine to five, Monday to Friday. Goodbye.")
    # Pressed while the question is spoken, which then ends.
    call = calls_menu(digits=[{"at_ms": 1500, "digits": "1"}])
    assert menu.said("/choice %s from %s: 1" % (call["sid"], CALLER)), menu.lines
    length, level = sb.loudness(sb.heard_by(CALLER))
    assert level > 500, "level %.0f" % level
    assert hours + 0.5 < length < hours + 4, "%.1f s, of which the hours take %.1f" % (length, hours)


def the_menu_connects_who_presses_2_with_a_person():
    sb.phone(PERSON, answer_after_ms=300, speak="Good day, this is a person. How can I help you?", hang_up_after_ms=4500)
    call = calls_menu(digits=[{"at_ms": 1000, "digits": "2"}])
    assert menu.said("/after %s from %s: completed" % (call["sid"], CALLER)), menu.lines
    # A second of the question, "One moment", and what the person says.
    length, level = sb.loudness(sb.heard_by(CALLER))
    assert length > 4 and level > 500, "%.1f s, level %.0f" % (length, level)


def the_menu_refuses_what_is_not_signed():
    request = urllib.request.Request(menu.url, data=b"CallSid=CA1&From=x")
    try:
        urllib.request.urlopen(request, timeout=5)
        raise AssertionError("an unsigned request is answered")
    except urllib.error.HTTPError as error:
        assert error.code == 403, error.code


def remind():
    return subprocess.run(
        [sys.executable, os.path.join(EXAMPLES, "reminder", "reminder.py"), REMINDED, "your table is booked for eight"],
        env=dict(ENVIRONMENT, FROM=sb.NUMBER),
        capture_output=True,
        text=True,
        timeout=60,
    )


def the_reminder_is_heard_and_confirmed():
    sb.phone(REMINDED, answer_after_ms=200, digits=[{"at_ms": 3500, "digits": "1"}])
    done = remind()
    assert done.returncode == 0, (done.returncode, done.stdout, done.stderr[-500:])
    statuses = done.stdout.split()[1:]
    assert statuses == ["initiated", "ringing", "in-progress", "confirmed", "completed"], statuses
    length, level = sb.loudness(sb.heard_by(REMINDED))
    assert length > 3 and level > 500, "%.1f s, level %.0f" % (length, level)


def the_reminder_says_when_nobody_could_be_reminded():
    sb.phone(REMINDED, busy=True)
    done = remind()
    assert done.returncode == 3 and done.stdout.split()[-1] == "busy", (done.returncode, done.stdout, done.stderr[-500:])


menu = Menu()
try:
    sb.rest("POST", "/Applications/" + sb.READY["application_sid"], VoiceUrl=menu.url, VoiceMethod="POST")
    failed = sb.run(
        [
            the_menu_tells_the_opening_hours_to_who_presses_1,
            the_menu_connects_who_presses_2_with_a_person,
            the_menu_refuses_what_is_not_signed,
            the_reminder_is_heard_and_confirmed,
            the_reminder_says_when_nobody_could_be_reminded,
        ]
    )
finally:
    menu.process.terminate()
    menu.process.wait(10)
sys.exit(failed)
