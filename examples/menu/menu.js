// A telephone menu with the unmodified helper library and node's own HTTP server.
// Press 1 for the opening hours, 2 for a person.
const http = require('node:http');
const twilio = require('twilio');

const port = Number(process.env.PORT ?? 3000);
const token = process.env.TWILIO_AUTH_TOKEN ?? '0123456789abcdef0123456789abcdef';
const person = process.env.PERSON ?? '+15005550129';

// What each path answers with: a document that says how the call goes on.
const pages = {
  '/voice'() {
    const response = new twilio.twiml.VoiceResponse();
    const gather = response.gather({ action: '/choice', numDigits: 1, timeout: 5 });
    gather.say('Welcome. For our opening hours, press one. For a person, press two.');
    response.say('You pressed nothing. Goodbye.');
    return response;
  },

  '/choice'({ Digits }) {
    const response = new twilio.twiml.VoiceResponse();
    if (Digits === '1') {
      response.say('We are open from nine to five, Monday to Friday. Goodbye.');
    } else if (Digits === '2') {
      response.say('One moment.');
      response.dial({ action: '/after', timeout: 10 }, person);
    } else {
      response.say(`There is nothing behind ${Digits}.`);
      response.redirect('/voice');
    }
    return response;
  },

  '/after'({ DialCallStatus }) {
    const response = new twilio.twiml.VoiceResponse();
    if (DialCallStatus !== 'completed') response.say('Nobody is there. Please call again.');
    return response;
  },
};

const server = http.createServer((request, response) => {
  let body = '';
  request.setEncoding('utf8');
  request.on('data', (part) => (body += part));
  request.on('end', () => {
    const page = pages[request.url];
    if (!page) return response.writeHead(404).end();
    const form = Object.fromEntries(new URLSearchParams(body));
    // Anybody can find this address; only the platform knows the token that it signs with.
    const url = `http://${request.headers.host}${request.url}`;
    if (!twilio.validateRequest(token, request.headers['x-twilio-signature'] ?? '', url, form)) {
      console.log(`${request.url} refused: not signed with our token`);
      return response.writeHead(403).end();
    }
    const what = form.Digits ?? form.DialCallStatus ?? form.CallStatus;
    console.log(`${request.url} ${form.CallSid} from ${form.From}: ${what}`);
    response.setHeader('content-type', 'text/xml').end(page(form).toString());
  });
});

server.listen(port, '127.0.0.1', () => {
  console.log(`the menu answers at http://localhost:${server.address().port}/voice`);
});
