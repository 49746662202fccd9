"""The unmodified helper library of python, newest (counterparts-3) or 6.x (counterparts-4), against
a running Switchboard. See xtask/src/counterparts.rs for the environment and the output."""

import base64
import datetime
import html
import json
import os
import random
import re
import sys
import threading
import time
import traceback
import urllib.parse
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from twilio.base.exceptions import TwilioRestException
from twilio.request_validator import RequestValidator
from twilio.rest import Client

with open(os.environ["SWITCHBOARD_READY"], encoding="utf-8") as file:
    READY = json.load(file)
SID, TOKEN, PHONES = READY["account_sid"], READY["auth_token"], READY["phones"]
FROM = READY["numbers"].get("yours") or next(iter(READY["numbers"].values()))


def pointed(client):
    """The one thing an application changes: where the library's requests go."""
    client.api.base_url = client.monitor.base_url = READY["api"]
    return client


client = pointed(Client(SID, TOKEN))


class Form:
    """Repeated parameters as frameworks hand them over: 6.x asks for items, later ones for a list."""

    def __init__(self, pairs):
        self.pairs = [tuple(pair) for pair in pairs]

    def items(self):
        return sorted(set(self.pairs))

    def getlist(self, wanted):
        return [value for name, value in self.pairs if name == wanted]

    def get(self, wanted, default=None):
        return next(iter(self.getlist(wanted)), default)

    def __iter__(self):
        return iter([name for name, _ in self.pairs])

    def __len__(self):
        return len(self.pairs)


DOCUMENTS, HEARD = {}, []


class Application(BaseHTTPRequestHandler):
    """Hands out documents, keeps what it is asked and told."""

    protocol_version = "HTTP/1.1"

    def answer(self):
        body = self.rfile.read(int(self.headers.get("content-length") or 0)).decode()
        path = self.path.split("?")[0]
        form = Form(urllib.parse.parse_qsl(body, keep_blank_values=True))
        HEARD.append((path, BASE + self.path, form, self.headers.get("x-twilio-signature", "")))
        document = DOCUMENTS.get(path, "<Response/>").encode()
        self.send_response(200)
        self.send_header("content-type", "text/xml")
        self.send_header("content-length", str(len(document)))
        self.end_headers()
        self.wfile.write(document)

    do_GET = do_POST = answer

    def log_message(self, *_):
        pass


application = ThreadingHTTPServer(("127.0.0.1", 0), Application)
BASE = "http://127.0.0.1:%d" % application.server_address[1]
threading.Thread(target=application.serve_forever, daemon=True).start()


def until(what, condition, seconds=20):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError("waited %d s in vain for: %s" % (seconds, what))


def status(call, wanted):
    def reached():
        now = client.calls(call.sid).fetch()
        return now if now.status == wanted else None

    return until("%s %s" % (call.sid, wanted), reached)


def post(path, body):
    """A request to the control plane."""
    request = urllib.request.Request(
        READY["api"] + path,
        data=json.dumps(body).encode(),
        headers={
            "authorization": "Basic " + base64.b64encode(("%s:%s" % (SID, TOKEN)).encode()).decode(),
            "content-type": "application/json",
        },
    )
    urllib.request.urlopen(request, timeout=10).read()


def phone(number, **knobs):
    """Sets what one of the virtual phones does when it is called."""
    post("/_switchboard/v1/phones/%s" % urllib.parse.quote(number), knobs)


def refused(act, code, http_status):
    try:
        act()
    except TwilioRestException as error:
        assert (error.code, error.status) == (code, http_status), "%s %s: %s" % (error.code, error.status, error)
    else:
        raise AssertionError("not refused with %d" % code)


# counterparts-7
def a_thousand_signed_requests_are_valid_and_invalid_when_a_byte_is_changed():
    with open(os.environ["SIGNATURES"], encoding="utf-8") as file:
        lines = file.read().rstrip("\n").split("\n")
    assert len(lines) == 1000
    for line in lines:
        request = json.loads(line)
        validator = RequestValidator(request["token"])
        parameters = request["body"] if "body" in request else Form(request.get("form", []))
        url, signature = request["url"], request["signature"]
        assert validator.validate(url, parameters, signature), "should be valid: " + line
        changed = ("B" if signature[0] == "A" else "A") + signature[1:]
        assert not validator.validate(url, parameters, changed), "should be invalid: " + line
        elsewhere = re.sub("(://[^/]*/)", r"\1x", url, count=1)
        assert not validator.validate(elsewhere, parameters, signature), "should be invalid elsewhere: " + line


def the_account_is_fetched_by_token_and_by_api_key():
    assert client.api.accounts(SID).fetch().sid == SID
    keyed = pointed(Client(READY["api_key_sid"], READY["api_key_secret"], account_sid=SID))
    keyed.calls.list(limit=1)


# counterparts-6
def errors_come_as_exceptions_with_code_and_status():
    refused(lambda: client.calls("CA" + "0" * 32).fetch(), 20404, 404)
    refused(lambda: client.calls.create(to="", from_=FROM, url=BASE + "/voice"), 21201, 400)
    refused(lambda: client.calls.create(to=PHONES[0], from_="", url=BASE + "/voice"), 21213, 400)
    refused(lambda: client.calls.create(to=PHONES[0], from_=FROM), 21205, 400)
    refused(lambda: pointed(Client(SID, "0" * 32)).calls("CA" + "0" * 32).fetch(), 20003, 401)


# counterparts-5: numbers
def numbers_are_bought_listed_over_pages_changed_and_released():
    offered = client.available_phone_numbers("US").local.list(limit=5)
    assert len(offered) == 5
    bought = [
        client.incoming_phone_numbers.create(phone_number=number.phone_number, voice_url=BASE + "/voice")
        for number in offered
    ]
    first = client.incoming_phone_numbers.page(page_size=2)
    sids = [number.sid for number in first]
    following = [number.sid for number in first.next_page()]
    assert len(sids) == len(following) == 2 and not set(sids) & set(following)
    listed = [number.sid for number in client.incoming_phone_numbers.list(page_size=2, limit=200)]
    assert len(set(listed)) == len(listed), "a number was listed twice"
    assert {number.sid for number in bought} <= set(listed)
    changed = client.incoming_phone_numbers(bought[0].sid).update(friendly_name="door bell", voice_method="GET")
    assert (changed.friendly_name, changed.voice_method) == ("door bell", "GET")
    found = client.incoming_phone_numbers.list(phone_number=bought[1].phone_number, limit=5)
    assert [number.sid for number in found] == [bought[1].sid]
    for number in bought:
        assert client.incoming_phone_numbers(number.sid).delete() is True
    refused(lambda: client.incoming_phone_numbers(bought[0].sid).fetch(), 20404, 404)


DOCUMENTS["/voice"] = '<Response><Say>Hello from the library.</Say><Pause length="60"/></Response>'
DOCUMENTS["/elsewhere"] = '<Response><Say>You were redirected.</Say><Pause length="60"/></Response>'


def report(path):
    """A call whose four events are reported."""
    events = ["initiated", "ringing", "answered", "completed"]
    return {"status_callback": BASE + path, "status_callback_event": events}


def asked(path, sid=None):
    return [form for at, _, form, _ in list(HEARD) if at == path and sid in (None, form.get("CallSid"))]


# counterparts-8
def a_call_is_made_redirected_ended_reported_and_deleted():
    phone(PHONES[0], answer_after_ms=300)
    call = client.calls.create(to=PHONES[0], from_=FROM, url=BASE + "/voice", **report("/progress"))
    assert call.status == "queued" and len(call.sid) == 34
    live = status(call, "in-progress")
    assert live.direction == "outbound-api" and isinstance(live.start_time, datetime.datetime)
    until("the first document is fetched", lambda: asked("/voice"))
    client.calls(call.sid).update(url=BASE + "/elsewhere")
    until("the second document is fetched", lambda: asked("/elsewhere"))
    refused(lambda: client.calls(call.sid).delete(), 20009, 409)
    client.calls(call.sid).update(status="completed")
    ended = status(call, "completed")
    assert int(ended.duration) >= 0 and isinstance(ended.end_time, datetime.datetime)
    told = until("four callbacks", lambda: len(asked("/progress", call.sid)) == 4 and asked("/progress", call.sid))
    assert [form.get("CallStatus") for form in told] == ["initiated", "ringing", "in-progress", "completed"]
    assert [form.get("SequenceNumber") for form in told] == ["0", "1", "2", "3"]
    assert client.calls(call.sid).delete() is True
    refused(lambda: client.calls(call.sid).fetch(), 20404, 404)


def a_call_is_cancelled_while_ringing():
    phone(PHONES[1], answer_after_ms=60000)
    call = client.calls.create(to=PHONES[1], from_=FROM, url=BASE + "/voice", **report("/cancelled"))
    status(call, "ringing")
    client.calls(call.sid).update(status="canceled")
    status(call, "canceled")
    until("the last callback", lambda: any(form.get("CallStatus") == "canceled" for form in asked("/cancelled")))


def a_call_is_cancelled_while_queued():
    # One call a second leaves the queue: the last of four waits for seconds.
    document = "<Response><Hangup/></Response>"
    calls = [client.calls.create(to=PHONES[2], from_=FROM, twiml=document) for _ in range(4)]
    assert client.calls(calls[3].sid).update(status="canceled").status == "canceled"
    for call in calls[:3]:
        status(call, "completed")
    assert client.calls(calls[3].sid).fetch().status == "canceled"


def busy_and_unanswered_calls_say_so():
    phone(PHONES[3], busy=True)
    phone(PHONES[4], no_answer=True)
    busy = client.calls.create(to=PHONES[3], from_=FROM, url=BASE + "/voice")
    missed = client.calls.create(to=PHONES[4], from_=FROM, url=BASE + "/voice", timeout=5)
    status(busy, "busy")
    status(missed, "no-answer")


# counterparts-5: calls
def calls_are_listed_over_pages_and_by_filter():
    calls = client.calls.list(page_size=2, limit=200)
    assert len(calls) >= 7, "only %d calls" % len(calls)
    assert len({call.sid for call in calls}) == len(calls), "a call was listed twice"
    first = client.calls.page(page_size=2)
    assert len(list(first)) == 2 and len(list(first.next_page())) == 2
    assert [call.to for call in client.calls.list(status="busy", limit=50)] == [PHONES[3]]


# counterparts-7: what the server sent
def everything_the_application_was_sent_is_signed():
    assert len(HEARD) >= 9, "only %d requests" % len(HEARD)
    validator = RequestValidator(TOKEN)
    for _, url, form, signature in HEARD:
        assert validator.validate(url, form, signature), url


def lives(items, make, change=None):
    """Through its whole life: what is made is fetched, found in its list, changed; the end is handed back."""
    maker, keeper = items if isinstance(items, tuple) else (items, items)
    made = maker.create(**make)
    assert keeper(made.sid).fetch().sid == made.sid
    assert any(one.sid == made.sid for one in keeper.list(limit=200)), "not listed: " + made.sid
    if change:
        assert keeper(made.sid).update(**change).friendly_name == change["friendly_name"]

    def ends():
        assert keeper(made.sid).delete() is True
        refused(lambda: keeper(made.sid).fetch(), 20404, 404)

    return made, ends


# counterparts-41
def every_other_resource_is_made_read_listed_changed_and_removed():
    renamed = {"friendly_name": "renamed"}
    lives(client.applications, {"friendly_name": "app", "voice_url": BASE + "/voice"}, renamed)[1]()
    key, ends = lives((getattr(client, "new_keys", client.keys), client.keys), {"friendly_name": "key"}, renamed)
    standard = pointed(Client(key.sid, key.secret, account_sid=SID))
    standard.calls.list(limit=1)
    refused(lambda: standard.api.accounts(SID).fetch(), 20003, 401)
    ends()
    refused(lambda: standard.calls("CA" + "0" * 32).fetch(), 20003, 401)
    signing = (getattr(client, "new_signing_keys", client.signing_keys), client.signing_keys)
    lives(signing, {"friendly_name": "key"}, renamed)[1]()

    sip = client.sip
    users, end_users = lives(sip.credential_lists, {"friendly_name": "users"}, renamed)
    member = {"username": "joey", "password": "Password12345"}
    _, end_user = lives(sip.credential_lists(users.sid).credentials, member)
    addresses, end_addresses = lives(sip.ip_access_control_lists, {"friendly_name": "addresses"}, renamed)
    hall = {"friendly_name": "hall", "ip_address": "192.0.2.1"}
    _, end_address = lives(sip.ip_access_control_lists(addresses.sid).ip_addresses, hall, renamed)
    name = "library%d.sip.twilio.com" % (time.time_ns() // 1000)
    domain, end_domain = lives(sip.domains, {"domain_name": name}, renamed)
    below = sip.domains(domain.sid)
    mappings = [
        lives(below.auth.calls.credential_list_mappings, {"credential_list_sid": users.sid}),
        lives(below.auth.registrations.credential_list_mappings, {"credential_list_sid": users.sid}),
        lives(below.auth.calls.ip_access_control_list_mappings, {"ip_access_control_list_sid": addresses.sid}),
    ]
    assert sip.domains(domain.sid).fetch().auth_type == "CREDENTIAL_LIST,IP_ACL"
    assert len(below.credential_list_mappings.list()) == len(below.ip_access_control_list_mappings.list()) == 1
    refused(lambda: sip.credential_lists(users.sid).delete(), 21241, 400)
    for end in [*(end for _, end in mappings), end_domain, end_address, end_addresses, end_user, end_users]:
        end()

    number = "+493023125000"
    code = client.validation_requests.create(
        phone_number=number, friendly_name="Berlin", status_callback=BASE + "/verified"
    ).validation_code
    assert re.fullmatch("[0-9]{6}", code), code
    [verified] = client.outgoing_caller_ids.list(phone_number=number, limit=2)
    told = until("the report that it is verified", lambda: asked("/verified"))
    assert (told[0].get("VerificationStatus"), told[0].get("OutgoingCallerIdSid")) == ("success", verified.sid)
    assert client.outgoing_caller_ids(verified.sid).update(**renamed).friendly_name == "renamed"
    assert client.outgoing_caller_ids(verified.sid).delete() is True

    child = client.api.accounts.create(friendly_name="child")
    assert child.owner_account_sid == SID
    assert len(client.api.accounts.list(friendly_name="child", limit=5)) == 1
    assert client.api.accounts(child.sid).update(status="suspended").status == "suspended"
    refused(lambda: pointed(Client(child.sid, child.auth_token)).calls("CA" + "0" * 32).fetch(), 20005, 403)
    assert client.api.accounts(child.sid).update(status="closed").status == "closed"
    assert client.balance.fetch().currency == "USD"
    assert "GB" in [country.country_code for country in client.available_phone_numbers.list(limit=50)]
    assert len(client.available_phone_numbers("GB").mobile.list(limit=3)) == 3

    call = client.calls.create(to=PHONES[5], from_=FROM, url=BASE + "/voice", twiml="<Response/>")
    [notification] = client.calls(call.sid).notifications.list(limit=5)
    assert notification.error_code == "32019"
    assert client.notifications(notification.sid).fetch().message_text == notification.message_text
    assert client.calls(call.sid).events.list(limit=5)[0].request["parameters"]["to"] == PHONES[5]
    monitor = getattr(client.monitor, "v1", client.monitor)
    alerts = monitor.alerts.list(log_level="warning", limit=50)
    assert [alert.resource_sid for alert in alerts if alert.sid == notification.sid] == [call.sid]
    assert monitor.alerts(notification.sid).fetch().error_code == "32019"
    client.calls(call.sid).update(status="completed")


# `SEED` in the environment repeats a failure.
SEED = int(os.environ.get("SEED") or time.time_ns() % 1_000_000_000)
RANDOM = random.Random(SEED)
QUERY_NAMES = ["q", "Q", "room", "To", "a.b", "list[]", "caf%C3%A9", "x_y", "~t"]
QUERY_VALUES = ["", "1", "two+words", "two%20words", "%2B15005550100", "gr%C3%BC%C3%9Fe", "%E6%97%A5%E6%9C%AC",
                "%F0%9F%98%80", "a,b;c", "a/b?c", "a=b", "it's", "x:y@z", "%26%3D%23", "100%25", "gr\u00fc\u00dfe", "!*()", "%7e"]
CHAINS, HOPS = 10, 99


def query():
    """A query as somebody might configure it: encoded in different ways, repeated, empty, or absent."""
    one = RANDOM.choice
    pairs = [one(QUERY_NAMES) + ("=" + one(QUERY_VALUES) if RANDOM.random() < 0.9 else "") for _ in range(RANDOM.randrange(4))]
    return "?" + "&".join(pairs) if pairs else ""


def fragment():
    """What it says is for the client alone: it is neither sent nor signed."""
    return RANDOM.choice(["", "", "", "#rc=2", "#ct=3000&rt=9000", "#rp=all", "#section"])


class Chains:
    """Sends each call from document to document, and checks every request that arrives."""

    def __init__(self):
        self.lock = threading.Lock()
        self.tokens = {}  # by AccountSid
        self.expected = {}  # path to user information and method
        self.seen, self.ends, self.wrong, self.checked = set(), set(), [], 0
        chains = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self):
                body = self.rfile.read(int(self.headers.get("content-length") or 0)).decode()
                with chains.lock:
                    code, document = chains.answer(self.command, self.path, self.headers, body)
                self.send_response(code)
                if code == 401:
                    self.send_header("www-authenticate", 'Basic realm="hop"')
                self.send_header("content-type", "text/xml; charset=utf-8")
                self.send_header("content-length", str(len(document)))
                self.end_headers()
                self.wfile.write(document)

            do_GET = do_POST = answer

            def log_message(self, *_):
                pass

        self.servers = [ThreadingHTTPServer(("127.0.0.1", 0), Handler) for _ in range(2)]
        self.ports = [server.server_address[1] for server in self.servers]
        for server in self.servers:
            threading.Thread(target=server.serve_forever, daemon=True).start()

    def next(self, chain, hop, user):
        path, method = "/hop/%d/%d" % (chain, hop), RANDOM.choice(["GET", "POST", "POST", None])
        # A relative address stays with the server, and with the user, of the document it stands in.
        relative = hop > 0 and RANDOM.random() < 0.25
        if relative:
            address = RANDOM.choice([path, str(hop), "../%d/%d" % (chain, hop)])
        else:
            user = RANDOM.choice(["", "", "", "", "", "user:pass@", "a%40b:p%3Aw@", "only@"])
            address = "http://%s%s:%d%s" % (user, RANDOM.choice(["127.0.0.1", "localhost"]), RANDOM.choice(self.ports), path)
        self.expected[path] = (user, method or "POST")
        return address + query() + fragment(), method

    def answer(self, method, target, headers, body):
        path = target.split("?")[0]
        user, wanted = self.expected.get(path, ("", "POST"))
        url = "http://%s%s%s" % (user, headers["host"], target)
        form = Form(urllib.parse.parse_qsl(body, keep_blank_values=True))
        sent = Form(urllib.parse.parse_qsl(urllib.parse.urlsplit(target).query, keep_blank_values=True))
        named = lambda name: form.get(name) or (sent.getlist(name) or [None])[-1]
        signature = headers.get("x-twilio-signature", "")
        validator = RequestValidator(self.tokens.get(named("AccountSid"), ""))
        changed = ("B" if signature[:1] == "A" else "A") + signature[1:]
        elsewhere = url.replace("/hop/", "/hip/").replace("/told/", "/tald/")
        right = validator.validate(url, form, signature)
        if not right or validator.validate(url, form, changed) or validator.validate(elsewhere, form, signature) or method != wanted:
            self.wrong.append("%s %s %r" % (method, url, form.pairs))
        self.checked += 1
        if user and "authorization" not in headers:
            return 401, b""
        if user:
            name, _, password = user[:-1].partition(":")
            pair = urllib.parse.unquote(name) + ":" + urllib.parse.unquote(password)
            if base64.b64decode(headers["authorization"].split(" ")[1]).decode() != pair:
                self.wrong.append("%s: authorized as somebody else" % path)
        self.seen.add(path)
        _, kind, chain, *hop = path.split("/")
        if kind == "told":
            self.ends.add((named("CallSid"), named("CallStatus")))
            return 200, b""
        if int(hop[0]) + 1 >= HOPS:
            return 200, b"<Response><Hangup/></Response>"
        url, method = self.next(int(chain), int(hop[0]) + 1, user)
        method = ' method="%s"' % method if method else ""
        return 200, ("<Response><Redirect%s>%s</Redirect></Response>" % (method, html.escape(url, quote=False))).encode()


# counterparts-40
def a_thousand_random_webhooks_of_the_running_server_are_valid_and_invalid_when_a_byte_is_changed():
    chains, made, placed = Chains(), [], []
    told = lambda: sum(path.startswith("/told/") for path in list(chains.seen))
    # Each chain belongs to a subaccount of its own, whose token signs.
    offered = client.available_phone_numbers("US").local.list(area_code=312, limit=CHAINS)
    for chain, number in enumerate(offered):
        account = client.api.accounts.create(friendly_name="Webhooks %d" % chain)
        method = RANDOM.choice(["GET", "POST"])
        with chains.lock:
            chains.tokens[account.sid] = account.auth_token
            url, voice_method = chains.next(chain, 0, "")
            chains.expected["/told/%d" % chain] = ("", method)
        client.api.accounts(account.sid).incoming_phone_numbers.create(
            phone_number=number.phone_number,
            voice_url=url,
            voice_method=voice_method or "POST",
            status_callback="http://127.0.0.1:%d/told/%d%s%s" % (chains.ports[0], chain, query(), fragment()),
            status_callback_method=method,
        )
        made.append((account, number.phone_number))
    # Nobody answers these: what is told about them carries names of every alphabet.
    names = ["client:Zo\u00eb", "client:\u65e5\u672c\u8a9e", "client:o'neil+1", "client:\u00fcn\u00ef.c\u00f6d\u00e9", "client:\U0001f600",
             "\u00c4 & B <c@d>", "a=b&c=d", 'q"uote%41', "100 %", "*~()!"]
    for at, (account, _) in enumerate(made):
        method = RANDOM.choice(["GET", "POST"])
        chains.expected["/told/rest%d" % at] = ("", method)
        call = client.api.accounts(account.sid).calls.create(
            to="client:%s%d?room=%s" % (RANDOM.choice(["nobody", "gr\u00f6\u00dfe", "\u7121\u4eba", "a+b", "d'or"]), at, RANDOM.choice(["a%20b", "c+d"])),
            from_=names[at],
            twiml="<Response/>",
            status_callback="http://localhost:%d/told/rest%d%s%s" % (chains.ports[1], at, query(), fragment()),
            status_callback_method=method,
            status_callback_event=["initiated", "completed"],
        )
        placed.append(call.sid)
    for at, (_, number) in enumerate(made):
        post("/_switchboard/v1/phones/%s/calls" % urllib.parse.quote(PHONES[at]), {"to": number})
    until("every hop and every report", lambda: len(chains.seen) >= CHAINS * (HOPS + 2) and told() == 2 * CHAINS, 60)
    assert all((sid, "no-answer") in chains.ends for sid in placed), "not told: %r" % chains.ends
    assert not chains.wrong, "SEED=%d: %d of %d are wrong: %s" % (SEED, len(chains.wrong), chains.checked, " ".join(chains.wrong[:3]))
    assert chains.checked >= 1000 and len(chains.tokens) == CHAINS, "only %d were checked" % chains.checked
    for server in chains.servers:
        server.shutdown()


TESTS = [
    a_thousand_signed_requests_are_valid_and_invalid_when_a_byte_is_changed,
    the_account_is_fetched_by_token_and_by_api_key,
    errors_come_as_exceptions_with_code_and_status,
    numbers_are_bought_listed_over_pages_changed_and_released,
    a_call_is_made_redirected_ended_reported_and_deleted,
    a_call_is_cancelled_while_ringing,
    a_call_is_cancelled_while_queued,
    busy_and_unanswered_calls_say_so,
    calls_are_listed_over_pages_and_by_filter,
    everything_the_application_was_sent_is_signed,
    every_other_resource_is_made_read_listed_changed_and_removed,
    a_thousand_random_webhooks_of_the_running_server_are_valid_and_invalid_when_a_byte_is_changed,
]

failures = 0
for test in TESTS:
    name = test.__name__.replace("_", " ")
    try:
        test()
        print("ok " + name)
    except Exception as error:  # one failed test must not hide the next
        failures += 1
        place = traceback.extract_tb(error.__traceback__)[-1]
        print("not ok %s: %s:%s %s: %s" % (name, place.name, place.lineno, type(error).__name__, str(error)[:500]))
sys.exit(1 if failures else 0)
