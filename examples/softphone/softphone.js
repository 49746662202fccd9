// A softphone in a page: tokens, TwiML and one call through the API, with the unmodified helper
// library and node's own HTTP server. No address of Switchboard's is in it.
const fs = require('node:fs');
const http = require('node:http');
const path = require('node:path');
const twilio = require('twilio');

if (fs.existsSync('.env')) process.loadEnvFile('.env');
const { TWILIO_ACCOUNT_SID, TWILIO_API_KEY, TWILIO_API_SECRET, TWILIO_TWIML_APP_SID, TWILIO_CALLER_ID } = process.env;
const port = Number(process.env.PORT ?? 3000);
const client = twilio(TWILIO_API_KEY, TWILIO_API_SECRET, { accountSid: TWILIO_ACCOUNT_SID });
const sdk = path.join(path.dirname(require.resolve('@twilio/voice-sdk')), '../dist/twilio.min.js');

// Who is on the page. The last one who asked for a token answers the number.
let identity = 'nobody';

function token() {
  identity = `person${Math.floor(Math.random() * 1e6)}`;
  const { AccessToken } = twilio.jwt;
  const made = new AccessToken(TWILIO_ACCOUNT_SID, TWILIO_API_KEY, TWILIO_API_SECRET, { identity, ttl: 3600 });
  made.addGrant(new AccessToken.VoiceGrant({ outgoingApplicationSid: TWILIO_TWIML_APP_SID, incomingAllow: true }));
  return { identity, token: made.toJwt() };
}

// Asked for both directions: what the page dials comes with its wish as To, and who dials the number
// is connected with the page.
function voice({ To }) {
  const response = new twilio.twiml.VoiceResponse();
  if (!To) response.say('Nobody was named.');
  else if (To === TWILIO_CALLER_ID) response.dial().client(identity);
  else {
    const dial = response.dial({ callerId: TWILIO_CALLER_ID, answerOnBridge: true });
    if (/^\+?\d+$/.test(To)) dial.number(To);
    else dial.client(To);
  }
  return response.toString();
}

// The platform calls the page back and reads a sentence to it.
async function ring() {
  const call = await client.calls.create({
    to: `client:${identity}`,
    from: TWILIO_CALLER_ID,
    twiml: '<Response><Say loop="5">You asked to be called. Here is your call.</Say></Response>',
  });
  return { sid: call.sid };
}

const server = http.createServer((request, response) => {
  const send = (type, body) => response.setHeader('content-type', type).end(body);
  const json = (value) => send('application/json', JSON.stringify(value));
  const fail = (error) => response.writeHead(500).end(String(error.message));
  let body = '';
  request.setEncoding('utf8');
  request.on('data', (part) => (body += part));
  request.on('end', () => {
    switch (`${request.method} ${request.url}`) {
      case 'GET /':
        return send('text/html; charset=utf-8', fs.readFileSync(path.join(__dirname, 'softphone.html')));
      case 'GET /sdk.js':
        return send('text/javascript', fs.readFileSync(sdk));
      case 'GET /token':
        return json(token());
      case 'POST /voice':
        return send('text/xml', voice(Object.fromEntries(new URLSearchParams(body))));
      case 'POST /ring':
        return ring().then(json, fail);
      default:
        return response.writeHead(404).end();
    }
  });
});

server.listen(port, 'localhost', () => console.log(`the softphone is at http://localhost:${server.address().port}`));
