"""Reminds somebody by telephone and asks for a confirmation: press 1.

    python reminder.py +15005550120 "your table is booked for eight"

Ends with 0 if it was confirmed, 3 if not. The unmodified helper library, and python's own HTTP server.
"""

import os
import queue
import sys
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from twilio.request_validator import RequestValidator
from twilio.rest import Client
from twilio.twiml.voice_response import VoiceResponse

ACCOUNT = os.environ.get("TWILIO_ACCOUNT_SID", "AC00000000000000000000000000000001")
TOKEN = os.environ.get("TWILIO_AUTH_TOKEN", "0123456789abcdef0123456789abcdef")
PLATFORM = os.environ.get("SWITCHBOARD_API", "http://127.0.0.1:8460")
FROM = os.environ.get("FROM", "+15005550110")
# Ringing and two rounds of the question take less.
LONGEST = 120

happened = queue.Queue()


class Application(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length") or 0)).decode()
        form = dict(urllib.parse.parse_qsl(body, keep_blank_values=True))
        url = "http://%s%s" % (self.headers["host"], self.path)
        signature = self.headers.get("x-twilio-signature", "")
        # Anybody can find this address; only the platform knows the token that it signs with.
        if not RequestValidator(TOKEN).validate(url, form, signature):
            return self.answer(403, "")
        if self.path == "/status":
            happened.put(form["CallStatus"])
            return self.answer(204, "")
        response = VoiceResponse()
        if form.get("Digits") == "1":
            happened.put("confirmed")
            response.say("Thank you. Goodbye.")
        else:
            response.say("That was not the one. Goodbye.")
        self.answer(200, str(response))

    def answer(self, status, document):
        self.send_response(status)
        self.send_header("content-type", "text/xml")
        self.send_header("content-length", str(len(document)))
        self.end_headers()
        self.wfile.write(document.encode())

    def log_message(self, *_):
        pass


def main():
    to, text = sys.argv[1], sys.argv[2]
    server = ThreadingHTTPServer(("127.0.0.1", 0), Application)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    base = "http://127.0.0.1:%d" % server.server_address[1]

    document = VoiceResponse()
    with document.gather(action=base + "/confirm", num_digits=1, timeout=5) as gather:
        gather.say("This is a reminder: %s. Press one to confirm." % text, loop=2)

    client = Client(ACCOUNT, TOKEN)
    client.api.base_url = PLATFORM
    call = client.calls.create(
        to=to,
        from_=FROM,
        twiml=str(document),
        status_callback=base + "/status",
        status_callback_event=["initiated", "ringing", "answered", "completed"],
    )
    print(call.sid, flush=True)
    confirmed = False
    while True:
        try:
            now = happened.get(timeout=LONGEST)
        except queue.Empty:
            print("nothing was heard of the call for %d s" % LONGEST)
            return 1
        print(now, flush=True)
        if now == "confirmed":
            confirmed = True
        elif now in ("completed", "busy", "failed", "no-answer", "canceled"):
            return 0 if confirmed else 3


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: reminder.py NUMBER TEXT")
    sys.exit(main())
